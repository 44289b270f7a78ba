#include "io/schema.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace feddip::io {
namespace {

struct anything {
    template <typename T>
    operator T() const; // NOLINT(google-explicit-constructor)
};

// Members of an aggregate: the largest number of values that it can be initialized with.
template <typename T, typename... Values>
consteval std::size_t members() {
    if constexpr (requires { T{Values{}..., anything{}}; }) {
        return members<T, Values..., anything>();
    } else {
        return sizeof...(Values);
    }
}

template <typename Columns>
std::set<std::string> names(const Columns& columns) {
    std::set<std::string> all;
    for (const auto& c : columns) {
        all.insert(c.name);
    }
    return all;
}

TEST(schema, has_a_column_for_every_member_of_a_client_record) {
    EXPECT_EQ(std::size(client_columns), members<fl::client_record>());
}

TEST(schema, has_a_column_for_every_member_of_a_round_record_but_the_clients) {
    EXPECT_EQ(std::size(round_columns) + std::size(list_columns) + 1, members<fl::round_record>());
}

TEST(schema, names_no_column_twice) {
    EXPECT_EQ(names(round_columns).size(), std::size(round_columns));
    EXPECT_EQ(names(client_columns).size(), std::size(client_columns));
}

} // namespace
} // namespace feddip::io
