#include "sparse/kernels/aligned.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace feddip::sparse::kernels {

namespace {

constexpr std::size_t huge_page = std::size_t{1} << 21;

}

aligned_floats::aligned_floats(std::size_t size) : size_(size) {
    const std::size_t bytes = size * sizeof(float);
    const std::size_t boundary = bytes >= huge_page ? huge_page : alignment;
    const std::size_t rounded = std::max(boundary, (bytes + boundary - 1) / boundary * boundary);
    data_.reset(static_cast<float*>(std::aligned_alloc(boundary, rounded)));
    if (data_ == nullptr) {
        throw std::bad_alloc();
    }
    if (boundary == huge_page) {
        (void)madvise(data_.get(), rounded,
                      MADV_HUGEPAGE); // a hint: without it the array is as good, only slower
    }
    std::fill_n(data_.get(), size, 0.0F);
}

} // namespace feddip::sparse::kernels
