#pragma once

#include "sparse/kernels/kernels.hpp"

#include <cstddef>
#include <memory>
#include <new>

namespace feddip::sparse::kernels {

// Floats at an address that vectors may be loaded from, 0 at first.
class aligned_floats {
public:
    aligned_floats() = default;
    explicit aligned_floats(std::size_t size)
        : data_(new (std::align_val_t{alignment}) float[size]()), size_(size) {}

    float* data() { return data_.get(); }
    const float* data() const { return data_.get(); }
    std::size_t size() const { return size_; }

private:
    struct release {
        void operator()(float* p) const { ::operator delete[](p, std::align_val_t{alignment}); }
    };
    std::unique_ptr<float[], release> data_;
    std::size_t size_ = 0;
};

} // namespace feddip::sparse::kernels
