#include "fl/message.hpp"
#include "fl/upload.hpp"
#include "sparse/codec.hpp"
#include "unit/fl/small_uploads.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

using namespace feddip;
using namespace feddip::fl;
using namespace feddip::test;
using testing::ElementsAre;

namespace {

struct sent_by {
    client_record record = client_with(1);
    upload sent;
};

sent_by send(const round_plan& plan, local_result trained) {
    static const auto model = model_of_first_two();
    sent_by s;
    s.sent = make_upload(plan, tiny_layout, model, trained, s.record);
    return s;
}

std::uint64_t bytes_of_positions(const sparse::mask& support) {
    const auto known = model_of_first_two().mask;
    return sparse::encode(support, tiny_layout, &known).size();
}

} // namespace

TEST(upload, in_the_mask_carries_the_weights_in_it_and_the_tail_without_positions) {
    const auto [record, sent] = send(sending(upload_content::in_mask), {.weights = weights_a});

    EXPECT_EQ(sent.weights.support, mask_of({1, 1, 0, 0}));
    EXPECT_THAT(sent.weights.values, ElementsAre(1, -2));
    EXPECT_THAT(sent.tail, ElementsAre(10));
    EXPECT_EQ(sent.samples, 1U);
    EXPECT_EQ(record.bytes_positions, 0U);
    EXPECT_EQ(record.bytes_up, header_bytes + 3 * sizeof(float));
}

TEST(upload, of_all_weights_carries_everything) {
    const auto [record, sent] = send(sending(upload_content::all_weights), {.weights = weights_a});

    EXPECT_THAT(sent.weights.values, ElementsAre(1, -2, 3, 0.5));
    EXPECT_EQ(record.bytes_up, header_bytes + 5 * sizeof(float));
}

TEST(upload, of_the_largest_weights_is_charged_for_their_positions) {
    const auto [record, sent] = send(sending(upload_content::largest), {.weights = weights_a});

    EXPECT_EQ(sent.weights.support, mask_of({0, 1, 1, 0}));
    EXPECT_THAT(sent.weights.values, ElementsAre(-2, 3));
    EXPECT_EQ(record.bytes_positions, bytes_of_positions(sent.weights.support));
    EXPECT_EQ(record.bytes_up, header_bytes + record.bytes_positions + 3 * sizeof(float));
}

TEST(upload, of_an_own_mask_is_charged_for_its_positions) {
    const auto own = mask_of({0, 1, 0, 1});
    const auto [record, sent] =
        send(sending(upload_content::own_mask), {.weights = weights_a, .own_mask = &own});

    EXPECT_THAT(sent.weights.values, ElementsAre(-2, 0.5));
    EXPECT_EQ(record.bytes_positions, bytes_of_positions(own));
    EXPECT_EQ(record.bytes_up, header_bytes + record.bytes_positions + 3 * sizeof(float));
}

// a + residual = 1.5, -2, 3, 2.5: the largest two are positions 2 and 3; the rest stays for the next time.
TEST(upload, adds_what_a_client_kept_and_keeps_what_it_does_not_send) {
    std::vector<float> residual{0.5F, 0, 0, 2};
    const auto [record, sent] =
        send(sending(upload_content::largest), {.weights = weights_a, .residual = residual});

    EXPECT_THAT(sent.weights.values, ElementsAre(3, 2.5));
    EXPECT_THAT(residual, ElementsAre(1.5, -2, 0, 0));
}

TEST(upload, carries_squared_gradients_of_all_weights_and_is_charged_for_them) {
    auto plan = sending(upload_content::in_mask);
    plan.squared_gradients = true;
    const std::vector<float> squares{1, 2, 3, 4};
    const auto [record, sent] = send(plan, {.weights = weights_a, .squared_gradients = squares});

    EXPECT_THAT(sent.squared_gradients, ElementsAre(1, 2, 3, 4));
    EXPECT_EQ(record.bytes_up, header_bytes + (3 + 4) * sizeof(float));
}

