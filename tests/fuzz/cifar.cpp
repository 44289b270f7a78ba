// The CIFAR reader. The first byte chooses CIFAR-100 (odd) or CIFAR-10 (even), the rest is the file.
#include "base/error.hpp"
#include "data/formats.hpp"
#include "require.hpp"

#include <array>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace feddip;
    if (size == 0) {
        return 0;
    }
    constexpr data::image_shape shape{3, 2, 2};
    const bool fine = data[0] % 2 == 1;
    const int classes = fine ? 100 : 10;
    std::array<std::uint8_t, 4> labels{};
    std::array<std::uint8_t, labels.size() * 12> pixels{};
    try {
        auto file = data::open_memory({data + 1, size - 1}, "input");
        data::read_cifar(file, fine ? data::cifar_labels::coarse_and_fine : data::cifar_labels::one, shape,
                         classes, pixels, labels);
        for (const std::uint8_t label : labels) {
            fuzz::require(label < classes, "a label out of range was accepted");
        }
    } catch (const input_error&) { // refused, as most inputs should be
    }
    return 0;
}
