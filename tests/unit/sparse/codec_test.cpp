#include "base/error.hpp"
#include "base/random.hpp"
#include "sparse/codec.hpp"
#include "sparse/start.hpp"
#include "unit/sparse/layouts.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace {

using feddip::parameter_layout;
using feddip::purpose;
using feddip::random_stream;
using feddip::role;
using feddip::sparse::decode;
using feddip::sparse::encode;
using feddip::sparse::information_bound;
using feddip::sparse::mask;
using feddip::sparse::random_mask;

random_stream test_stream(std::uint32_t number = 0) {
    return random_stream(5, number, 0, purpose::test);
}

parameter_layout layout_of(const std::vector<std::int64_t>& sizes) {
    std::vector<feddip::parameter> tensors;
    for (const std::int64_t size : sizes) {
        tensors.push_back({"weight" + std::to_string(tensors.size()), role::weight, {size}, 0, 0, size});
    }
    return parameter_layout(tensors);
}

mask uniform_mask(const parameter_layout& layout, double density, random_stream& random) {
    return random_mask(layout, std::vector<double>(layout.weights().size(), density), random);
}

// Of the alive weights of each layer, the share that dies; as many others come alive.
mask changed(const mask& m, const parameter_layout& layout, double share, random_stream& random) {
    mask result = m;
    for (const auto& tensor : layout.weights()) {
        for (std::size_t i = tensor.offset; i < tensor.offset + tensor.size; ++i) {
            if (m[i] && random.uniform() < share) {
                const std::size_t other =
                    tensor.offset + random.below(static_cast<std::uint32_t>(tensor.size));
                if (!m[other]) {
                    result.set(i, false);
                    result.set(other, true);
                }
            }
        }
    }
    return result;
}

double bits(const std::vector<std::byte>& code) {
    return 8.0 * static_cast<double>(code.size());
}

// The prunable tensors by size, biggest models of the project.
const std::vector<std::int64_t> alexnet_sizes{1728, 110592, 663552, 884736, 589824, 4194304, 16777216, 40960};
const std::vector<std::int64_t> resnet18_sizes{1728,   36864,   36864,   36864,  36864,   73728,   147456,
                                               8192,   147456,  147456,  294912, 589824,  32768,   589824,
                                               589824, 1179648, 2359296, 131072, 2359296, 2359296, 51200};

// C(8, 1) = 8 is 3 bits; C(4, 2) = 6 is log2 6 = 2.58496; a layer that is whole needs none.
TEST(information_bound, is_the_logarithm_of_the_number_of_masks_of_these_counts) {
    mask one(8, false);
    one.set(5, true);
    EXPECT_NEAR(information_bound(one, layout_of({8})), 3.0, 1e-12);
    mask three_layers(8 + 4 + 3, true);
    for (const std::size_t dead : {0, 1, 2, 3, 4, 6, 7, 9, 10}) {
        three_layers.set(dead, false);
    }
    EXPECT_NEAR(information_bound(three_layers, layout_of({8, 4, 3})), 5.584962500721156, 1e-12);
}

