#include "base/random.hpp"
#include "nn/pooling_kernels.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace feddip::nn {
namespace {

struct pooled {
    std::vector<float> out;
    std::vector<std::uint8_t> position;
};

std::size_t outputs(const pooling_shape& s) {
    return s.images * s.out_height() * s.out_width() * s.channels;
}

pooled pool(const pooling_shape& s, bool relu, const std::vector<float>& in) {
    pooled p{std::vector<float>(outputs(s)), std::vector<std::uint8_t>(outputs(s) + position_slack)};
    max_pool_forward(s, relu, in.data(), p.out.data(), p.position.data());
    p.position.resize(outputs(s));
    return p;
}

// Written after the definition, pixel by pixel.
pooled pool_reference(const pooling_shape& s, bool relu, const std::vector<float>& in) {
    pooled p;
    for (std::size_t i = 0; i < s.images; ++i) {
        for (std::size_t y = 0; y < s.out_height(); ++y) {
            for (std::size_t x = 0; x < s.out_width(); ++x) {
                for (std::size_t c = 0; c < s.channels; ++c) {
                    std::vector<float> window;
                    for (std::size_t k = 0; k < s.window * s.window; ++k) {
                        const std::size_t row = y * s.window + k / s.window;
                        const std::size_t column = x * s.window + k % s.window;
                        window.push_back(in[((i * s.height + row) * s.width + column) * s.channels + c]);
                    }
                    const auto largest = std::ranges::max_element(window);
                    p.out.push_back(*largest);
                    p.position.push_back(relu && *largest <= 0
                                             ? no_position
                                             : static_cast<std::uint8_t>(largest - window.begin()));
                }
            }
        }
    }
    return p;
}

// Few different values, so that there are ties; negative ones and zeros among them.
std::vector<float> draw(std::size_t size) {
    random_stream random(1, 0, 0, purpose::test);
    std::vector<float> values(size);
    std::ranges::generate(values, [&] { return static_cast<float>(random.below(7)) - 4.0F; });
    return values;
}

class pooling_of : public testing::TestWithParam<pooling_shape> {};

TEST_P(pooling_of, windows_takes_the_first_of_the_largest) {
    const pooling_shape s = GetParam();
    const std::vector<float> in = draw(s.images * s.height * s.width * s.channels);
    for (const bool relu : {false, true}) {
        const pooled ours = pool(s, relu, in);
        const pooled expected = pool_reference(s, relu, in);
        EXPECT_EQ(ours.out, expected.out);
        EXPECT_EQ(ours.position, expected.position);
    }
}

TEST_P(pooling_of, windows_sends_each_gradient_back_to_its_position) {
    const pooling_shape s = GetParam();
    const std::size_t in_size = s.images * s.height * s.width * s.channels;
    pooled p = pool(s, true, draw(in_size));
    const std::vector<float> diff_out = draw(outputs(s));
    std::vector<float> expected(in_size, 0.0F);
    for (std::size_t o = 0; o < outputs(s); ++o) {
        const std::size_t c = o % s.channels;
        const std::size_t x = o / s.channels % s.out_width();
        const std::size_t y = o / s.channels / s.out_width() % s.out_height();
        const std::size_t i = o / s.channels / s.out_width() / s.out_height();
        if (p.position[o] != no_position) {
            const std::size_t row = y * s.window + p.position[o] / s.window;
            const std::size_t column = x * s.window + p.position[o] % s.window;
            expected[((i * s.height + row) * s.width + column) * s.channels + c] = diff_out[o];
        }
    }
    p.position.resize(outputs(s) + position_slack);
    std::vector<float> diff_in(in_size, 99.0F);
    max_pool_backward(s, diff_out.data(), p.position.data(), diff_in.data());
    EXPECT_EQ(diff_in, expected);
}

INSTANTIATE_TEST_SUITE_P(pooling, pooling_of,
                         testing::Values(pooling_shape{2, 4, 4, 6, 2}, pooling_shape{3, 5, 7, 1, 2},
                                         pooling_shape{2, 9, 6, 16, 3}, pooling_shape{1, 4, 4, 40, 2},
                                         pooling_shape{3, 6, 5, 15, 2}, pooling_shape{2, 2, 2, 17, 2},
                                         pooling_shape{1, 3, 3, 5, 1}));

TEST(pooling, a_nan_is_larger_than_anything_as_in_pytorch) {
    const pooling_shape s{1, 2, 2, 1, 2};
    const pooled p = pool(s, false, {3.0F, std::numeric_limits<float>::quiet_NaN(), 5.0F, 1.0F});
    EXPECT_TRUE(std::isnan(p.out[0]));
    EXPECT_EQ(p.position[0], 1);
}

} // namespace
} // namespace feddip::nn
