// What the layers share.
#pragma once

#include "sparse/kernels/table.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace feddip::sparse::kernels {

// sums[c] = sum of tensor[blocks][channels][pixels][16] over all but the channels.
void sum_channels(const kernel_table& kernels, const float* tensor, int blocks, int channels, int pixels,
                  float* sums);

// Room for the alive values of a tensor, in mask order, and where they belong.
class packed_weights {
public:
    void add(std::uint32_t position) {
        positions_.push_back(position);
        values_.push_back(0.0F);
    }
    float* values() { return values_.data(); }
    void gather(const float* tensor) {
        for (std::size_t i = 0; i < positions_.size(); ++i) {
            values_[i] = tensor[positions_[i]];
        }
    }
    void scatter(float* tensor) const {
        for (std::size_t i = 0; i < positions_.size(); ++i) {
            tensor[positions_[i]] = values_[i];
        }
    }

private:
    std::vector<std::uint32_t> positions_; // ascending
    std::vector<float> values_;
};

int this_thread(); // of the innermost OpenMP team

} // namespace feddip::sparse::kernels