TEST(upload, with_nan_or_infinity_is_left_out_and_recorded_and_leaves_the_residual_as_it_was) {
    for (const auto content :
         {upload_content::in_mask, upload_content::all_weights, upload_content::largest}) {
        for (const float bad :
             {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
            auto poisoned = weights_a;
            poisoned[4] = bad;
            std::vector<float> residual{0.5F, 0, 0, 2};
            const auto [record, sent] = send(sending(content), {.weights = poisoned, .residual = residual});

            EXPECT_FALSE(sent.included);
            EXPECT_EQ(record.included, 0);
            EXPECT_EQ(sent.weights.support.count(), 0U);
            EXPECT_THAT(residual, ElementsAre(0.5, 0, 0, 2));
            const auto whole = send(sending(content), {.weights = weights_a}).record;
            EXPECT_EQ(record.bytes_up - record.bytes_positions, whole.bytes_up - whole.bytes_positions)
                << "it was sent all the same";
            EXPECT_EQ(record.bytes_positions > 0, whole.bytes_positions > 0);
        }
    }
}

TEST(upload, whose_squared_gradients_overflow_is_left_out) {
    auto plan = sending(upload_content::in_mask);
    plan.squared_gradients = true;
    const std::vector<float> squares{1, 2, std::numeric_limits<float>::infinity(), 4};
    const auto [record, sent] = send(plan, {.weights = weights_a, .squared_gradients = squares});

    EXPECT_EQ(record.included, 0);
    EXPECT_EQ(record.bytes_up, header_bytes + (3 + 4) * sizeof(float)) << "it was sent all the same";
}

// 257 is half way between two bfloat16, 1.25 + 256 is what the server reads of 258.25 - 1.25.
TEST(upload, of_bf16_values_rounds_the_difference_to_the_model_but_not_the_tail) {
    const std::vector<float> trained{258.25F, 2, 0, 0, 257};
    for (const auto content : {upload_content::in_mask, upload_content::all_weights}) {
        const auto [record, sent] = send(sending(content, config::value_kind::bf16), {.weights = trained});

        EXPECT_EQ(sent.weights.values[0], 257.25F);
        EXPECT_EQ(sent.weights.values[1], 2.0F);
        EXPECT_EQ(sent.tail.front(), 257.0F);
        const auto weights = content == upload_content::in_mask ? 2 : 4;
        EXPECT_EQ(record.bytes_up, header_bytes + 2 * weights + sizeof(float));
    }
}

TEST(upload, of_bf16_values_is_charged_two_bytes_for_each_of_the_largest_weights) {
    const auto [record, sent] =
        send(sending(upload_content::largest, config::value_kind::bf16), {.weights = weights_a});

    EXPECT_EQ(record.bytes_up, header_bytes + record.bytes_positions + 2 * 2 + sizeof(float));
}

TEST(upload, of_bf16_values_keeps_what_was_rounded_away_and_sends_it_the_next_time) {
    const std::vector<float> trained{258.25F, 2, 0, 0, 0};
    const auto plan = sending(upload_content::in_mask, config::value_kind::bf16);
    std::vector<float> residual(4);

    send(plan, {.weights = trained, .residual = residual});
    EXPECT_THAT(residual, ElementsAre(1, 0, 0, 0));

    const auto second = send(plan, {.weights = trained, .residual = residual});
    EXPECT_EQ(second.sent.weights.values.front(), 1.25F + 258);
    EXPECT_THAT(residual, ElementsAre(0, 0, 0, 0));
}

// Of a the part is position 1; a comes with half of the residual, there and elsewhere.
TEST(upload, of_a_part_adds_what_was_kept_of_it_and_lets_the_rest_fade) {
    const auto second = mask_of({0, 1, 0, 0});
    std::vector<float> residual{0.5F, 4, 0, 2};
    const auto [record, sent] =
        send(sending(upload_content::in_mask),
             {.weights = weights_a, .own_mask = &second, .residual = residual, .strength = 0.5F});

    EXPECT_THAT(sent.weights.values, ElementsAre(-2 + 0.5 * 4));
    EXPECT_THAT(residual, ElementsAre(1 + 0.5 * 0.5, 0, 3, 0.5 + 0.5 * 2));
    EXPECT_EQ(record.bytes_up, header_bytes + 2 * sizeof(float));
}
