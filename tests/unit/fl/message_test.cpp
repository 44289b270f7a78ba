#include "base/error.hpp"
#include "fl/message.hpp"
#include "unit/fl/random_models.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

using namespace feddip;
using namespace feddip::fl;
using test::lenet5;
using test::model_with;
using test::random_mask;

namespace {

void expect_equal(const global_model& a, const global_model& b) {
    EXPECT_EQ(a.state, b.state);
    EXPECT_EQ(a.mask, b.mask);
    EXPECT_EQ(a.mask_version, b.mask_version);
}

} // namespace

TEST(model_message, arrives_whole_at_a_receiver_without_a_mask) {
    const auto sent = model_with(random_mask(0.1, 1), 3);
    global_model received;

    decode(encode(sent, lenet5, 7, nullptr), lenet5, received);

    expect_equal(sent, received);
}

TEST(model_message, arrives_as_a_difference_at_a_holder_of_another_mask) {
    const auto old = model_with(random_mask(0.1, 1), 3);
    auto newer = model_with(old.mask, 4);
    newer.mask.set(17, !newer.mask[17]);
    sparse::apply(newer.mask, std::span(newer.state).first(lenet5.prunable_size()));
    const versioned_mask known{old.mask_version, old.mask};
    auto received = old;

    const auto message = encode(newer, lenet5, 7, &known);
    decode(message, lenet5, received);

    expect_equal(newer, received);
    EXPECT_LT(message.size(), encode(newer, lenet5, 7, nullptr).size());
}

TEST(model_message, carries_no_positions_when_the_mask_is_known) {
    const auto sent = model_with(random_mask(0.1, 1), 3);
    const versioned_mask known{sent.mask_version, sent.mask};
    global_model received{{}, sent.mask, sent.mask_version};

    const auto message = encode(sent, lenet5, 7, &known);
    decode(message, lenet5, received);

    expect_equal(sent, received);
    EXPECT_EQ(message.size(),
              header_bytes + 4 * (sent.mask.count() + lenet5.size() - lenet5.prunable_size()));
}

TEST(model_message, is_refused_by_a_rank_that_holds_another_mask) {
    const auto sent = model_with(random_mask(0.1, 1), 3);
    const versioned_mask known{sent.mask_version, sent.mask};
    auto other = model_with(random_mask(0.1, 2), 2);

    EXPECT_THROW(decode(encode(sent, lenet5, 7, &known), lenet5, other), error);
}

TEST(model_message, cut_short_anywhere_is_an_error) {
    const auto sent = model_with(random_mask(0.01, 1), 3);
    const auto message = encode(sent, lenet5, 7, nullptr);
    for (std::size_t length = 0; length < message.size(); length += 7) {
        global_model received;
        EXPECT_THROW(decode(std::span(message).first(length), lenet5, received), error) << length;
    }
}

TEST(model_message, with_an_altered_header_is_an_error) {
    constexpr std::size_t version = 4, base = 8, part = 12, mask_bytes = 16;
    const auto held = model_with(random_mask(0.1, 1), 0); // the base version of a message that has none
    const auto sent = model_with(random_mask(0.1, 2), 3);
    const versioned_mask same{sent.mask_version, sent.mask}, other{held.mask_version, held.mask};
    const auto whole = encode(sent, lenet5, 7, nullptr), difference = encode(sent, lenet5, 7, &other),
               absent = encode(sent, lenet5, 7, &same);
    const auto refused = [](std::vector<std::byte> message, global_model receiver, std::size_t at,
                            std::uint32_t value) {
        std::memcpy(&message[at], &value, sizeof value);
        EXPECT_THROW(decode(message, lenet5, receiver), error) << at << ": " << value;
    };
    for (const auto* message : {&whole, &difference, &absent}) {
        for (const std::uint32_t unknown : {3U, 4U, 256U, 0xffffffffU}) {
            refused(*message, held, part, unknown);
        }
        for (const std::uint32_t length : {1U, 0x7fffffffU, 0xffffffffU}) {
            refused(*message, held, mask_bytes, length);
        }
    }
    refused(whole, held, part, 0);
    refused(difference, held, base, 2);
    refused(absent, sent, version, 2);

    auto with_a_mask_all_the_same = absent;
    with_a_mask_all_the_same.insert(with_a_mask_all_the_same.begin() + header_bytes, std::byte{0});
    refused(with_a_mask_all_the_same, sent, mask_bytes, 1);
}

TEST(upload, in_the_mask_and_of_all_weights_unpack_to_what_was_packed) {
    const auto model = model_with(random_mask(0.3, 1), 1);
    for (const bool all : {false, true}) {
        std::vector<float> upload(upload_length(lenet5, model.mask, all));
        std::vector<float> state(lenet5.size(), -1.0F);

        pack_upload(lenet5, model.mask, all, model.state, upload);
        unpack_upload(lenet5, model.mask, all, upload, state);

        EXPECT_EQ(state, model.state);
    }
}
