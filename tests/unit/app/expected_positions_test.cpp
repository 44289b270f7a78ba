#include "app/expected_positions.hpp"
#include "app/experiment.hpp"
#include "fl/accounting.hpp"
#include "sparse/magnitude.hpp"
#include "sparse/start.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace feddip::app {
namespace {

TEST(LogOfChoices, CountsThem) {
    EXPECT_NEAR(log2_choose(8, 0), 0, 1e-12);
    EXPECT_NEAR(log2_choose(8, 8), 0, 1e-12);
    EXPECT_NEAR(log2_choose(8, 1), 3, 1e-12);              // one of 8 places
    EXPECT_NEAR(log2_choose(4, 2), std::log2(6.0), 1e-12); // 6 pairs of 4
    EXPECT_NEAR(log2_choose(1e6, 5e5), 1e6, 12);           // all but a bit per weight
}

parameter_layout layout_of_defaults() {
    const config::run_config defaults;
    return layout_for(defaults);
}

// A server whose weights never move: what is expected is then the case.
class still_server {
public:
    explicit still_server(int clients) {
        random_stream random(1, 0, 0, purpose::test);
        state_.model.state.resize(layout_.size());
        initialize(layout_, 1, state_.model.state);
        state_.model.mask = sparse::random_mask(layout_, sparse::erk_densities(layout_, 0.5), random);
        state_.model.mask_version = 1;
        state_.recent_masks.push_back({0, {layout_.prunable_size(), true}});
        state_.client_mask_version.assign(static_cast<std::size_t>(clients), 0);
        sparse::apply(state_.model.mask, weights());
    }

    const parameter_layout& layout() const { return layout_; }
    const sparse::mask& mask() const { return state_.model.mask; }

    void reconfigure(double sparsity) {
        auto& model = state_.model;
        state_.recent_masks.push_back({model.mask_version++, model.mask});
        if (state_.recent_masks.size() > fl::remembered_masks) {
            state_.recent_masks.erase(state_.recent_masks.begin());
        }
        model.mask = sparse::prune_smallest(weights(), sparsity);
    }

    double charge(int client) { return static_cast<double>(ledger_.charge(state_, client).positions); }

private:
    std::span<float> weights() { return std::span(state_.model.state).first(layout_.prunable_size()); }

    parameter_layout layout_ = layout_of_defaults();
    fl::run_state state_;
    fl::download_ledger ledger_{layout_};
};

TEST(ExpectedPositions, AreThoseOfTheLedgerWhereWeightsStayAsTheyWere) {
    constexpr int clients = 5;
    still_server server(clients);
    expected_positions expected(server.layout(), server.mask(), clients, true);

    for (int round = 0; round < 12; ++round) {
        // Client c comes every c + 1 rounds; the last only when its mask is forgotten.
        for (int client = 0; client < clients; ++client) {
            if (round % (client + 1) == 0 && (client + 1 < clients || round > 9)) {
                const double charged = server.charge(client);
                EXPECT_NEAR(expected.charge(client), charged, 0.03 * charged + 20)
                    << "client " << client << " in round " << round;
            }
        }
        const double sparsity = 0.55 + 0.03 * round;
        server.reconfigure(sparsity);
        expected.reconfigure(std::round((1 - sparsity) * static_cast<double>(server.mask().size())));
    }
}

TEST(ExpectedPositions, CostNothingWhereTheMaskIsHeldAndAllWeightsAreAlive) {
    const auto layout = layout_of_defaults();
    expected_positions pruned(layout, sparse::mask(layout.prunable_size(), false), 1, true);
    pruned.charge(0);
    EXPECT_EQ(pruned.charge(0), 0);
    expected_positions whole(layout, sparse::mask(layout.prunable_size(), true), 1, true);
    EXPECT_EQ(whole.charge(0), 0);
}

TEST(ExpectedPositions, OfMasksThatAreNotNestedAreThoseOfFreshOnes) {
    const auto layout = layout_of_defaults();
    const sparse::mask start(layout.prunable_size(), true);
    expected_positions nested(layout, start, 1, true);
    expected_positions fresh(layout, start, 1, false);
    for (const double alive : {30'000.0, 20'000.0}) {
        nested.reconfigure(alive);
        fresh.reconfigure(alive);
        EXPECT_EQ(fresh.charge(0), fresh.of_model());
        nested.charge(0);
    }
    nested.reconfigure(19'000.0);
    fresh.reconfigure(19'000.0);
    EXPECT_LT(nested.charge(0), 0.5 * fresh.charge(0));
}

} // namespace
} // namespace feddip::app
