#include "sparse/mask.hpp"

#include "sparse/positions.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <functional>

namespace feddip::sparse {

namespace {

constexpr std::uint64_t all_alive = ~std::uint64_t{0};

// Bits [first, first + length) of one word, as a word with the others 0. `first + length` <= 64.
std::uint64_t bits(std::uint64_t word, std::size_t first, std::size_t length) {
    const std::uint64_t kept = length == 64 ? all_alive : (std::uint64_t{1} << length) - 1;
    return word & (kept << first);
}

} // namespace

mask::mask(std::size_t size, bool alive) : size_(size), words_((size + 63) / 64, alive ? all_alive : 0) {
    if (alive && size % 64 != 0) {
        words_.back() = bits(all_alive, 0, size % 64);
    }
}

std::size_t mask::count() const {
    return count(0, size_);
}

std::size_t mask::count(std::size_t first, std::size_t length) const {
    std::size_t alive = 0;
    while (length > 0) {
        const std::size_t offset = first % 64;
        const std::size_t taken = std::min(length, 64 - offset);
        alive += static_cast<std::size_t>(std::popcount(bits(words_[first / 64], offset, taken)));
        first += taken;
        length -= taken;
    }
    return alive;
}

double mask::sparsity() const {
    return size_ == 0 ? 0.0 : 1.0 - static_cast<double>(count()) / static_cast<double>(size_);
}

void apply(const mask& m, std::span<float> values) {
    apply(m, values, values);
}

void apply(const mask& m, std::span<const float> source, std::span<float> target) {
    assert(source.size() == m.size() && target.size() == m.size());
    const auto words = m.words();
    for (std::size_t w = 0; w < words.size(); ++w) {
        const std::size_t first = w * 64;
        const std::size_t length = std::min<std::size_t>(64, m.size() - first);
        for (std::size_t i = 0; i < length; ++i) {
            target[first + i] = (words[w] >> i) & 1U ? source[first + i] : 0.0F;
        }
    }
}

namespace {

// Calls f(first, positions counted from there) for all alive weights, some at a time.
template <typename F>
void for_some_alive(const mask& m, F&& f) {
    std::array<std::uint32_t, 4096> positions;
    for (std::size_t first = 0; first < m.size(); first += position_stream::most_positions) {
        position_stream stream(m.words(), first, std::min(m.size() - first, position_stream::most_positions));
        while (const std::size_t taken = stream.take(positions)) {
            f(first, std::span<const std::uint32_t>(positions).first(taken));
        }
    }
}

} // namespace

void pack(const mask& m, std::span<const float> values, std::span<float> packed) {
    assert(values.size() == m.size() && packed.size() == m.count());
    float* next = packed.data();
    for_some_alive(m, [&](std::size_t first, std::span<const std::uint32_t> positions) {
        const float* const from = values.data() + first;
        for (const std::uint32_t i : positions) {
            *next++ = from[i];
        }
    });
}

void unpack(const mask& m, std::span<const float> packed, std::span<float> values) {
    assert(values.size() == m.size() && packed.size() == m.count());
    std::ranges::fill(values, 0.0F);
    const float* next = packed.data();
    for_some_alive(m, [&](std::size_t first, std::span<const std::uint32_t> positions) {
        float* const into = values.data() + first;
        for (const std::uint32_t i : positions) {
            into[i] = *next++;
        }
    });
}

double change(const mask& a, const mask& b) {
    assert(a.size() == b.size());
    std::size_t differing = 0;
    for (std::size_t w = 0; w < a.words().size(); ++w) {
        differing += static_cast<std::size_t>(std::popcount(a.words()[w] ^ b.words()[w]));
    }
    return a.size() == 0 ? 0.0 : static_cast<double>(differing) / static_cast<double>(a.size());
}

double jaccard_distance(const mask& a, const mask& b) {
    std::size_t both = 0;
    std::size_t either = 0;
    for (std::size_t w = 0; w < a.words().size(); ++w) {
        both += static_cast<std::size_t>(std::popcount(a.words()[w] & b.words()[w]));
        either += static_cast<std::size_t>(std::popcount(a.words()[w] | b.words()[w]));
    }
    return either == 0 ? 0 : 1 - static_cast<double>(both) / static_cast<double>(either);
}

void unite(const mask& m, mask& into) {
    std::ranges::transform(m.words(), into.words(), into.words().begin(), std::bit_or{});
}

std::vector<double> layer_densities(const mask& m, const parameter_layout& layout) {
    std::vector<double> densities;
    for (const auto& p : layout.weights()) {
        densities.push_back(static_cast<double>(m.count(p.offset, p.size)) / static_cast<double>(p.size));
    }
    return densities;
}

} // namespace feddip::sparse
