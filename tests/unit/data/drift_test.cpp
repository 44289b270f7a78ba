#include "base/error.hpp"
#include "data/drift.hpp"
#include "unit/data/samples.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace feddip::data {
namespace {

using config::drift_kind;
using config::drift_pattern;
using testing::DoubleEq;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr int clients = 4;

config::drift_section settings(drift_kind kind, double strength,
                               drift_pattern pattern = drift_pattern::sudden, std::vector<int> at = {3}) {
    return {.kind = kind, .pattern = pattern, .at = std::move(at), .strength = strength};
}

// 400 training and 80 test images of ten classes, i.i.d. over four clients.
struct federation {
    test::made_dataset made = test::with_pixels(config::dataset_name::fashion_mnist, 400, 80);
    dataset data = made.view();
    partition shares = make_partition(data, {}, clients, 1);

    drift with(const config::drift_section& s, std::uint64_t seed = 1) const {
        return {s, data, shares, seed};
    }
    std::span<const std::uint32_t> share(int client) const {
        return shares.train[static_cast<std::size_t>(client)];
    }
    std::span<const std::uint8_t> pixels_of(const image_set& set, std::size_t i) const {
        return set.pixels.subspan(i * 784, 784);
    }
};

std::vector<double> strengths(const config::drift_section& s, int rounds) {
    std::vector<double> all;
    for (int t = 0; t < rounds; ++t) {
        all.push_back(drift_strength(s, t));
    }
    return all;
}

TEST(drift_strength, follows_the_pattern_in_rounds_that_count_from_1) {
    EXPECT_THAT(strengths(settings(drift_kind::blur, 4, drift_pattern::sudden, {3}), 5),
                ElementsAre(0, 0, 4, 4, 4));
    EXPECT_THAT(strengths(settings(drift_kind::blur, 4, drift_pattern::sudden, {1, 4}), 5),
                ElementsAre(2, 2, 2, 4, 4));
    EXPECT_THAT(strengths(settings(drift_kind::blur, 4, drift_pattern::gradual, {2, 6}), 7),
                ElementsAre(0, 0, 1, 2, 3, 4, 4));
    EXPECT_THAT(strengths(settings(drift_kind::blur, 4, drift_pattern::recurring, {2, 3, 5}), 6),
                ElementsAre(0, 4, 0, 0, 4, 4));
    EXPECT_THAT(strengths({}, 3), ElementsAre(0, 0, 0));
}

TEST(drift, begins_where_it_leaves_a_level) {
    const federation f;
    const auto rounds = [&](const config::drift_section& s) {
        const auto d = f.with(s);
        std::vector<int> begins;
        for (int t = 0; t < 9; ++t) {
            if (d.begins(t)) {
                begins.push_back(t + 1);
            }
        }
        return begins;
    };
    EXPECT_THAT(rounds(settings(drift_kind::blur, 4, drift_pattern::recurring, {1, 4, 6})),
                ElementsAre(1, 4, 6));
    EXPECT_THAT(rounds(settings(drift_kind::blur, 4, drift_pattern::gradual, {2, 6})), ElementsAre(3));
}

TEST(drift, of_nothing_hands_out_the_data_themselves) {
    const federation f;
    for (const auto& s : {config::drift_section{}, settings(drift_kind::rotation, 90)}) {
        const auto d = f.with(s);
        const auto seen = d.seen_by(1, 0, f.share(1));
        EXPECT_FALSE(d.draws());
        EXPECT_EQ(seen.data().train.pixels.data(), f.data.train.pixels.data()) << "copied without need";
        EXPECT_EQ(seen.images().data(), f.share(1).data());
        EXPECT_THAT(d.images_of(1, 0), testing::ElementsAreArray(f.share(1)));
        EXPECT_EQ(d.pool(0).size(), f.data.test.size());
    }
    EXPECT_EQ(f.with({}).describe(), "");
}

TEST(drift, turns_the_images_of_clients_that_drift_and_keeps_their_labels) {
    const federation f;
    auto s = settings(drift_kind::rotation, 180);
    s.clients = 0.5;
    const auto d = f.with(s);
    ASSERT_EQ(d.clients().size(), 2U);

    int turned = 0;
    for (int client = 0; client < clients; ++client) {
        const auto seen = d.seen_by(client, 2, f.share(client));
        const bool drifts = std::ranges::find(d.clients(), client) != d.clients().end();
        for (std::size_t n = 0; n < f.share(client).size(); ++n) {
            const auto before = f.pixels_of(f.data.train, f.share(client)[n]);
            const auto after = f.pixels_of(seen.data().train, seen.images()[n]);
            EXPECT_EQ(std::equal(before.rbegin(), before.rend(), after.begin()), drifts);
            EXPECT_EQ(seen.data().train.labels[seen.images()[n]], f.data.train.labels[f.share(client)[n]]);
        }
        turned += drifts ? 1 : 0;
    }
    EXPECT_EQ(turned, 2);
}

TEST(drift, tests_on_held_out_images_that_drift_as_their_client_does) {
    const federation f;
    auto s = settings(drift_kind::rotation, 180);
    s.clients = 0.5;
    const auto d = f.with(s);
    const auto pool = d.pool(2);
    pool_batches batches(pool, 100);
    const auto all = batches.load(0, pool.size());
    ASSERT_EQ(pool.size(), f.data.test.size());

    std::size_t turned = 0;
    for (std::size_t i = 0; i < pool.size(); ++i) {
        const auto before = f.pixels_of(f.data.test, i);
        const auto after = all.images.subspan(i * 784, 784);
        const auto owner = std::ranges::find_if(
            f.shares.test, [&](const auto& share) { return std::ranges::find(share, i) != share.end(); });
        const auto client = static_cast<int>(owner - f.shares.test.begin());
        const bool drifts = std::ranges::find(d.clients(), client) != d.clients().end();
        for (std::size_t p = 0; p < 784; ++p) {
            ASSERT_FLOAT_EQ(after[p], static_cast<float>(before[drifts ? 783 - p : p]) / 255.0F) << i;
        }
        EXPECT_EQ(all.labels[i], f.data.test.labels[i]);
        turned += drifts ? 1 : 0;
    }
    EXPECT_EQ(turned, pool.size() / 2);
}

TEST(drift, draws_noise_anew_for_each_round_and_keeps_it_in_the_test) {
    const federation f;
    const auto d = f.with(settings(drift_kind::noise, 0.2, drift_pattern::sudden, {1}));
    const auto pixels = [&](int round) {
        const auto seen = d.seen_by(0, round, f.share(0));
        const auto all = seen.data().train.pixels;
        return std::vector<std::uint8_t>(all.begin(), all.end());
    };
    EXPECT_EQ(pixels(4), pixels(4));
    EXPECT_NE(pixels(4), pixels(5));

    const auto tested = [&](int round, std::size_t first) {
        const auto pool = d.pool(round);
        pool_batches batches(pool, 10);
        const auto some = batches.load(first, 10);
        return std::vector<float>(some.images.begin(), some.images.end());
    };
    EXPECT_EQ(tested(4, 20), tested(5, 20));
    EXPECT_NE(tested(4, 20), tested(4, 30));
}

TEST(samples_per_round, are_drawn_anew_without_repetition_and_evenly) {
    const federation f;
    const auto with_samples = [&](int samples) {
        config::drift_section s;
        s.samples_per_round = samples;
        return f.with(s);
    };
    const auto d = with_samples(20);
    std::vector<int> seen(400);
    for (int t = 0; t < 1000; ++t) {
        const auto images = d.images_of(2, t);
        EXPECT_EQ(std::set(images.begin(), images.end()).size(), 20U);
        EXPECT_TRUE(std::ranges::is_sorted(images));
        for (const auto i : images) {
            ++seen[i];
        }
    }
    EXPECT_NE(d.images_of(2, 0), d.images_of(2, 1));
    EXPECT_EQ(d.images_of(2, 7), d.images_of(2, 7));
    for (const auto i : f.share(2)) {
        EXPECT_NEAR(seen[i], 200, 5 * std::sqrt(200 * 0.8)); // of 100 images, 20 in each of 1000 rounds
    }
    EXPECT_THAT(with_samples(1000).images_of(2, 0), testing::ElementsAreArray(f.share(2)));
}

std::vector<int> count_labels(std::span<const std::uint32_t> images, std::span<const std::uint8_t> labels) {
    std::vector<int> counts(10);
    for (const auto i : images) {
        ++counts[labels[i]];
    }
    return counts;
}

// Each client has ten images of each class, and two in its test share.
TEST(label_shift, takes_the_share_of_half_of_the_classes) {
    const federation f;
    const auto d = f.with(settings(drift_kind::label_shift, 0.7));
    ASSERT_EQ(d.fading_classes().size(), 5U);

    const auto before = count_labels(d.images_of(1, 1), f.data.train.labels);
    const auto after = count_labels(d.images_of(1, 2), f.data.train.labels);
    const auto tested = count_labels(d.pool(2).images(), f.data.test.labels);
    for (int c = 0; c < 10; ++c) {
        const auto at = static_cast<std::size_t>(c);
        const bool fades = std::ranges::find(d.fading_classes(), c) != d.fading_classes().end();
        EXPECT_EQ(before[at], 10);
        EXPECT_EQ(after[at], fades ? 3 : 10);
        EXPECT_EQ(tested[at], fades ? 2 : 8);
    }
    EXPECT_NE(d.images_of(1, 2), d.images_of(1, 3)) << "always the same images are left";
    EXPECT_TRUE(std::ranges::equal(d.pool(2).images(), d.pool(3).images()));
}

// Each client has one test image of each class.
TEST(label_shift, takes_the_share_of_test_images_also_where_each_client_has_few) {
    auto made = test::with_pixels(config::dataset_name::fashion_mnist, 400, 40);
    const auto data = made.view();
    const auto shares = make_partition(data, {}, clients, 1);
    for (const auto& [strength, left] : {std::pair(0.25, 3), {0.5, 2}, {0.51, 2}, {0.75, 1}, {1.0, 0}}) {
        const drift d(settings(drift_kind::label_shift, strength), data, shares, 1);
        const auto tested = count_labels(d.pool(2).images(), data.test.labels);
        for (const std::uint8_t c : d.fading_classes()) {
            EXPECT_EQ(tested[c], left) << strength;
        }
    }
}

TEST(label_shift, takes_test_images_evenly_from_clients_of_different_sizes) {
    auto made = test::with_pixels(config::dataset_name::fashion_mnist, 400, 400);
    const auto data = made.view();
    auto shares = make_partition(data, {}, clients, 1);
    for (auto& more : std::span(shares.test).last(2)) {
        shares.test[1].insert(shares.test[1].end(), more.begin(), more.end());
        more.clear();
    }
    const drift d(settings(drift_kind::label_shift, 0.8), data, shares, 1);
    std::vector<std::uint32_t> of_first, of_second;
    const auto pool = d.pool(2);
    for (const std::uint32_t i : pool.images()) {
        (std::ranges::binary_search(shares.test[0], i) ? of_first : of_second).push_back(i);
    }
    const auto first = count_labels(of_first, data.test.labels);
    const auto second = count_labels(of_second, data.test.labels);
    for (const std::uint8_t c : d.fading_classes()) { // of 10 and of 30
        EXPECT_EQ(first[c], 2);
        EXPECT_EQ(second[c], 6);
    }
}

// They were rounded for each client, which is the same here; the digest is of those.
TEST(label_shift, leaves_the_published_study_its_test_images) {
    auto made = test::with_pixels(config::dataset_name::fashion_mnist, 500, 10'000);
    const auto data = made.view();
    const auto shares = make_partition(data, {}, 50, 1); // 20 of each class
    const drift d(settings(drift_kind::label_shift, 0.95), data, shares, 1);
    std::uint64_t digest = 0;
    const auto pool = d.pool(2);
    for (const std::uint32_t i : pool.images()) {
        digest = digest * 31 + i;
    }
    EXPECT_EQ(pool.size(), 5250U);
    EXPECT_EQ(digest, 7868255553474234477U);
}

TEST(label_shift, draws_samples_from_what_is_left) {
    const federation f;
    auto s = settings(drift_kind::label_shift, 1);
    s.samples_per_round = 15;
    const auto d = f.with(s);
    std::vector<int> all(10);
    for (int t = 2; t < 402; ++t) {
        const auto counts = count_labels(d.images_of(0, t), f.data.train.labels);
        for (std::size_t c = 0; c < 10; ++c) {
            all[c] += counts[c];
        }
    }
    for (int c = 0; c < 10; ++c) {
        const bool fades = std::ranges::find(d.fading_classes(), c) != d.fading_classes().end();
        EXPECT_NEAR(all[static_cast<std::size_t>(c)], fades ? 0 : 1200, fades ? 0 : 120);
    }
}

TEST(label_shift, is_refused_where_a_client_would_be_left_without_images) {
    const federation f;
    config::data_section one_class;
    one_class.partition = config::partition_kind::pathological;
    one_class.classes_per_client = 1;
    const auto pathological = make_partition(f.data, one_class, 10, 1);
    EXPECT_THAT(test::message_of<input_error>(
                    [&] { drift(settings(drift_kind::label_shift, 1), f.data, pathological, 1); }),
                HasSubstr("would leave client"));
    EXPECT_NO_THROW(drift(settings(drift_kind::label_shift, 0.5), f.data, pathological, 1));
}

TEST(label_shift, is_refused_where_there_is_one_class) {
    federation f;
    f.data.facts.classes = 1;
    EXPECT_THAT(test::message_of<input_error>([&] { f.with(settings(drift_kind::label_shift, 0.5)); }),
                HasSubstr("the data has one"));
}

TEST(drift, depends_on_the_seed) {
    const federation f;
    auto s = settings(drift_kind::label_shift, 0.5);
    s.clients = 0.5;
    s.samples_per_round = 5;
    std::set<std::vector<int>> drifting;
    std::set<std::vector<std::uint32_t>> images;
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        const auto d = f.with(s, seed);
        drifting.insert({d.clients().begin(), d.clients().end()});
        images.insert(d.images_of(0, 0));
    }
    EXPECT_GT(drifting.size(), 1U);
    EXPECT_EQ(images.size(), 8U);
}

TEST(drift, describes_what_will_happen) {
    const federation f;
    auto s = settings(drift_kind::rotation, 90, drift_pattern::recurring, {10, 20});
    s.samples_per_round = 30;
    EXPECT_EQ(f.with(s).describe(),
              "  in each round a client sees 30 of its training images, if it has more\n"
              "  images turn counter-clockwise, by so many degrees\n"
              "  for all 4 clients\n"
              "  90 from round 10 on\n"
              "  0 from round 20 on\n");
    s.clients = 0.25;
    EXPECT_THAT(f.with(s).describe(), HasSubstr("for 1 of 4 clients: "));
    EXPECT_THAT(f.with(settings(drift_kind::blur, 2, drift_pattern::gradual, {5, 9})).describe(),
                HasSubstr("from 0 in round 5 evenly to 2 in round 9\n"));
    EXPECT_THAT(f.with(settings(drift_kind::label_shift, 0.5)).describe(), HasSubstr("this share goes: "));
}

} // namespace
} // namespace feddip::data
