// The IDX reader. The first byte chooses labels (odd) or images (even), the rest is the file, plain or gzip.
#include "base/error.hpp"
#include "data/formats.hpp"
#include "require.hpp"

#include <array>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace feddip;
    if (size == 0) {
        return 0;
    }
    constexpr data::image_shape shape{1, 3, 4};
    constexpr int classes = 10;
    try {
        auto file = data::open_memory({data + 1, size - 1}, "input");
        if (data[0] % 2 == 0) {
            std::array<std::uint8_t, 5 * 12> pixels{};
            data::read_idx_images(file, shape, pixels);
        } else {
            std::array<std::uint8_t, 7> labels{};
            data::read_idx_labels(file, classes, labels);
            for (const std::uint8_t label : labels) {
                fuzz::require(label < classes, "a label out of range was accepted");
            }
        }
    } catch (const input_error&) { // refused, as most inputs should be
    }
    return 0;
}
