// Whole runs over MPI against the same run on one rank.
#include "comm/mpi_transport.hpp"
#include "fl/in_process_transport.hpp"
#include "fl/round_loop.hpp"
#include "io/client_files.hpp"
#include "mpi/independent_count.hpp"
#include "privacy/seeded_key_for_tests.hpp"
#include "unit/fl/federation.hpp"
#include "unit/io/compare.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace {

using feddip::comm::communicator;
using feddip::comm::mpi_transport;
using feddip::test::bytes_handed_to_mpi;
using feddip::test::small_federation;
namespace fl = feddip::fl;

// Compares the count of a transport with the independent one whenever the round loop asks for it.
class witnessed_transport : public mpi_transport {
public:
    explicit witnessed_transport(communicator c) : mpi_transport(std::move(c)) {}

    std::uint64_t bytes_sent() const override {
        const std::uint64_t bytes = mpi_transport::bytes_sent();
        EXPECT_EQ(bytes, bytes_handed_to_mpi() - before_);
        last_reported = bytes;
        return bytes;
    }

    mutable std::uint64_t last_reported = 0;

private:
    std::uint64_t before_ = bytes_handed_to_mpi();
};

fl::run_result run(const small_federation& federation, fl::transport& ranks) {
    fl::memory_client_store residuals;
    return fl::run({federation.config, federation.data, federation.shares, residuals, federation.key}, ranks,
                   {}, {}, [] { return false; });
}

std::vector<std::uint32_t> bits(std::span<const float> values) {
    std::vector<std::uint32_t> result;
    for (const float v : values) {
        result.push_back(std::bit_cast<std::uint32_t>(v));
    }
    return result;
}

void expect_same_run(fl::run_state over_mpi, fl::run_state alone) {
    using namespace feddip::io::testing;
    over_mpi.history = without_times(std::move(over_mpi.history));
    alone.history = without_times(std::move(alone.history));
    expect_same(over_mpi, alone);
}

class federation : public testing::TestWithParam<std::string> {};

// Small enough that four ranks on two busy cores are done in seconds.
void make_tiny(small_federation& what) {
    what.config.federation.rounds = 3;
    what.config.federation.local_epochs = 1;
    what.config.analysis.convergence_every = 2;
}

TEST_P(federation, over_mpi_ends_in_the_bits_of_one_rank) {
    small_federation what;
    make_tiny(what);
    what.config.method.name = GetParam();
    witnessed_transport ranks(communicator::world());

    const fl::run_result over_mpi = run(what, ranks);

    EXPECT_TRUE(over_mpi.complete);
    std::vector<float> of_rank_0 = over_mpi.state.model.state;
    auto c = communicator::world();
    c.broadcast(0, std::as_writable_bytes(std::span(of_rank_0)));
    EXPECT_EQ(bits(over_mpi.state.model.state), bits(of_rank_0));
    if (ranks.rank() == 0) {
        fl::in_process_transport alone;
        expect_same_run(over_mpi.state, run(what, alone).state);
    }
}

INSTANTIATE_TEST_SUITE_P(methods, federation,
                         testing::Values("feddip", "fedavg", "fedprox", "snip", "feddst", "flash",
                                         "prunetrain", "prunefl"));

class federation_rule : public testing::TestWithParam<std::string> {};

