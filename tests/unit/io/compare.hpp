// Expectations that two records hold the same bits, NaN included.
#pragma once

#include "io/schema.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <span>
#include <variant>

namespace feddip::io::testing {

template <typename T>
void expect_same_bits(T a, T b, const char* what) {
    if constexpr (std::is_same_v<T, double>) {
        EXPECT_EQ(std::bit_cast<std::uint64_t>(a), std::bit_cast<std::uint64_t>(b))
            << what << ": " << a << ", " << b;
    } else {
        EXPECT_EQ(a, b) << what;
    }
}

template <typename Record>
void expect_same_columns(const Record& a, const Record& b, std::span<const column<Record>> columns) {
    for (const column<Record>& c : columns) {
        std::visit([&](auto member) { expect_same_bits(a.*member, b.*member, c.name); }, c.member);
    }
}

inline void expect_same(const fl::round_record& a, const fl::round_record& b) {
    expect_same_columns<fl::round_record>(a, b, round_columns);
    for (const list_column& c : list_columns) {
        EXPECT_EQ(a.*c.member, b.*c.member) << c.path;
    }
    ASSERT_EQ(a.clients.size(), b.clients.size());
    for (std::size_t i = 0; i < a.clients.size(); ++i) {
        expect_same_columns<fl::client_record>(a.clients[i], b.clients[i], client_columns);
    }
}

inline void expect_same(const std::vector<fl::round_record>& a, const std::vector<fl::round_record>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t t = 0; t < a.size(); ++t) {
        SCOPED_TRACE(t);
        expect_same(a[t], b[t]);
    }
}

// What depends on the machine and on how many ranks there are.
inline std::vector<fl::round_record> without_times(std::vector<fl::round_record> history) {
    for (fl::round_record& r : history) {
        r.mpi_bytes = 0;
        r.seconds_train = r.seconds_communicate = r.seconds_aggregate = r.seconds_evaluate = r.seconds_round =
            0;
        for (fl::client_record& c : r.clients) {
            c.seconds_train = 0;
        }
    }
    return history;
}

inline void expect_same(const fl::run_state& a, const fl::run_state& b) {
    EXPECT_EQ(a.rounds_done, b.rounds_done);
    ASSERT_EQ(a.model.state.size(), b.model.state.size());
    for (std::size_t i = 0; i < a.model.state.size(); ++i) {
        ASSERT_EQ(std::bit_cast<std::uint32_t>(a.model.state[i]),
                  std::bit_cast<std::uint32_t>(b.model.state[i]))
            << i;
    }
    EXPECT_EQ(a.model.mask, b.model.mask);
    EXPECT_EQ(a.model.mask_version, b.model.mask_version);
    EXPECT_EQ(a.client_mask_version, b.client_mask_version);
    EXPECT_EQ(a.client_kept_in, b.client_kept_in);
    EXPECT_EQ(a.client_part, b.client_part);
    EXPECT_TRUE(std::ranges::equal(a.ladder.rung_of(), b.ladder.rung_of()));
    EXPECT_EQ(a.ladder_version, b.ladder_version);
    EXPECT_EQ(a.ladder_round, b.ladder_round);
    ASSERT_EQ(a.recent_masks.size(), b.recent_masks.size());
    for (std::size_t i = 0; i < a.recent_masks.size(); ++i) {
        EXPECT_EQ(a.recent_masks[i].version, b.recent_masks[i].version);
        EXPECT_EQ(a.recent_masks[i].mask, b.recent_masks[i].mask);
    }
    ASSERT_EQ(a.protection.has_value(), b.protection.has_value());
    if (a.protection) {
        EXPECT_TRUE(a.protection->key == b.protection->key);
        EXPECT_EQ(a.protection->clip, b.protection->clip);
    }
    EXPECT_EQ(a.masks.ever_alive, b.masks.ever_alive);
    EXPECT_EQ(a.masks.reference, b.masks.reference);
    expect_same(a.history, b.history);
}

} // namespace feddip::io::testing
