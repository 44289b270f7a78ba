#include "oracle/golden.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace feddip::oracle {

std::vector<double> uniform(const std::string& name, std::size_t size) {
    std::uint64_t seed = 0xCBF29CE484222325; // FNV-1a
    for (const char c : name) {
        seed = (seed ^ static_cast<unsigned char>(c)) * 0x100000001B3;
    }
    std::vector<double> drawn(size);
    for (std::size_t i = 0; i < size; ++i) { // SplitMix64
        std::uint64_t z = seed + (i + 1) * 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        z = z ^ (z >> 31);
        drawn[i] = static_cast<double>(z >> 40) * 0x1p-24;
    }
    return drawn;
}

void draw_state(const parameter_layout& layout, std::span<float> state) {
    for (const parameter& p : layout.parameters()) {
        const std::vector<double> u = uniform(p.name, p.size);
        for (std::size_t i = 0; i < p.size; ++i) {
            double value = 0;
            switch (p.what) {
            case role::weight:
                value = (2 * u[i] - 1) * std::sqrt(6.0 / static_cast<double>(p.fan_in));
                break;
            case role::norm_scale:
                value = 0.5 * u[i] + 0.75;
                break;
            case role::norm_shift:
                value = u[i] < 0.5 ? -2 - u[i] : 1.5 + u[i];
                break;
            case role::bias:
                value = 0.2 * (u[i] - 0.5);
                break;
            case role::running_mean:
                value = u[i] - 0.5;
                break;
            case role::running_variance:
                value = u[i] + 0.5;
                break;
            }
            state[p.offset + i] = static_cast<float>(value);
        }
    }
}

drawn_batch::drawn_batch(const std::string& name, int size, data::image_shape shape, int classes) {
    const auto n = static_cast<std::size_t>(size);
    for (const double u : uniform(name + ".images", n * shape.size())) {
        images.push_back(static_cast<float>(2 * u - 1));
    }
    for (const double u : uniform(name + ".labels", n)) {
        labels.push_back(static_cast<std::int32_t>(u * classes));
    }
}

digest digest_of(const std::string& name, std::span<const float> tensor, std::size_t samples) {
    digest d;
    const std::vector<double> signs = uniform(name + ".signs", tensor.size());
    double squares = 0;
    for (std::size_t i = 0; i < tensor.size(); ++i) {
        const double x = tensor[i];
        squares += x * x;
        d.projection += signs[i] < 0.5 ? -x : x;
    }
    d.norm = std::sqrt(squares);
    for (const double u : uniform(name + ".positions", std::min(samples, tensor.size()))) {
        d.values.push_back(tensor[static_cast<std::size_t>(u * static_cast<double>(tensor.size()))]);
    }
    return d;
}

std::map<std::string, digest> read_golden(const std::string& label) {
    const std::string path = std::string(FEDDIP_GOLDENS) + "/" + label + ".txt";
    std::ifstream file(path);
    if (!file) {
        throw std::runtime_error("can't read " + path);
    }
    std::map<std::string, digest> golden;
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        std::string name;
        digest d;
        words >> name >> d.norm >> d.projection;
        if (!words) {
            throw std::runtime_error("can't read " + path + ": " + line);
        }
        for (double value = 0; words >> value;) {
            d.values.push_back(value);
        }
        golden.emplace(name, d);
    }
    return golden;
}

void expect_close(const std::string& name, std::span<const float> tensor, const digest& expected,
                  double tolerance) {
    const digest ours = digest_of(name, tensor, expected.values.size());
    ASSERT_FALSE(ours.values.empty()) << name;
    const double root_mean_square = expected.norm / std::sqrt(static_cast<double>(tensor.size()));
    EXPECT_NEAR(ours.norm, expected.norm, tolerance * expected.norm) << name << ": norm";
    EXPECT_NEAR(ours.projection, expected.projection, tolerance * expected.norm) << name << ": projection";
    ASSERT_EQ(ours.values.size(), expected.values.size()) << name;
    for (std::size_t i = 0; i < ours.values.size(); ++i) {
        EXPECT_NEAR(ours.values[i], expected.values[i],
                    tolerance * (root_mean_square + std::abs(expected.values[i])))
            << name << ": value " << i;
    }
}

} // namespace feddip::oracle
