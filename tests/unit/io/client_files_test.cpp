#include "base/error.hpp"
#include "io/client_files.hpp"
#include "io/files.hpp"
#include "io/residual_codec.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>

using namespace feddip;

namespace {

class client_files : public testing::Test {
protected:
    void SetUp() override {
        const auto* test = testing::UnitTest::GetInstance()->current_test_info();
        folder_ = std::filesystem::path(testing::TempDir()) /
                  ("client_files-" + std::to_string(getpid()) + "-" + test->name());
        std::filesystem::create_directories(folder_);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::filesystem::path stem() const { return folder_ / "run"; }

    std::filesystem::path folder_;
};

const std::vector<float> some{1, 0, -3.5F};

} // namespace

TEST_F(client_files, give_back_what_was_saved_to_any_other_store_on_the_same_files) {
    io::client_files(stem(), io::versions::all).save(3, 5, some);

    EXPECT_EQ(io::client_files(stem(), io::versions::all).load(3, 5), some);
}

TEST_F(client_files, keep_what_checkpoints_need_when_the_rest_is_removed) {
    io::client_files store(stem(), io::versions::all);
    for (const int round : {0, 5, 15, 20}) {
        store.save(3, round, some);
    }
    store.save(33, 0, some); // a client that was not sampled again

    io::remove_client_files(stem(), 10);

    // A checkpoint after round 10 needs the version of round 5.
    EXPECT_THROW(store.load(3, 0), error);
    for (const int round : {5, 15, 20}) {
        EXPECT_EQ(store.load(3, round), some) << round;
    }
    EXPECT_EQ(store.load(33, 0), some);
}

TEST_F(client_files, of_other_runs_and_other_names_are_left_alone) {
    const auto others = {"run2.client-3-1.residual", "run.client-3-.residual", "run.client-3-x1.residual",
                         "run.client-3.residual",    "run.client--1.residual", "run.client-3-1.residual.bak"};
    for (const auto* name : others) {
        io::replace_file(folder_ / name, std::as_bytes(std::span(some)));
    }
    io::client_files(stem(), io::versions::all).save(3, 5, some);

    io::remove_client_files(stem(), 100);

    for (const auto* name : others) {
        EXPECT_TRUE(std::filesystem::exists(folder_ / name)) << name;
    }
}

TEST_F(client_files, keep_only_the_newest_version_where_there_are_no_checkpoints) {
    io::client_files store(stem(), io::versions::newest);
    store.save(3, 0, some);
    store.save(33, 1, some);
    store.save(3, 5, some);

    EXPECT_THROW(store.load(3, 0), error);
    EXPECT_EQ(store.load(3, 5), some);
    EXPECT_EQ(store.load(33, 1), some);
}

TEST_F(client_files, keep_besides_the_model_before_for_the_peers_that_get_it_in_the_same_round) {
    io::client_files store(stem(), io::versions::newest);
    const std::vector<std::byte> message(7, std::byte{3});
    for (const int round : {0, 2, 5}) {
        store.save_model(3, round, message);
    }

    EXPECT_THROW(store.load_model(3, 0), error);
    EXPECT_EQ(store.load_model(3, 2), message);
    EXPECT_EQ(store.load_model(3, 5), message);
}

TEST_F(client_files, give_back_a_residual_of_zeros_and_one_of_nothing) {
    io::client_files store(stem(), io::versions::all);
    for (const std::size_t size : {0U, 1U, 64U, 100U}) {
        const std::vector<float> zeros(size);
        store.save(3, 5, zeros);
        EXPECT_EQ(store.load(3, 5), zeros) << size;
    }
}

// With a checksum that is right.
TEST(residual, that_reaches_past_its_end_is_refused) {
    const auto whole = io::encode_residual(some);
    EXPECT_EQ(io::decode_residual(whole, "here"), some);
    auto beyond = whole;
    beyond[2 * sizeof(std::uint64_t) - 1] |= std::byte{0x80};
    beyond.resize(beyond.size() + sizeof(float));
    EXPECT_THROW(io::decode_residual(beyond, "here"), error);
    beyond.resize(whole.size());
    EXPECT_THROW(io::decode_residual(beyond, "here"), error);
}

TEST_F(client_files, refuse_damage_anywhere) {
    io::client_files store(stem(), io::versions::all);
    store.save(3, 5, some);
    const auto path = stem().string() + ".client-3-5.residual";
    const auto whole = io::read_file(path);
    for (std::size_t i = 0; i < whole.size(); ++i) {
        auto flipped = whole;
        flipped[i] ^= std::byte{1};
        io::replace_file(path, flipped);
        EXPECT_THROW(store.load(3, 5), error) << i;
        io::replace_file(path, std::span(whole).first(i));
        EXPECT_THROW(store.load(3, 5), error) << i;
    }
}

TEST_F(client_files, give_back_the_bytes_of_models_and_refuse_damage) {
    io::client_files store(stem(), io::versions::all);
    const std::vector<std::byte> message{std::byte{1}, std::byte{0}, std::byte{255}};
    store.save_model(3, 5, message);
    store.save_model(3, 6, {});
    store.save(3, 5, some); // of the same client and round

    EXPECT_EQ(store.load_model(3, 5), message);
    EXPECT_TRUE(store.load_model(3, 6).empty());
    EXPECT_EQ(store.load(3, 5), some);

    const auto path = stem().string() + ".client-3-5.model";
    const auto whole = io::read_file(path);
    for (std::size_t i = 0; i < whole.size(); ++i) {
        auto flipped = whole;
        flipped[i] ^= std::byte{1};
        io::replace_file(path, flipped);
        EXPECT_THROW(store.load_model(3, 5), error) << i;
        io::replace_file(path, std::span(whole).first(i));
        EXPECT_THROW(store.load_model(3, 5), error) << i;
    }
}

TEST_F(client_files, keep_what_the_checkpoint_gone_on_from_needs) {
    const auto rounds_left = [&](int checkpointed) {
        io::client_files before(stem(), io::versions::all);
        io::client_files store(stem(), io::versions::newest, checkpointed);
        before.save(3, 5, some);
        before.save(3, 8, some);
        for (const int round : {12, 15}) {
            store.save(3, round, some);
        }
        std::vector<int> left;
        for (const int round : {5, 8, 12, 15}) {
            if (std::filesystem::exists(fmt::format("{}.client-3-{}.residual", stem().string(), round))) {
                left.push_back(round);
            }
        }
        return left;
    };
    EXPECT_EQ(rounds_left(10), (std::vector{5, 8, 15}));
    EXPECT_EQ(rounds_left(0), std::vector{15});
}

TEST_F(client_files, keep_models_as_long_as_checkpoints_need_them) {
    io::client_files store(stem(), io::versions::all);
    const std::vector<std::byte> message{std::byte{7}};
    for (const int round : {0, 5, 15}) {
        store.save_model(3, round, message);
    }
    io::remove_client_files(stem(), 10);
    EXPECT_THROW(store.load_model(3, 0), error);
    EXPECT_EQ(store.load_model(3, 5), message);
    EXPECT_EQ(store.load_model(3, 15), message);
}

TEST_F(client_files, of_rounds_that_a_run_has_not_done_go_before_it_starts) {
    io::client_files store(stem(), io::versions::all);
    for (const int round : {0, 9, 10, 11}) {
        store.save_model(3, round, {});
        store.save(4, round, some);
    }

    io::remove_later_client_files(stem(), 10);

    for (const int round : {0, 9}) {
        EXPECT_NO_THROW(store.load_model(3, round));
        EXPECT_EQ(store.load(4, round), some);
    }
    for (const int round : {10, 11}) {
        EXPECT_THROW(store.load_model(3, round), error);
        EXPECT_THROW(store.load(4, round), error);
    }
}
