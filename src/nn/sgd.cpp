#include "nn/sgd.hpp"

#include "nn/chunks.hpp"
#include "nn/vectorized.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

namespace feddip::nn {

namespace {

constexpr std::size_t word_bits = 64;

// In 8 lanes by position, then lane by lane: an order that no instruction set changes.
FEDDIP_VECTORIZED
double sum_of_squares(const float* v, std::size_t n) {
    constexpr std::size_t lanes = 8;
    std::array<double, lanes> sums{};
    const std::size_t whole = n - n % lanes;
    for (std::size_t i = 0; i < whole; i += lanes) {
        for (std::size_t l = 0; l < lanes; ++l) {
            const double x = v[i + l];
            sums[l] += x * x;
        }
    }
    for (std::size_t l = 0; l < n - whole; ++l) {
        const double x = v[whole + l];
        sums[l] += x * x;
    }
    double total = 0;
    for (const double s : sums) {
        total += s;
    }
    return total;
}

double norm(const float* v, std::size_t n) {
    std::vector<double> sums(chunks_of(n));
    in_chunks(n, [&](std::size_t chunk, std::size_t first, std::size_t length) {
        sums[chunk] = sum_of_squares(v + first, length);
    });
    return std::sqrt(std::accumulate(sums.begin(), sums.end(), 0.0));
}

struct step_factors {
    float learning_rate;
    float weight_decay;
    float regularization; // lambda / ||v_l||, 0 in tensors that it leaves alone
};

step_factors factors_of(const sgd_settings& settings, bool regularized, const float* weights, std::size_t n) {
    step_factors factors{settings.learning_rate, settings.weight_decay, 0.0F};
    if (regularized) {
        const double length = norm(weights, n);
        factors.regularization = length > 0 ? static_cast<float>(settings.regularization / length) : 0.0F;
    }
    return factors;
}

inline float stepped(const step_factors& f, float gradient, float weight, float pruned) {
    return weight - f.learning_rate * (gradient + f.regularization * pruned + f.weight_decay * weight);
}

// dense and pruned are the same where everything is alive.
FEDDIP_VECTORIZED
void step_alive(step_factors f, const float* gradients, float* dense, float* pruned, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
        dense[i] = pruned[i] = stepped(f, gradients[i], dense[i], pruned[i]);
    }
}

FEDDIP_VECTORIZED
void step_in_place(step_factors f, const float* gradients, float* weights, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
        weights[i] = stepped(f, gradients[i], weights[i], weights[i]);
    }
}

// Pruned weights: v = 0 and stays so.
FEDDIP_VECTORIZED
void step_pruned(step_factors f, const float* gradients, float* dense, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
        dense[i] = stepped(f, gradients[i], dense[i], 0.0F);
    }
}

// bits -> one 0 or 1 per weight, so that the loop below vectorizes.
void spread(std::uint64_t bits, std::array<std::uint32_t, word_bits>& alive) {
    for (std::size_t b = 0; b < word_bits; ++b) {
        alive[b] = static_cast<std::uint32_t>((bits >> b) & 1U);
    }
}

FEDDIP_VECTORIZED
void step_mixed(step_factors f, std::uint64_t bits, const float* gradients, float* dense, float* pruned,
                std::size_t n) {
    std::array<std::uint32_t, word_bits> alive;
    spread(bits, alive);
    for (std::size_t i = 0; i < n; ++i) {
        dense[i] = stepped(f, gradients[i], dense[i], pruned[i]);
        pruned[i] = alive[i] != 0 ? dense[i] : 0.0F;
    }
}

// Calls f(first, length, bits) for the words of the mask that cover [first, first + length), cut at both
// ends.
template <typename F>
void for_each_word(const sparse::mask& m, std::size_t first, std::size_t length, F&& f) {
    for (std::size_t i = first; i < first + length;) {
        const std::size_t in_word = i % word_bits;
        const std::size_t n = std::min(word_bits - in_word, first + length - i);
        const std::uint64_t used = n == word_bits ? ~std::uint64_t{0} : (std::uint64_t{1} << n) - 1;
        f(i, n, (m.words()[i / word_bits] >> in_word) & used);
        i += n;
    }
}

