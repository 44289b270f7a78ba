// A vector most of whose entries are zero, held as what it has.
#pragma once

#include "sparse/mask.hpp"

#include <vector>

namespace feddip::sparse {

struct sparse_vector {
    mask support;
    std::vector<float> values; // [support.count()] in the order of the support

    bool operator==(const sparse_vector&) const = default;
};

// a + b, alive where a or b is. An entry that only one of them has keeps its bits, unless it is a signalling
// NaN. Supports are of equal size.
sparse_vector sum(const sparse_vector& a, const sparse_vector& b);
// The same, entry by entry: what `sum` is tested against.
sparse_vector sum_plain(const sparse_vector& a, const sparse_vector& b);

} // namespace feddip::sparse
