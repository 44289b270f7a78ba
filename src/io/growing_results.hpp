// A results file in memory, to which a round adds its own rows alone.
#pragma once

#include "hdf5/file.hpp"
#include "io/results.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace feddip::io {

class growing_results {
public:
    explicit growing_results(const results_header& header);

    // `history` begins with the rounds that are in already.
    void grow_to(std::span<const fl::round_record> history);
    void complete();
    // The file's bytes, until it grows or the next call.
    std::span<const std::byte> image();

private:
    void begin(std::size_t slots);

    results_header header_;
    h5::file file_;
    std::vector<std::byte> image_;
    std::size_t rounds_ = 0, slots_ = 0;
};

} // namespace feddip::io