std::uint64_t all_alive(std::size_t n) {
    return n == word_bits ? ~std::uint64_t{0} : (std::uint64_t{1} << n) - 1;
}

// Calls f(factors, first, length) for each chunk of the tensor, `first` in the flat buffer.
template <typename F>
void for_each_chunk(const parameter_layout& layout, const parameter& tensor, const sgd_settings& settings,
                    const float* pruned, F&& f) {
    const step_factors factors =
        factors_of(settings, regularizes(settings, layout, tensor), pruned + tensor.offset, tensor.size);
    in_chunks(tensor.size, [&](std::size_t /*chunk*/, std::size_t first, std::size_t length) {
        f(factors, tensor.offset + first, length);
    });
}

void step_dense_word(const step_factors& factors, std::uint64_t bits, const float* g, float* w, float* v,
                     std::size_t n) {
    if (bits == 0) {
        step_pruned(factors, g, w, n);
        std::fill_n(v, n, 0.0F);
    } else {
        step_mixed(factors, bits, g, w, v, n);
    }
}

void step_on_mask_word(const step_factors& factors, std::uint64_t bits, const float* g, float* v,
                       std::size_t n) {
    if (bits == all_alive(n)) {
        step_in_place(factors, g, v, n);
        return;
    }
    for (; bits != 0; bits &= bits - 1) {
        const auto i = static_cast<std::size_t>(std::countr_zero(bits));
        v[i] = stepped(factors, g[i], v[i], v[i]);
    }
}

} // namespace

bool regularizes(const sgd_settings& settings, const parameter_layout& layout, const parameter& tensor) {
    const bool at_an_end = tensor.offset == 0 || tensor.offset + tensor.size == layout.prunable_size();
    return settings.regularization != 0.0F && tensor.prunable() && !(settings.spares_ends && at_an_end);
}

void sgd_step_dense(const parameter_layout& layout, const sgd_settings& settings, const sparse::mask* m,
                    std::span<const float> gradients, std::span<float> dense, std::span<float> pruned) {
    const float* const g = gradients.data();
    float* const w = dense.data();
    float* const v = pruned.data();
    for (const parameter& p : layout.parameters()) {
        if (!p.trainable()) {
            continue;
        }
        const bool all_alive = !p.prunable() || m == nullptr;
        for_each_chunk(
            layout, p, settings, v, [&](const step_factors& factors, std::size_t first, std::size_t length) {
                if (all_alive) {
                    step_alive(factors, g + first, w + first, v + first, length);
                    return;
                }
                for_each_word(*m, first, length, [&](std::size_t i, std::size_t n, std::uint64_t bits) {
                    step_dense_word(factors, bits, g + i, w + i, v + i, n);
                });
            });
    }
}

void sgd_step_on_mask(const parameter_layout& layout, const parameter& tensor, const sgd_settings& settings,
                      const sparse::mask& m, const float* gradients, float* pruned) {
    for_each_chunk(layout, tensor, settings, pruned,
                   [&](const step_factors& factors, std::size_t first, std::size_t length) {
                       if (!tensor.prunable()) {
                           step_in_place(factors, gradients + first, pruned + first, length);
                           return;
                       }
                       for_each_word(m, first, length, [&](std::size_t i, std::size_t n, std::uint64_t bits) {
                           step_on_mask_word(factors, bits, gradients + i, pruned + i, n);
                       });
                   });
}

void sgd_step_on_mask(const parameter_layout& layout, const sgd_settings& settings, const sparse::mask& m,
                      std::span<const float> gradients, std::span<float> pruned) {
    for (const parameter& p : layout.parameters()) {
        if (p.trainable()) {
            sgd_step_on_mask(layout, p, settings, m, gradients.data(), pruned.data());
        }
    }
}

void sgd_step_tensor(const sgd_settings& settings, bool regularized, const float* gradients, float* weights,
                     std::size_t n) {
    const step_factors factors = factors_of(settings, regularized, weights, n);
    in_chunks(n, [&](std::size_t /*chunk*/, std::size_t first, std::size_t length) {
        step_in_place(factors, gradients + first, weights + first, length);
    });
}

void add_scaled(float factor, std::span<const float> direction, std::span<float> values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] += factor * direction[i];
    }
}

} // namespace feddip::nn