TEST(codec, gives_back_masks_of_any_size_and_density) {
    random_stream random = test_stream();
    for (const std::int64_t size : {0, 1, 2, 3, 63, 64, 65, 127, 128, 129, 1000, 100'000}) {
        // The second layer starts in the middle of a word.
        const parameter_layout layout = layout_of({size, 77, size});
        for (const double density : {0.0, 1e-4, 0.01, 0.05, 0.2, 0.38, 0.5, 0.7, 0.99, 1.0}) {
            const mask m = uniform_mask(layout, density, random);
            EXPECT_EQ(decode(encode(m, layout), layout), m) << size << " " << density;
        }
    }
}

TEST(codec, gives_back_masks_coded_as_a_difference) {
    random_stream random = test_stream();
    for (const std::int64_t size : {0, 1, 63, 64, 65, 1000, 100'000}) {
        const parameter_layout layout = layout_of({size, 77, 2 * size});
        for (const double density : {0.0, 0.01, 0.3, 0.8, 1.0}) {
            for (const double share : {0.0, 0.02, 0.5}) {
                const mask base = uniform_mask(layout, density, random);
                const mask m = changed(base, layout, share, random);
                EXPECT_EQ(decode(encode(m, layout, &base), layout, &base), m) << size << " " << density;
            }
        }
    }
}

// Many gaps: in blocks, those of the second layer in the stream behind them.
TEST(codec, gives_back_large_masks) {
    const parameter_layout layout = layout_of({600'001, 77, 300'130});
    random_stream random = test_stream(1);
    for (const double density : {0.02, 0.15, 0.5, 0.7, 1.0}) {
        const mask base = uniform_mask(layout, density, random);
        const auto fresh = encode(base, layout);
        const bool many = density > 0.1 && density < 1;
        EXPECT_EQ(fresh.front(), std::byte{many ? std::uint8_t{2} : std::uint8_t{1}}) << density;
        EXPECT_EQ(decode(fresh, layout), base) << density;
        for (const double share : {0.01, 0.3}) {
            const mask m = changed(base, layout, share, random);
            const auto code = encode(m, layout, &base);
            EXPECT_EQ(decode(code, layout, &base), m) << density << " " << share;
            EXPECT_LE(code.size(), fresh.size() + 8) << density << " " << share;
        }
    }
}

TEST(codec, a_large_mask_needs_its_own_base) {
    const parameter_layout layout = layout_of({1'000'000});
    random_stream random = test_stream(2);
    const mask base = uniform_mask(layout, 0.4, random);
    const mask m = changed(base, layout, 0.3, random);
    const auto code = encode(m, layout, &base);
    ASSERT_EQ(code.front(), std::byte{2});
    ASSERT_EQ(code[1], std::byte{1});
    mask other = base;
    other.set(999'999, !other[999'999]);

    EXPECT_THROW(decode(code, layout, &other), feddip::error);
    EXPECT_THROW(decode(code, layout, nullptr), feddip::error);
}

// Checkpoints hold such codes: every seventh of 100 weights, and every third of 64, coded afresh.
TEST(codec, reads_what_it_has_always_written) {
    const parameter_layout layout = layout_of({100, 64});
    mask m(164, false);
    for (std::size_t i = 0; i < 100; i += 7) {
        m.set(i, true);
    }
    for (std::size_t i = 100; i < 164; i += 3) {
        m.set(i, true);
    }
    std::vector<std::byte> code;
    for (const unsigned byte :
         {0x01U, 0x00U, 0x1EU, 0x2CU, 0x2CU, 0x3AU, 0x45U, 0x01U, 0x1DU, 0x43U, 0x47U, 0x8CU,
          0x5EU, 0xA8U, 0xFFU, 0xD4U, 0x10U, 0xEBU, 0xD1U, 0xB1U, 0x89U, 0xE5U, 0xAAU, 0x8FU}) {
        code.push_back(static_cast<std::byte>(byte));
    }

    EXPECT_EQ(decode(code, layout), m);
    EXPECT_EQ(encode(m, layout), code);
}

TEST(codec, gives_back_clustered_masks) {
    const parameter_layout layout = layout_of({10'000, 5'000});
    mask m(15'000, false);
    for (std::size_t i = 9'990; i < 10'020; ++i) {
        m.set(i, true);
    }
    m.set(14'999, true);

    EXPECT_EQ(decode(encode(m, layout), layout), m);
}

TEST(codec, an_empty_or_full_layer_costs_its_count_alone) {
    const parameter_layout layout = layout_of({1'000'000, 1'000'000});
    mask m(2'000'000, false);
    for (std::size_t i = 0; i < 1'000'000; ++i) {
        m.set(i, true);
    }

    EXPECT_LE(encode(m, layout).size(), 8U);
}

TEST(codec, the_code_is_a_function_of_the_masks) {
    const parameter_layout layout = layout_of({1000, 2000});
    random_stream random = test_stream();
    const mask base = uniform_mask(layout, 0.2, random);
    const mask m = changed(base, layout, 0.1, random);

    EXPECT_EQ(encode(m, layout, &base), encode(m, layout, &base));
}

class codec_bound : public testing::TestWithParam<std::vector<std::int64_t>> {};

TEST_P(codec_bound, a_fresh_mask_costs_at_most_5_percent_more_than_the_information_bound) {
    const parameter_layout layout = layout_of(GetParam());
    random_stream random = test_stream();
    for (const double sparsity : {0.5, 0.62, 0.8, 0.9, 0.95, 0.99}) {
        const mask m = random_mask(layout, feddip::sparse::erk_densities(layout, sparsity), random);
        EXPECT_LE(bits(encode(m, layout)), 1.05 * information_bound(m, layout)) << sparsity;
    }
    const mask uniform = uniform_mask(layout, 0.05, random);
    EXPECT_LE(bits(encode(uniform, layout)), 1.05 * information_bound(uniform, layout));
}

INSTANTIATE_TEST_SUITE_P(models, codec_bound,
                         testing::Values(std::vector<std::int64_t>{150, 2400, 48000, 10080, 840},
                                         resnet18_sizes, alexnet_sizes));

TEST(codec, a_similar_mask_costs_less_than_a_fresh_one_and_less_than_the_bound) {
    const parameter_layout layout = feddip::test::lenet5_weights();
    random_stream random = test_stream();
    const mask base = uniform_mask(layout, 0.1, random);
    const mask m = changed(base, layout, 0.1, random);

    const auto difference = encode(m, layout, &base);

    EXPECT_LT(difference.size(), encode(m, layout).size());
    EXPECT_LT(bits(difference), information_bound(m, layout));
}

TEST(codec, an_unrelated_base_costs_nothing) {
    const parameter_layout layout = feddip::test::lenet5_weights();
    random_stream random = test_stream();
    const mask base = uniform_mask(layout, 0.1, random);
    const mask m = uniform_mask(layout, 0.1, random);

    EXPECT_LE(encode(m, layout, &base).size(), encode(m, layout).size());
}

TEST(codec, layers_choose_for_themselves) {
    const parameter_layout layout = layout_of({50'000, 50'000});
    random_stream random = test_stream();
    const mask base = uniform_mask(layout, 0.1, random);
    mask m = uniform_mask(layout, 0.1, random);
    for (std::size_t i = 0; i < 50'000; ++i) {
        m.set(i, base[i]);
    }

    const auto code = encode(m, layout, &base);

    const parameter_layout half = layout_of({50'000});
    EXPECT_LT(bits(code), 1.05 * information_bound(m, layout) / 2);
    EXPECT_EQ(decode(code, layout, &base), m);
}

TEST(codec, a_wrong_or_missing_base_is_an_error) {
    const parameter_layout layout = feddip::test::lenet5_weights();
    random_stream random = test_stream();
    const mask base = uniform_mask(layout, 0.1, random);
    const mask m = changed(base, layout, 0.1, random);
    const auto code = encode(m, layout, &base);
    mask other = base;
    other.set(17, !other[17]);
    const mask smaller(10, true);

    EXPECT_THROW(decode(code, layout, &other), feddip::error);
    EXPECT_THROW(decode(code, layout, nullptr), feddip::error);
    EXPECT_THROW(decode(code, layout, &smaller), feddip::error);
    EXPECT_THROW(encode(smaller, layout), feddip::error);
    EXPECT_THROW(encode(m, layout, &smaller), feddip::error);
}

TEST(codec, every_truncation_and_every_extra_byte_is_an_error) {
    const parameter_layout layout = layout_of({300, 40});
    random_stream random = test_stream();
    const mask base = uniform_mask(layout, 0.3, random);
    const mask m = changed(base, layout, 0.1, random);
    auto code = encode(m, layout, &base);

    for (std::size_t length = 0; length < code.size(); ++length) {
        EXPECT_THROW(decode(std::span(code).first(length), layout, &base), feddip::error) << length;
    }
    code.push_back(std::byte{0});
    EXPECT_THROW(decode(code, layout, &base), feddip::error);
}

// So many marks go into blocks, which have a coding of their own.
TEST(codec, damage_and_truncation_of_blocks_do_no_harm) {
    const parameter_layout layout = layout_of({300'000, 40'000});
    random_stream random = test_stream();
    const mask base = uniform_mask(layout, 0.3, random);
    const mask m = changed(base, layout, 0.3, random);
    for (const mask* held : {static_cast<const mask*>(nullptr), &base}) {
        const auto code = encode(m, layout, held);
        ASSERT_EQ(code.front(), std::byte{2}); // the version with blocks
        ASSERT_EQ(decode(code, layout, held), m);
        for (std::size_t length = 0; length < code.size(); length += 1 + length / 50) {
            EXPECT_THROW(decode(std::span(code).first(length), layout, held), feddip::error) << length;
        }
        for (int trial = 0; trial < 500; ++trial) {
            auto damaged = code;
            for (std::uint32_t changes = 1 + random.below(4); changes > 0; --changes) {
                damaged[random.below(static_cast<std::uint32_t>(code.size()))] =
                    static_cast<std::byte>(random());
            }
            try {
                const mask result = decode(damaged, layout, held);
                ASSERT_EQ(result.size(), layout.prunable_size());
                ASSERT_EQ(result.words().back() >> (result.size() % 64), 0U);
            } catch (const feddip::error&) { // refused
            }
        }
    }
}

// Whatever comes: an error, or a mask of the right size. (Run it with sanitizers to see more.)
TEST(codec, damaged_bytes_never_do_harm) {
    const parameter_layout layout = layout_of({130, 63, 1, 500});
    random_stream random = test_stream();
    const mask base = uniform_mask(layout, 0.2, random);
    const mask m = changed(base, layout, 0.1, random);
    const std::vector<std::vector<std::byte>> codes{encode(m, layout), encode(m, layout, &base),
                                                    encode(mask(694, true), layout)};
    int refused = 0;
    const int trials = 100'000;
    for (int trial = 0; trial < trials; ++trial) {
        std::vector<std::byte> code = codes[random.below(3)];
        for (std::uint32_t changes = 1 + random.below(4); changes > 0; --changes) {
            const std::size_t at = random.below(static_cast<std::uint32_t>(code.size()));
            code[at] = static_cast<std::byte>(random());
        }
        if (random.below(4) == 0) {
            code.resize(random.below(static_cast<std::uint32_t>(2 * code.size())));
        }
        try {
            const mask result = decode(code, layout, random.below(2) == 0 ? &base : nullptr);
            ASSERT_EQ(result.size(), layout.prunable_size());
            ASSERT_EQ(result.words().back() >> (694 % 64), 0U);
        } catch (const feddip::error&) {
            ++refused;
        }
    }
    // Nearly all damage is found; what is not changes one mask into another.
    EXPECT_GT(refused, trials * 9 / 10);
}

TEST(codec, a_count_beyond_the_layer_is_refused_before_memory_is_taken) {
    const parameter_layout layout = layout_of({100});
    const std::vector<std::byte> huge{std::byte{1},    std::byte{0},    std::byte{0xFE}, std::byte{0xFF},
                                      std::byte{0xFF}, std::byte{0xFF}, std::byte{0xFF}, std::byte{0x7F}};

    EXPECT_THROW(decode(huge, layout), feddip::error);
}

TEST(codec, a_version_or_a_flag_that_encode_would_not_have_chosen_is_refused) {
    const parameter_layout layout = layout_of({1000});
    mask m(1000, false);
    for (std::size_t i = 0; i < 1000; i += 7) {
        m.set(i, true);
    }
    const auto fresh = encode(m, layout);
    EXPECT_EQ(decode(fresh, layout), m);

    auto other_version = fresh;
    other_version[0] = std::byte{2};
    EXPECT_THROW(decode(other_version, layout), feddip::error);

    const auto difference = encode(m, layout, &m);
    ASSERT_EQ(difference[1], std::byte{1});
    std::vector<std::byte> idle_base(difference.begin(), difference.begin() + 6);
    idle_base.insert(idle_base.end(), fresh.begin() + 2, fresh.end());
    EXPECT_THROW(decode(idle_base, layout, &m), feddip::error);
}

} // namespace
