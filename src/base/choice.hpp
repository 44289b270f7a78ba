// Drawing without replacement.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace feddip {

// Leaves `count` <= size of the values, each choice of them equally likely, ascending. `below` draws
// uniformly from 0 .. its argument - 1.
template <typename T, typename Below>
void choose(std::vector<T>& values, std::size_t count, Below below) {
    for (std::size_t i = 0; i < count; ++i) {
        std::swap(values[i], values[i + below(values.size() - i)]);
    }
    values.resize(count);
    std::ranges::sort(values);
}

} // namespace feddip
