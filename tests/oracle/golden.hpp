// Reads goldens and draws the inputs that they were computed from (make_goldens.py has the same functions).
#pragma once

#include "base/layout.hpp"
#include "data/batches.hpp"

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace feddip::oracle {

// `size` multiples of 2^-24 in [0, 1), a function of the name.
std::vector<double> uniform(const std::string& name, std::size_t size);

void draw_state(const parameter_layout& layout, std::span<float> state);

struct drawn_batch {
    std::vector<float> images;
    std::vector<std::int32_t> labels;

    drawn_batch(const std::string& name, int size, data::image_shape shape, int classes);
    data::batch view() const { return {images, labels}; }
};

// What a golden keeps of a tensor: its norm, its projection on random signs, some of its values.
struct digest {
    double norm = 0, projection = 0;
    std::vector<double> values;
};
digest digest_of(const std::string& name, std::span<const float> tensor, std::size_t samples);

// goldens/`label`.txt, by tensor. Throws std::runtime_error when it can't be read.
std::map<std::string, digest> read_golden(const std::string& label);

// Fails the running test where norm, projection or a value are further apart than `tolerance` times the norm
// (for values: times the root mean square plus the value).
void expect_close(const std::string& name, std::span<const float> tensor, const digest& expected,
                  double tolerance);

} // namespace feddip::oracle
