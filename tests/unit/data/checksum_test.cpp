#include "data/checksum.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>

namespace feddip::data {
namespace {

// Three training images and one for testing, of 1 x 1 x 2 pixels.
struct images {
    dataset_facts facts{config::dataset_name::file, {1, 1, 2}, 3, 3, 1};
    std::vector<std::uint8_t> train{1, 2, 3, 4, 5, 6}, test{7, 8}, labels{0, 1, 2}, test_labels{1};
    std::vector<std::int32_t> clients, test_clients;

    std::string sum() const {
        return checksum({facts, {train, labels, clients}, {test, test_labels, test_clients}});
    }
};

TEST(checksum, is_another_for_whatever_training_and_testing_see) {
    const std::vector<std::function<void(images&)>> changes = {
        [](images&) {},
        [](images& i) { i.train[3] ^= 1; },
        [](images& i) { i.test[1] ^= 1; },
        [](images& i) { std::swap(i.labels[0], i.labels[2]); },
        [](images& i) { i.test_labels[0] = 2; },
        [](images& i) {
            i.clients = {0, 1, 0}, i.test_clients = {1}, i.facts.has_clients = true;
        },
        [](images& i) {
            i.clients = {1, 0, 0}, i.test_clients = {1}, i.facts.has_clients = true;
        },
        [](images& i) { i.facts.mean = {0.5F}, i.facts.deviation = {0.25F}; },
        [](images& i) { i.facts.mean = {0.25F}, i.facts.deviation = {0.5F}; },
        [](images& i) {
            i.facts.shape = {1, 2, 1};
        },
        [](images& i) { i.facts.classes = 4; },
    };
    std::set<std::string> sums;
    for (const auto& change : changes) {
        images i;
        change(i);
        EXPECT_THAT(i.sum(), ::testing::MatchesRegex("[0-9a-f]{16}"));
        sums.insert(i.sum());
    }
    EXPECT_EQ(sums.size(), changes.size());
}

TEST(checksum, is_that_of_the_same_data_under_other_names) {
    images i;
    i.facts.class_names = {"cat", "dog", "owl"};
    EXPECT_EQ(i.sum(), images{}.sum());
}

} // namespace
} // namespace feddip::data
