#include "base/error.hpp"
#include "data/partition.hpp"
#include "unit/data/samples.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>

namespace feddip::data {
namespace {

using config::data_section;
using config::partition_kind;
using testing::HasSubstr;

using shares = std::vector<std::vector<std::uint32_t>>;

data_section settings(partition_kind kind, int classes_per_client = 2, double alpha = 0.5) {
    data_section s;
    s.partition = kind;
    s.classes_per_client = classes_per_client;
    s.dirichlet_alpha = alpha;
    return s;
}

std::vector<std::size_t> histogram(const std::vector<std::uint32_t>& share, const image_set& set,
                                   int classes) {
    std::vector<std::size_t> counts(static_cast<std::size_t>(classes));
    for (const std::uint32_t image : share) {
        ++counts.at(set.labels[image]);
    }
    return counts;
}

std::set<int> classes_of(const std::vector<std::uint32_t>& share, const image_set& set) {
    std::set<int> found;
    for (const std::uint32_t image : share) {
        found.insert(set.labels[image]);
    }
    return found;
}

std::pair<std::size_t, std::size_t> extremes(const std::vector<std::size_t>& counts) {
    const auto [least, most] = std::ranges::minmax(counts);
    return {least, most};
}

std::vector<std::size_t> sizes(const shares& s) {
    std::vector<std::size_t> out;
    for (const auto& share : s) {
        out.push_back(share.size());
    }
    return out;
}

void expect_every_image_dealt_once(const shares& dealt, std::size_t images) {
    std::vector<std::uint32_t> all;
    for (const auto& share : dealt) {
        EXPECT_TRUE(std::ranges::is_sorted(share));
        all.insert(all.end(), share.begin(), share.end());
    }
    std::ranges::sort(all);
    std::vector<std::uint32_t> expected(images);
    std::iota(expected.begin(), expected.end(), 0U);
    EXPECT_EQ(all, expected);
}

struct deal {
    std::string name;
    data_section settings;
    std::size_t train, test;
    unsigned classes;
    int clients;
};

void PrintTo(const deal& d, std::ostream* out) {
    *out << d.name;
}

class every_partition : public testing::TestWithParam<deal> {
protected:
    test::made_dataset made_ = test::labels_only(GetParam().train, GetParam().test, GetParam().classes);
    dataset data_ = made_.view();

