#include "base/random.hpp"
#include "nn/sgd.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

namespace feddip::nn {
namespace {

// Sizes that end within a word of the mask, and within a vector.
parameter_layout odd_layout() {
    const auto tensor = [](std::string name, role what, std::int64_t size) {
        return parameter{std::move(name), what, {size}, 0, static_cast<std::size_t>(size), size};
    };
    return parameter_layout({tensor("a.weight", role::weight, 150), tensor("a.bias", role::bias, 6),
                             tensor("b.weight", role::weight, 1003), tensor("b.scale", role::norm_scale, 17),
                             tensor("b.mean", role::running_mean, 17), tensor("c.weight", role::weight, 64),
                             tensor("d.weight", role::weight, 1), tensor("e.weight", role::weight, 40001)});
}

struct problem {
    parameter_layout layout = odd_layout();
    sparse::mask mask{layout.prunable_size(), true};
    std::vector<float> gradients, dense, pruned;

    // Runs of dead and living weights as well as single ones.
    explicit problem(double density) {
        random_stream random(1, 2, 3, purpose::test);
        for (std::size_t i = 0; i < mask.size(); ++i) {
            const bool run_dead = i >= 256 && i < 400;
            const bool run_alive = i >= 500 && i < 700;
            mask.set(i, run_alive || (!run_dead && random.uniform() < density));
        }
        for (std::size_t i = 0; i < layout.trainable_size(); ++i) {
            gradients.push_back(static_cast<float>(random.normal()));
            dense.push_back(static_cast<float>(random.normal()));
        }
        pruned = dense;
        sparse::apply(mask, std::span(pruned).first(mask.size()));
    }
};

constexpr sgd_settings settings{.learning_rate = 0.1F, .weight_decay = 5e-4F, .regularization = 0.02F};
constexpr sgd_settings sparing_ends{
    .learning_rate = 0.1F, .weight_decay = 5e-4F, .regularization = 0.02F, .spares_ends = true};

// The formula as it is written, in double precision.
std::vector<double> reference_step(const problem& p, const sgd_settings& s) {
    std::vector<double> next(p.dense.begin(), p.dense.end());
    for (const parameter& tensor : p.layout.parameters()) {
        if (!tensor.trainable()) {
            continue;
        }
        double norm = 0;
        for (std::size_t i = tensor.offset; i < tensor.offset + tensor.size; ++i) {
            norm += static_cast<double>(p.pruned[i]) * p.pruned[i];
        }
        norm = std::sqrt(norm);
        for (std::size_t i = tensor.offset; i < tensor.offset + tensor.size; ++i) {
            double g = p.gradients[i];
            const bool inner = tensor.name != "a.weight" && tensor.name != "e.weight";
            if (tensor.prunable() && norm > 0 && (inner || !s.spares_ends)) {
                g += s.regularization * p.pruned[i] / norm;
            }
            next[i] -= s.learning_rate * (g + s.weight_decay * p.dense[i]);
        }
    }
    return next;
}

class sgd_at_density : public testing::TestWithParam<double> {};

TEST_P(sgd_at_density, the_dense_step_is_that_of_the_formula) {
    for (const sgd_settings& s : {settings, sparing_ends}) {
        problem p(GetParam());
        const std::vector<double> expected = reference_step(p, s);
        sgd_step_dense(p.layout, s, &p.mask, p.gradients, p.dense, p.pruned);
        for (std::size_t i = 0; i < expected.size(); ++i) {
            EXPECT_NEAR(p.dense[i], expected[i], 1e-6) << i;
            const bool alive = i >= p.mask.size() || p.mask[i];
            EXPECT_EQ(p.pruned[i], alive ? p.dense[i] : 0.0F) << i;
        }
    }
}

TEST_P(sgd_at_density, the_step_on_the_mask_gives_living_weights_the_same_bits) {
    problem p(GetParam());
    std::vector<float> sparse_pruned = p.pruned;
    std::vector<float> sparse_gradients = p.gradients;
    for (std::size_t i = 0; i < p.mask.size(); ++i) {
        if (!p.mask[i]) {
            sparse_gradients[i] = std::nanf(""); // must not be looked at
        }
    }
    for (int step = 0; step < 3; ++step) {
        sgd_step_dense(p.layout, settings, &p.mask, p.gradients, p.dense, p.pruned);
        sgd_step_on_mask(p.layout, settings, p.mask, sparse_gradients, sparse_pruned);
    }
    EXPECT_EQ(sparse_pruned, p.pruned);
}

INSTANTIATE_TEST_SUITE_P(sgd, sgd_at_density, testing::Values(0.0, 0.01, 0.1, 0.5, 0.95, 1.0));

TEST(sgd, no_mask_means_all_alive) {
    problem with(1.0);
    with.mask = sparse::mask(with.layout.prunable_size(), true);
    with.pruned = with.dense;
    problem without = with;
    sgd_step_dense(with.layout, settings, &with.mask, with.gradients, with.dense, with.pruned);
    sgd_step_dense(without.layout, settings, nullptr, without.gradients, without.dense, without.pruned);
    EXPECT_EQ(with.dense, without.dense);
    EXPECT_EQ(without.pruned, without.dense);
}

TEST(sgd, a_tensor_of_zeros_is_not_regularized) {
    problem p(0.5);
    std::ranges::fill(p.pruned, 0.0F);
    std::ranges::fill(p.dense, 0.0F);
    std::ranges::fill(p.gradients, 0.0F);
    sgd_step_dense(p.layout, settings, &p.mask, p.gradients, p.dense, p.pruned);
    EXPECT_EQ(p.dense, std::vector<float>(p.dense.size(), 0.0F));
}

// Between the ends the bits are those of the step that spares none, elsewhere those without a regularizer.
TEST(sgd, spares_the_first_and_the_last_prunable_tensor_where_asked) {
    problem all(1.0);
    all.pruned = all.dense;
    problem inner = all;
    problem none = all;
    sgd_settings off = settings;
    off.regularization = 0;
    sgd_step_dense(all.layout, settings, nullptr, all.gradients, all.dense, all.pruned);
    sgd_step_dense(inner.layout, sparing_ends, nullptr, inner.gradients, inner.dense, inner.pruned);
    sgd_step_dense(none.layout, off, nullptr, none.gradients, none.dense, none.pruned);
    for (const parameter& tensor : inner.layout.parameters()) {
        if (tensor.trainable()) {
            const bool shrinks =
                tensor.name == "b.weight" || tensor.name == "c.weight" || tensor.name == "d.weight";
            const auto of = [&](const problem& p) {
                return std::span(p.dense).subspan(tensor.offset, tensor.size);
            };
            EXPECT_TRUE(std::ranges::equal(of(inner), of(shrinks ? all : none))) << tensor.name;
            EXPECT_EQ(std::ranges::equal(of(inner), of(none)), !shrinks) << tensor.name;
        }
    }
}

TEST(sgd, pruned_weights_collect_their_gradients) {
    problem p(0.3);
    const std::vector<float> before = p.dense;
    sgd_step_dense(p.layout, {.learning_rate = 1.0F, .weight_decay = 0.0F, .regularization = 0.5F}, &p.mask,
                   p.gradients, p.dense, p.pruned);
    for (std::size_t i = 0; i < p.mask.size(); ++i) {
        if (!p.mask[i]) {
            EXPECT_EQ(p.dense[i], before[i] - p.gradients[i]) << i;
        }
    }
}

} // namespace
} // namespace feddip::nn
