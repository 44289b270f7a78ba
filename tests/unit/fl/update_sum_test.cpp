#include "fl/in_process_transport.hpp"
#include "fl/message.hpp"
#include "fl/update_sum.hpp"
#include "sparse/codec.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

using namespace feddip;
using namespace feddip::fl;

namespace {

const parameter_layout tiny({{"a.weight", role::weight, {2, 2}, 0, 0, 2},
                             {"a.bias", role::bias, {1}, 0, 0, 2}});
const std::vector<int> alone{0, 0};

sparse::mask first_two() {
    sparse::mask m(4, false);
    m.set(0, true);
    m.set(1, true);
    return m;
}

global_model model_of_first_two() {
    return {.state = {1.25F, 2, 0, 0, 5}, .mask = first_two(), .mask_version = 1};
}

round_plan sending(upload_content content, config::value_kind values = config::value_kind::f32) {
    round_plan plan;
    plan.target_sparsity = 0.5;
    plan.upload = content;
    plan.values = values;
    return plan;
}

client_record client_with(std::uint32_t samples) {
    client_record record;
    record.samples = samples;
    return record;
}

const std::vector<float> a{1, -2, 3, 0.5F, 10};
const std::vector<float> b{4, 1, -2, 8, 20};

std::vector<float> total_of(upload_content content, client_record& ra, client_record& rb) {
    in_process_transport ranks;
    const auto model = model_of_first_two();
    update_sum sum(ranks, sending(content), tiny, model, alone);
    sum.add(0, a, ra);
    sum.add(1, b, rb);
    return sum.finish();
}

} // namespace

TEST(update_sum, in_the_mask_adds_samples_times_alive_weights_and_tail) {
    auto ra = client_with(1);
    auto rb = client_with(3);

    EXPECT_THAT(total_of(upload_content::in_mask, ra, rb), testing::ElementsAre(13, 1, 70));
    EXPECT_EQ(ra.bytes_up, header_bytes + 3 * sizeof(float));
    EXPECT_EQ(ra.bytes_positions, 0U);
}

TEST(update_sum, of_all_weights_adds_everything) {
    auto ra = client_with(1);
    auto rb = client_with(3);

    EXPECT_THAT(total_of(upload_content::all_weights, ra, rb), testing::ElementsAre(13, 1, -3, 24.5, 70));
    EXPECT_EQ(ra.bytes_up, header_bytes + 5 * sizeof(float));
}

// Of a the largest two are positions 1 and 2, of b 0 and 3.
TEST(update_sum, of_the_largest_weights_takes_each_clients_own_and_charges_their_positions) {
    auto ra = client_with(1);
    auto rb = client_with(3);

    EXPECT_THAT(total_of(upload_content::largest, ra, rb), testing::ElementsAre(12, -2, 3, 24, 70));
    sparse::mask of_a(4, false);
    of_a.set(1, true);
    of_a.set(2, true);
    const auto mask = first_two();
    EXPECT_EQ(ra.bytes_positions, sparse::encode(of_a, tiny, &mask).size());
    EXPECT_EQ(ra.bytes_up, header_bytes + ra.bytes_positions + 3 * sizeof(float));
}

// a + residual = 1.5, -2, 3, 2.5: the largest two are positions 2 and 3; the rest stays for the next time.
TEST(update_sum, adds_what_a_client_kept_and_keeps_what_it_does_not_send) {
    in_process_transport ranks;
    const auto model = model_of_first_two();
    const std::vector<int> one{0};
    update_sum sum(ranks, sending(upload_content::largest), tiny, model, one);
    std::vector<float> residual{0.5F, 0, 0, 2};
    auto record = client_with(1);

    sum.add(0, a, record, residual);

    EXPECT_THAT(sum.finish(), testing::ElementsAre(0, 0, 3, 2.5, 10));
    EXPECT_THAT(residual, testing::ElementsAre(1.5, -2, 0, 0));
}

TEST(update_sum, leaves_the_residual_of_a_left_out_update_as_it_was) {
    in_process_transport ranks;
    const auto model = model_of_first_two();
    const std::vector<int> one{0};
    update_sum sum(ranks, sending(upload_content::largest), tiny, model, one);
    std::vector<float> residual{0.5F, 0, 0, 2};
    auto poisoned = a;
    poisoned[0] = std::numeric_limits<float>::quiet_NaN();
    auto record = client_with(1);

    sum.add(0, poisoned, record, residual);

    EXPECT_THAT(residual, testing::ElementsAre(0.5, 0, 0, 2));
}

// Of a weights 1 and 3 are sent, of b 0 and 1.
TEST(update_sum, of_own_masks_adds_what_each_sends_and_who_sent_it) {
    in_process_transport ranks;
    const auto model = model_of_first_two();
    const auto& mask = model.mask;
    auto plan = sending(upload_content::own_mask);
    plan.averages_senders = true;
    update_sum sum(ranks, plan, tiny, model, alone);
    sparse::mask of_a(4, false);
    of_a.set(1, true);
    of_a.set(3, true);
    auto ra = client_with(1);
    auto rb = client_with(3);

    sum.add(0, a, ra, {}, {.own_mask = &of_a});
    sum.add(1, b, rb, {}, {.own_mask = &mask});

    EXPECT_THAT(sum.finish(), testing::ElementsAre(12, 1, 0, 0.5, 70, 3, 4, 0, 1));
    EXPECT_EQ(ra.bytes_positions, sparse::encode(of_a, tiny, &mask).size());
    EXPECT_EQ(ra.bytes_up, header_bytes + ra.bytes_positions + 3 * sizeof(float));
}

