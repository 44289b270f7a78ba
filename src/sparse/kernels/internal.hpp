// What the layers share.
#pragma once

#include "sparse/kernels/table.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace feddip::sparse::kernels {

// Sums over tensor[blocks][channels][pixels][16], one per channel, of the channels [first, last): a block at
// a time, in order. Null sums are not wanted.
struct channel_sums {
    float* sums;
    int pixels;

    void clear(int first, int last) const;
    void add(const kernel_table& kernels, const float* block, int first, int last) const;
};

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