    partition make(std::uint64_t seed = 1) const {
        return make_partition(data_, GetParam().settings, GetParam().clients, seed);
    }
};

TEST_P(every_partition, deals_every_image_to_one_client) {
    const partition p = make();

    ASSERT_EQ(p.clients(), static_cast<std::size_t>(GetParam().clients));
    ASSERT_EQ(p.test.size(), p.train.size());
    expect_every_image_dealt_once(p.train, GetParam().train);
    expect_every_image_dealt_once(p.test, GetParam().test);
}

TEST_P(every_partition, depends_on_the_seed_alone) {
    const partition first = make(5), again = make(5), other = make(6);

    EXPECT_EQ(first.train, again.train);
    EXPECT_EQ(first.test, again.test);
    if (GetParam().clients > 1) {
        EXPECT_NE(first.train, other.train);
        EXPECT_NE(first.test, other.test);
    }
}

TEST_P(every_partition, is_described_with_a_line_per_client) {
    const std::string table = describe(make(), data_, 1000);

    EXPECT_EQ(std::ranges::count(table, '\n'), GetParam().clients + 2);
}

INSTANTIATE_TEST_SUITE_P(
    partitions, every_partition,
    testing::Values(
        deal{"iid", settings(partition_kind::iid), 60'000, 10'000, 10, 50},
        deal{"iid_of_odd_numbers", settings(partition_kind::iid), 1009, 211, 7, 13},
        deal{"iid_for_one", settings(partition_kind::iid), 100, 20, 10, 1},
        deal{"pathological", settings(partition_kind::pathological), 60'000, 10'000, 10, 50},
        deal{"pathological_of_20", settings(partition_kind::pathological, 20), 50'000, 10'000, 100, 50},
        deal{"pathological_with_3", settings(partition_kind::pathological, 3), 6007, 1003, 10, 20},
        deal{"pathological_with_all", settings(partition_kind::pathological, 10), 6007, 1003, 10, 7},
        deal{"dirichlet", settings(partition_kind::dirichlet), 60'000, 10'000, 10, 50},
        deal{"dirichlet_wide", settings(partition_kind::dirichlet, 2, 100), 50'000, 10'000, 100, 50},
        deal{"dirichlet_for_one", settings(partition_kind::dirichlet), 1000, 100, 10, 1}),
    [](const auto& made) { return made.param.name; });

TEST(iid_partition, gives_equal_shares_of_each_class_when_numbers_divide) {
    const auto made = test::labels_only(60'000, 10'000, 10);
    const dataset data = made.view();

    const partition p = make_partition(data, settings(partition_kind::iid), 50, 1);

    for (std::size_t i = 0; i < 50; ++i) {
        EXPECT_EQ(histogram(p.train[i], data.train, 10), std::vector<std::size_t>(10, 120));
        EXPECT_EQ(histogram(p.test[i], data.test, 10), std::vector<std::size_t>(10, 20));
    }
}

TEST(iid_partition, spreads_what_remains_by_one_image_at_most) {
    const auto made = test::labels_only(1009, 211, 7);
    const dataset data = made.view();

    const partition p = make_partition(data, settings(partition_kind::iid), 13, 1);

    EXPECT_EQ(extremes(sizes(p.train)), (std::pair<std::size_t, std::size_t>{1009 / 13, 1009 / 13 + 1}));
    for (std::size_t c = 0; c < 7; ++c) {
        std::vector<std::size_t> of_class;
        for (const auto& share : p.train) {
            of_class.push_back(histogram(share, data.train, 7)[c]);
        }
        const auto [least, most] = extremes(of_class);
        EXPECT_LE(most - least, 1U) << "class " << c;
    }
}

class pathological_partition : public testing::TestWithParam<std::tuple<int, int, unsigned>> {};

TEST_P(pathological_partition, gives_each_client_its_classes_and_each_class_equally_many_clients) {
    const auto [clients, per_client, classes] = GetParam();
    const auto made = test::labels_only(60'000, 10'000, classes);
    const dataset data = made.view();

    const partition p = make_partition(data, settings(partition_kind::pathological, per_client), clients, 3);

    std::vector<std::vector<std::size_t>> parts(classes); // sizes of the clients' parts of a class
    for (std::size_t i = 0; i < p.clients(); ++i) {
        EXPECT_EQ(classes_of(p.train[i], data.train).size(), static_cast<std::size_t>(per_client));
        EXPECT_EQ(classes_of(p.train[i], data.train), classes_of(p.test[i], data.test));
        const auto counts = histogram(p.train[i], data.train, static_cast<int>(classes));
        for (std::size_t c = 0; c < classes; ++c) {
            if (counts[c] > 0) {
                parts[c].push_back(counts[c]);
            }
        }
    }
    for (const auto& of_class : parts) {
        EXPECT_EQ(of_class.size(), static_cast<std::size_t>(clients * per_client) / classes);
        const auto [least, most] = extremes(of_class);
        EXPECT_LE(most - least, 1U);
    }
}

INSTANTIATE_TEST_SUITE_P(numbers, pathological_partition,
                         testing::Values(std::tuple{50, 2, 10U}, std::tuple{5, 2, 10U},
                                         std::tuple{20, 3, 10U}, std::tuple{10, 7, 10U},
                                         std::tuple{100, 9, 10U}, std::tuple{50, 20, 100U},
                                         std::tuple{10, 10, 100U}));

TEST(pathological_partition, mixes_which_classes_meet) {
    const auto made = test::labels_only(60'000, 10'000, 10);
    const dataset data = made.view();

    const partition p = make_partition(data, settings(partition_kind::pathological), 50, 1);

    std::set<std::set<int>> pairs;
    for (const auto& share : p.train) {
        pairs.insert(classes_of(share, data.train));
    }
    EXPECT_GT(pairs.size(), 15U); // of 45 possible ones, 50 clients
}

TEST(pathological_partition, refuses_numbers_that_can_not_be_shared_equally) {
    const auto made = test::labels_only(6000, 1000, 10);
    const auto complaint = [&](int clients, int per_client) {
        return test::message_of<input_error>([&] {
            make_partition(made.view(), settings(partition_kind::pathological, per_client), clients, 1);
        });
    };

    EXPECT_THAT(complaint(51, 2), HasSubstr("51 clients with 2 classes each can't share 10 classes equally"));
    EXPECT_THAT(complaint(3, 2), HasSubstr("multiple of 10"));
    EXPECT_THAT(complaint(50, 11), HasSubstr("11 is not between 1 and the dataset's 10 classes"));
    EXPECT_THAT(complaint(50, 0), HasSubstr("0 is not between"));
}

TEST(dirichlet_partition, leaves_each_client_at_least_100_training_images) {
    const auto made = test::labels_only(60'000, 10'000, 10);
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const partition p = make_partition(made.view(), settings(partition_kind::dirichlet), 50, seed);

        EXPECT_GE(std::ranges::min(sizes(p.train)), 100U);
        EXPECT_GE(std::ranges::min(sizes(p.test)), 1U);
    }
}

TEST(dirichlet_partition, gives_a_full_client_none_of_the_classes_that_follow) {
    const auto made = test::labels_only(60'000, 10'000, 10);
    const dataset data = made.view();
    const partition p = make_partition(data, settings(partition_kind::dirichlet, 2, 0.3), 20, 4);

    int full_early = 0;
    for (const auto& share : p.train) {
        const auto counts = histogram(share, data.train, 10);
        std::size_t before = 0;
        for (const std::size_t n : counts) {
            if (before >= 60'000 / 20) {
                EXPECT_EQ(n, 0U);
                ++full_early;
            }
            before += n;
        }
    }
    EXPECT_GT(full_early, 0) << "the test has not seen the rule at work";
}

TEST(dirichlet_partition, follows_the_same_proportions_in_training_and_test) {
    const auto made = test::labels_only(60'000, 10'000, 10);
    const dataset data = made.view();

    const partition p = make_partition(data, settings(partition_kind::dirichlet), 50, 2);

    for (std::size_t i = 0; i < p.clients(); ++i) {
        const auto train = histogram(p.train[i], data.train, 10), test = histogram(p.test[i], data.test, 10);
        for (std::size_t c = 0; c < 10; ++c) {
            // Both ends of a share are cut to whole images.
            EXPECT_NEAR(static_cast<double>(train[c]) / 6000, static_cast<double>(test[c]) / 1000, 0.0012);
        }
    }
}

TEST(dirichlet_partition, is_more_even_for_a_larger_alpha) {
    const auto made = test::labels_only(60'000, 10'000, 10);
    const dataset data = made.view();
    // Mean share of a client's largest class among its images.
    const auto unevenness = [&](double alpha) {
        const partition p = make_partition(data, settings(partition_kind::dirichlet, 2, alpha), 20, 1);
        double sum = 0;
        for (const auto& share : p.train) {
            sum += static_cast<double>(std::ranges::max(histogram(share, data.train, 10))) /
                   static_cast<double>(share.size());
        }
        return sum / 20;
    };

    const double strong = unevenness(0.2), medium = unevenness(1), weak = unevenness(1000);

    EXPECT_GT(strong, medium);
    EXPECT_GT(medium, weak);
    EXPECT_NEAR(weak, 0.1, 0.02);
}

TEST(dirichlet_partition, gives_up_with_a_reason) {
    const auto made = test::labels_only(60'000, 10'000, 10);
    const auto complaint = [&](int clients, double alpha) {
        return test::message_of<input_error>(
            [&] { make_partition(made.view(), settings(partition_kind::dirichlet, 2, alpha), clients, 1); });
    };

    EXPECT_THAT(complaint(601, 0.5), HasSubstr("60000 training images are not enough for 601 clients"));
    EXPECT_THAT(complaint(50, 1e-3), HasSubstr("larger alpha or fewer clients"));
}

TEST(partition, refuses_more_clients_than_training_images) {
    const auto made = test::labels_only(100, 20, 10);
    const auto make = [&](int clients) {
        return make_partition(made.view(), settings(partition_kind::iid), clients, 1);
    };

    EXPECT_EQ(make(100).clients(), 100U);
    EXPECT_THROW(make(101), input_error);
    EXPECT_THROW(make(0), input_error);
    EXPECT_THROW(make(-1), input_error);
}

TEST(describe, counts_the_lines_it_leaves_out) {
    const auto made = test::labels_only(600, 100, 10);
    const dataset data = made.view();
    const partition p = make_partition(data, settings(partition_kind::iid), 20, 1);

    const std::string table = describe(p, data, 5);

    EXPECT_THAT(table, HasSubstr("20 clients, each with 30 training and 5 test images"));
    EXPECT_THAT(table, HasSubstr("15 clients more"));
}

} // namespace
} // namespace feddip::data
