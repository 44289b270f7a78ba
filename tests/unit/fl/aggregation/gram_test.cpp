// Inner products of updates over several blocks, against plain sums.
#include "base/random.hpp"
#include "fl/aggregation/gram.hpp"
#include "fl/in_process_transport.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

using namespace feddip;
using namespace feddip::fl;

namespace {

const parameter_layout several_blocks({{"a.weight", role::weight, {100, 99}, 0, 0, 99},
                                       {"a.bias", role::bias, {100}, 0, 0, 99}});

std::vector<float> random_values(std::size_t size, random_stream& random) {
    std::vector<float> values(size);
    std::ranges::generate(values, [&] { return static_cast<float>(random.normal()); });
    return values;
}

} // namespace

TEST(gram, has_the_inner_products_of_changes_where_absent_is_no_change) {
    random_stream random(5, 0, 0, purpose::test);
    const auto& layout = several_blocks;
    const global_model model{random_values(layout.size(), random), {layout.prunable_size(), true}, 0};
    round_plan plan;
    plan.squared_gradients = true; // which must not count
    const std::vector<int> owners(3, 0);
    in_process_transport ranks;
    slicer slices({plan, layout, model, owners}, ranks);
    std::vector<std::vector<double>> changes;
    for (int slot = 0; slot < 3; ++slot) {
        const auto weights = random_values(layout.size(), random);
        const auto squares = random_values(layout.prunable_size(), random);
        upload sent{.samples = 1,
                    .weights = {.support = {layout.prunable_size(), false}, .values = {}},
                    .tail = std::span(weights).subspan(layout.prunable_size()),
                    .squared_gradients = squares};
        changes.emplace_back(layout.size());
        for (std::size_t i = 0; i < layout.size(); ++i) {
            const bool in_tail = i >= layout.prunable_size();
            if (in_tail || random.below(3) == 0) {
                changes.back()[i] = static_cast<double>(weights[i]) - model.state[i];
                if (!in_tail) {
                    sent.weights.support.set(i, true);
                    sent.weights.values.push_back(weights[i]);
                }
            }
        }
        slices.add(slot, sent);
    }

    const auto products = inner_products(slices.exchange(), slices, ranks);

    ASSERT_EQ(products.size(), 3U);
    for (std::size_t u = 0; u < 3; ++u) {
        for (std::size_t v = 0; v < 3; ++v) {
            double expected = 0, distance = 0;
            for (std::size_t i = 0; i < layout.size(); ++i) {
                expected += changes[u][i] * changes[v][i];
                distance += std::pow(changes[u][i] - changes[v][i], 2);
            }
            EXPECT_NEAR(products(u, v), expected, 1e-3);
            EXPECT_NEAR(products.squared_distance(u, v), distance, 2e-3);
        }
    }
    const std::vector<double> middle{0.5, 0, 0.25};
    const auto distances = products.distances_from(middle);
    for (std::size_t u = 0; u < 3; ++u) {
        double expected = 0;
        for (std::size_t i = 0; i < layout.size(); ++i) {
            expected += std::pow(changes[u][i] - 0.5 * changes[0][i] - 0.25 * changes[2][i], 2);
        }
        EXPECT_NEAR(distances[u], std::sqrt(expected), 1e-5);
    }
}