// With uploads of one support, and of many.
TEST_P(federation_rule, over_mpi_ends_in_the_bits_of_one_rank) {
    for (const auto* method : {"feddip", "feddst", "prunefl"}) {
        small_federation what;
        make_tiny(what);
        what.config.method.name = method;
        what.config.sparsity.horizon = 1;
        what.config.aggregation.rule = GetParam();
        witnessed_transport ranks(communicator::world());

        const fl::run_result over_mpi = run(what, ranks);

        if (ranks.rank() == 0) {
            fl::in_process_transport alone;
            expect_same_run(over_mpi.state, run(what, alone).state);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(rules, federation_rule,
                         testing::Values("median", "trimmed_mean", "krum", "multi_krum", "geometric_median",
                                         "centered_clipping", "norm_bound"));

class federation_attack : public testing::TestWithParam<feddip::config::attack_section> {};

TEST_P(federation_attack, over_mpi_ends_in_the_bits_of_one_rank) {
    small_federation what;
    make_tiny(what);
    what.config.sparsity.horizon = 1;
    what.config.attack = GetParam();
    what.config.aggregation.rule = "median";
    witnessed_transport ranks(communicator::world());

    const fl::run_result over_mpi = run(what, ranks);

    if (ranks.rank() == 0) {
        fl::in_process_transport alone;
        expect_same_run(over_mpi.state, run(what, alone).state);
    }
}

INSTANTIATE_TEST_SUITE_P(kinds, federation_attack, testing::ValuesIn([] {
                             std::vector<feddip::config::attack_section> attacks;
                             for (const auto* kind : {"sign_flip", "gaussian", "label_flip", "alie", "ipm",
                                                      "min_max", "backdoor", "mask_aware"}) {
                                 attacks.push_back({.kind = kind, .clients = 2});
                             }
                             for (const auto* kind : {"alie", "min_max"}) {
                                 attacks.push_back(
                                     {.kind = kind, .clients = 2, .sees = feddip::config::attack_sight::all});
                             }
                             return attacks;
                         }()),
                         [](const auto& tested) {
                             const bool all = tested.param.sees == feddip::config::attack_sight::all;
                             return tested.param.kind + (all ? "_that_sees_all" : "");
                         });

// Rank 0 alone has the key, and draws; a round may have no clients.
TEST(federation_of_protected_clients, over_mpi_ends_in_the_bits_of_one_rank) {
    using feddip::config::sampling_kind;
    for (const auto& [sampling, secure_sum] : {std::pair{sampling_kind::fixed, false},
                                               {sampling_kind::poisson, false},
                                               {sampling_kind::poisson, true}}) {
        small_federation what;
        make_tiny(what);
        what.config.federation.rounds = 5;
        what.config.federation.clients_per_round = 2;
        what.config.analysis.convergence_every = 0;
        what.config.privacy = {
            .clip = 0.5, .clip_quantile = 0.5, .noise_multiplier = 0.3, .sampling = sampling};
        what.config.privacy.secure_sum = secure_sum;
        what.key = feddip::privacy::seeded_key_for_tests(4).kept();
        witnessed_transport ranks(communicator::world());

        const fl::run_result over_mpi = run(what, ranks);

        if (ranks.rank() == 0) {
            fl::in_process_transport alone;
            const auto on_one = run(what, alone);
            expect_same_run(over_mpi.state, on_one.state);
            EXPECT_EQ(over_mpi.state.protection->clip, on_one.state.protection->clip);
            EXPECT_EQ(over_mpi.state.history.back().epsilon, on_one.state.history.back().epsilon);
        }
    }
}

// Clients that drop out leave slots to fewer ranks, and whole rounds to none.
TEST(federation_faults, over_mpi_end_in_the_bits_of_one_rank) {
    for (const auto upload : {feddip::config::reconfiguration_upload_kind::dense,
                              feddip::config::reconfiguration_upload_kind::topk}) {
        small_federation what;
        make_tiny(what);
        what.config.federation.rounds = 6;
        what.config.faults.drop_probability = 0.7;
        what.config.communication.reconfiguration_upload = upload;
        witnessed_transport ranks(communicator::world());

        const fl::run_result over_mpi = run(what, ranks);

        if (ranks.rank() == 0) {
            fl::in_process_transport alone;
            expect_same_run(over_mpi.state, run(what, alone).state);
            int most = 0;
            for (const auto& round : over_mpi.state.history) {
                int dropped = 0;
                for (const auto& c : round.clients) {
                    dropped += c.dropped_out;
                }
                most = std::max(most, dropped);
            }
            EXPECT_EQ(most, what.config.federation.clients_per_round) << "no round lost all its clients";
        }
    }
}

void make_drift(small_federation& what, feddip::config::drift_kind kind, int round, double strength) {
    what.config.drift = {.kind = kind,
                         .pattern = feddip::config::drift_pattern::sudden,
                         .at = {round},
                         .strength = strength,
                         .clients = 0.75,
                         .samples_per_round = 90};
    what.config.analysis.convergence_every = 0;
    what.config.analysis.mask_history = true;
}

TEST(federation_drift, over_mpi_ends_in_the_bits_of_one_rank) {
    for (const auto kind : {feddip::config::drift_kind::noise, feddip::config::drift_kind::label_shift}) {
        small_federation what;
        make_tiny(what);
        make_drift(what, kind, 2, 0.5);
        witnessed_transport ranks(communicator::world());

        const fl::run_result over_mpi = run(what, ranks);

        if (ranks.rank() == 0) {
            fl::in_process_transport alone;
            expect_same_run(over_mpi.state, run(what, alone).state);
        }
    }
}

TEST(federation_adaptation, over_mpi_ends_in_the_bits_of_one_rank) {
    small_federation what;
    make_tiny(what);
    make_drift(what, feddip::config::drift_kind::rotation, 31, 180);
    what.config.federation.rounds = 36;
    what.config.federation.local_epochs = 2;
    what.config.federation.batch_size = 16;
    what.config.sparsity.initial = 0.3;
    what.config.sparsity.target = 0.5;
    what.config.sparsity.final_rounds = 32;
    what.config.adaptation.answer = feddip::config::answer_kind::regrow;
    what.config.adaptation.rounds = 3;
    what.config.adaptation.threshold = 0.05;
    witnessed_transport ranks(communicator::world());

    const fl::run_result over_mpi = run(what, ranks);

    if (ranks.rank() == 0) {
        fl::in_process_transport alone;
        expect_same_run(over_mpi.state, run(what, alone).state);
        const auto& history = over_mpi.state.history;
        EXPECT_TRUE(std::ranges::any_of(history, [](const auto& r) { return r.alarm != 0; }));
        EXPECT_GT(history.back().mask_distance, 0);
    }
}

// A folder that all ranks see, for as long as all need it.
class shared_folder {
public:
    shared_folder() : world_(communicator::world()) {
        std::vector<char> name(64);
        if (world_.rank() == 0) {
            const std::string pattern = (std::filesystem::temp_directory_path() / "peers-XXXXXX").string();
            name.assign(pattern.begin(), pattern.end());
            name.resize(64);
            EXPECT_NE(::mkdtemp(name.data()), nullptr);
        }
        world_.broadcast(0, std::as_writable_bytes(std::span(name)));
        path_ = name.data();
    }
    shared_folder(const shared_folder&) = delete;
    shared_folder& operator=(const shared_folder&) = delete;
    ~shared_folder() {
        world_.gather(0, std::uint64_t{1});
        if (world_.rank() == 0) {
            std::filesystem::remove_all(path_);
        }
    }

    const std::filesystem::path& path() const { return path_; }

private:
    communicator world_;
    std::filesystem::path path_;
};

void give_turns(feddip::config::run_config& c) {
    c.budget.mode = feddip::config::budget_kind::fixed;
    c.budget.density = {1, 0.1};
    c.budget.rotate = true;
    c.budget.ranked_every = 2;
}

void give_a_deadline(feddip::config::run_config& c) {
    c.links.uplink_mbit = c.links.downlink_mbit = {40, 0.8};
    c.budget.mode = feddip::config::budget_kind::deadline;
    c.budget.deadline_s = 1;
}

void give_rolling_slices(feddip::config::run_config& c) {
    c.method.name = "fedavg";
    c.budget.mode = feddip::config::budget_kind::fixed;
    c.budget.density = {1, 0.1};
    c.budget.ranking = feddip::config::ranking_kind::rolling_width;
}

// Parts of the model of different sizes, in rounds that reconfigure and others; with a deadline clients keep
// what their links do not carry.
TEST(federation_budgets, over_mpi_end_in_the_bits_of_one_rank) {
    for (const auto give : {give_turns, give_a_deadline, give_rolling_slices}) {
        small_federation what;
        make_tiny(what);
        what.config.federation.rounds = 4;
        what.config.links.shares = {0.5, 0.5};
        give(what.config);
        const shared_folder folder;
        witnessed_transport ranks(communicator::world());
        feddip::io::client_files files(folder.path() / "run", feddip::io::versions::all);

        const fl::run_result over_mpi =
            fl::run({what.config, what.data, what.shares, files}, ranks, {}, {}, [] { return false; });

        if (ranks.rank() == 0) {
            fl::in_process_transport alone;
            expect_same_run(over_mpi.state, run(what, alone).state);
            bool has_parts = false;
            for (const auto& round : over_mpi.state.history) {
                has_parts = has_parts || round.coverage < 1;
            }
            EXPECT_TRUE(has_parts);
        }
    }
}

TEST(federation_of_peers, over_mpi_ends_in_the_bits_of_one_rank) {
    using feddip::io::versions;
    for (const auto& [method, kept] :
         {std::pair{"dispfl", versions::all}, std::pair{"dispfl", versions::newest},
          std::pair{"dadpfl", versions::all}, std::pair{"dadpfl", versions::newest}}) {
        small_federation what;
        make_tiny(what);
        what.config.analysis.convergence_every = 0;
        what.config.federation.rounds = 7;
        what.config.method.name = method;
        what.config.dispfl.neighbours = 1;
        what.config.dadpfl = {.neighbours = 2, .waits = 1, .pruning_threshold = 1000};
        what.config.faults.drop_probability = 0.2;
        const shared_folder folder;
        witnessed_transport ranks(communicator::world());
        feddip::io::client_files files(folder.path() / "run", kept);

        const fl::run_result over_mpi =
            fl::run({what.config, what.data, what.shares, files}, ranks, {}, {}, [] { return false; });

        if (ranks.rank() == 0) {
            fl::in_process_transport alone;
            fl::memory_client_store store;
            const auto expected = fl::run({what.config, what.data, what.shares, store}, alone, {}, {}, [] {
                                      return false;
                                  }).state;
            expect_same_run(over_mpi.state, expected);
            EXPECT_EQ(over_mpi.state.client_kept_in, expected.client_kept_in);
            const auto& history = expected.history;
            EXPECT_EQ(method == std::string("dadpfl"), history.back().sparsity > history.front().sparsity);
            for (int c = 0; c < what.config.federation.clients; ++c) {
                const int kept_in = expected.client_kept_in[static_cast<std::size_t>(c)];
                if (kept_in >= 0) {
                    EXPECT_EQ(files.load_model(c, kept_in), store.load_model(c, kept_in)) << c;
                }
            }
        }
    }
}

TEST(federation_traffic, recorded_over_the_rounds_is_what_mpi_was_handed) {
    small_federation what;
    make_tiny(what);
    witnessed_transport ranks(communicator::world());

    const fl::run_result result = run(what, ranks);

    std::uint64_t all_ranks = 0;
    auto c = communicator::world();
    for (const std::uint64_t bytes : c.gather(0, ranks.last_reported)) {
        all_ranks += bytes;
    }
    if (ranks.rank() == 0) {
        std::uint64_t recorded = 0;
        for (const fl::round_record& record : result.state.history) {
            recorded += record.mpi_bytes;
        }
        EXPECT_EQ(recorded, all_ranks);
        EXPECT_GT(recorded, 0U);
    }
}

TEST(federation_placement, rank_0_may_leave_the_training_to_the_others) {
    small_federation what;
    make_tiny(what);
    what.config.federation.rank0_trains = false;
    mpi_transport ranks(communicator::world());

    const fl::run_result over_mpi = run(what, ranks);

    if (ranks.rank() == 0) {
        fl::in_process_transport alone;
        expect_same_run(over_mpi.state, run(what, alone).state);
    }
}

} // namespace
