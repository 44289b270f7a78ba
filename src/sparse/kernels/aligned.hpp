#pragma once

#include "sparse/kernels/kernels.hpp"

#include <cstddef>
#include <cstdlib>
#include <memory>

namespace feddip::sparse::kernels {

// Floats at an address that vectors may be loaded from, 0 at first. Large arrays ask for huge pages: tiles
// touch many pages at once, and looking these up can cost as much as the arithmetic.
class aligned_floats {
public:
    aligned_floats() = default;
    explicit aligned_floats(std::size_t size);

    float* data() { return data_.get(); }
    const float* data() const { return data_.get(); }
    std::size_t size() const { return size_; }

private:
    struct release {
        void operator()(float* p) const { std::free(p); }
    };
    std::unique_ptr<float[], release> data_;
    std::size_t size_ = 0;
};

} // namespace feddip::sparse::kernels