TEST(update_sum, carries_squared_gradients_of_all_weights_and_charges_them) {
    in_process_transport ranks;
    const auto model = model_of_first_two();
    auto plan = sending(upload_content::in_mask);
    plan.squared_gradients = true;
    update_sum sum(ranks, plan, tiny, model, alone);
    const std::vector<float> of_a{1, 2, 3, 4};
    const std::vector<float> of_b{4, 3, 2, 1};
    auto ra = client_with(1);
    auto rb = client_with(3);

    sum.add(0, a, ra, {}, {.squared_gradients = of_a});
    sum.add(1, b, rb, {}, {.squared_gradients = of_b});

    EXPECT_THAT(sum.finish(), testing::ElementsAre(13, 1, 70, 13, 11, 9, 7));
    EXPECT_EQ(ra.bytes_up, header_bytes + (3 + 4) * sizeof(float));
}

TEST(update_sum, leaves_out_an_update_whose_squared_gradients_overflow) {
    in_process_transport ranks;
    const auto model = model_of_first_two();
    auto plan = sending(upload_content::in_mask);
    plan.squared_gradients = true;
    update_sum sum(ranks, plan, tiny, model, alone);
    const std::vector<float> good{1, 2, 3, 4};
    const std::vector<float> bad{1, 2, std::numeric_limits<float>::infinity(), 4};
    auto ra = client_with(1);
    auto rb = client_with(1);

    sum.add(0, a, ra, {}, {.squared_gradients = bad});
    sum.add(1, b, rb, {}, {.squared_gradients = good});

    EXPECT_EQ(ra.included, 0);
    EXPECT_THAT(sum.finish(), testing::ElementsAre(4, 1, 20, 1, 2, 3, 4));
}

TEST(update_sum, leaves_out_and_records_an_update_with_nan_or_infinity) {
    for (const auto content :
         {upload_content::in_mask, upload_content::all_weights, upload_content::largest}) {
        for (const float bad :
             {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
            in_process_transport ranks;
            const auto model = model_of_first_two();
            update_sum sum(ranks, sending(content), tiny, model, alone);
            auto poisoned = a;
            poisoned[4] = bad;
            auto ra = client_with(1);
            auto rb = client_with(1);

            sum.add(0, poisoned, ra);
            sum.add(1, b, rb);

            EXPECT_EQ(ra.included, 0);
            EXPECT_EQ(rb.included, 1);
            EXPECT_EQ(sum.finish().back(), 20.0F);
        }
    }
}

// 257 is half way between two bfloat16, 1.25 + 256 is what the server reads of 258.25 - 1.25.
TEST(update_sum, of_bf16_values_rounds_the_difference_to_the_model_but_not_the_tail) {
    const std::vector<float> trained{258.25F, 2, 0, 0, 257};
    for (const auto content : {upload_content::in_mask, upload_content::all_weights}) {
        in_process_transport ranks;
        const auto model = model_of_first_two();
        const std::vector<int> one{0};
        update_sum sum(ranks, sending(content, config::value_kind::bf16), tiny, model, one);
        auto record = client_with(1);

        sum.add(0, trained, record);

        const auto total = sum.finish();
        EXPECT_EQ(total.front(), 257.25F);
        EXPECT_EQ(total[1], 2.0F);
        EXPECT_EQ(total.back(), 257.0F);
        const auto weights = content == upload_content::in_mask ? 2 : 4;
        EXPECT_EQ(record.bytes_up, header_bytes + 2 * weights + sizeof(float));
    }
}

TEST(update_sum, of_bf16_values_charges_largest_weights_two_bytes_each) {
    in_process_transport ranks;
    const auto model = model_of_first_two();
    const std::vector<int> one{0};
    update_sum sum(ranks, sending(upload_content::largest, config::value_kind::bf16), tiny, model, one);
    auto record = client_with(1);

    sum.add(0, a, record);

    EXPECT_EQ(record.bytes_up, header_bytes + record.bytes_positions + 2 * 2 + sizeof(float));
}

TEST(update_sum, of_bf16_values_keeps_what_was_rounded_away_and_sends_it_the_next_time) {
    in_process_transport ranks;
    const auto model = model_of_first_two();
    const std::vector<int> one{0};
    const std::vector<float> trained{258.25F, 2, 0, 0, 0};
    std::vector<float> residual(4);
    auto record = client_with(1);

    update_sum first(ranks, sending(upload_content::in_mask, config::value_kind::bf16), tiny, model, one);
    first.add(0, trained, record, residual);
    EXPECT_THAT(residual, testing::ElementsAre(1, 0, 0, 0));

    update_sum second(ranks, sending(upload_content::in_mask, config::value_kind::bf16), tiny, model, one);
    second.add(0, trained, record, residual);
    EXPECT_EQ(second.finish().front(), 1.25F + 258);
    EXPECT_THAT(residual, testing::ElementsAre(0, 0, 0, 0));
}
