#include "base/error.hpp"
#include "io/client_files.hpp"
#include "io/files.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

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
    io::client_files(stem(), 10).save(3, 5, some);

    EXPECT_EQ(io::client_files(stem(), 10).load(3, 5), some);
}

TEST_F(client_files, keep_what_a_checkpoint_of_the_horizon_may_need_and_no_more) {
    io::client_files store(stem(), 10);
    for (const int round : {0, 5, 15, 20}) {
        store.save(3, round, some);
    }
    store.save(33, 20, some); // another client's files are none of its business

    // A checkpoint after round 10 needs the version of round 5.
    EXPECT_THROW(store.load(3, 0), error);
    EXPECT_EQ(store.load(3, 5), some);
    EXPECT_EQ(store.load(3, 15), some);
    EXPECT_EQ(store.load(3, 20), some);
    EXPECT_EQ(store.load(33, 20), some);
}

TEST_F(client_files, refuse_damage_anywhere) {
    io::client_files store(stem(), 10);
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
