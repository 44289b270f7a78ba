#include "data/partition.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace feddip::data {

namespace {

using counts = std::vector<std::size_t>; // [class]

counts count_classes(std::span<const std::uint32_t> images, const image_set& set, int classes) {
    counts found(static_cast<std::size_t>(classes));
    for (const std::uint32_t image : images) {
        ++found[set.labels[image]];
    }
    return found;
}

// One bar per class; '.' for none.
std::string bars(const counts& c) {
    static constexpr std::array<const char*, 8> bar = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    const std::size_t most = std::max<std::size_t>(1, std::ranges::max(c));
    std::string line;
    for (const std::size_t n : c) {
        line += n == 0 ? "." : bar[(n * bar.size() - 1) / most];
    }
    return line;
}

std::string range(const std::vector<std::vector<std::uint32_t>>& shares) {
    const auto [least, most] = std::ranges::minmax(shares, {}, &std::vector<std::uint32_t>::size);
    return least.size() == most.size() ? fmt::format("{}", least.size())
                                       : fmt::format("{} to {}", least.size(), most.size());
}

} // namespace

std::string describe(const partition& p, const dataset& data, std::size_t most_lines) {
    std::string table;
    auto out = std::back_inserter(table);
    fmt::format_to(out, "{} clients, each with {} training and {} test images\n", p.clients(), range(p.train),
                   range(p.test));
    fmt::format_to(out, "{:>6} {:>8} {:>7} {:>8}  training images by class\n", "client", "training", "test",
                   "classes");
    const std::size_t lines = std::min(most_lines, p.clients());
    for (std::size_t i = 0; i < lines; ++i) {
        const counts c = count_classes(p.train[i], data.train, data.facts.classes);
        const auto present = std::ranges::count_if(c, [](std::size_t n) { return n > 0; });
        fmt::format_to(out, "{:>6} {:>8} {:>7} {:>8}  {}\n", i, p.train[i].size(), p.test[i].size(), present,
                       bars(c));
    }
    if (lines < p.clients()) {
        fmt::format_to(out, "... and {} clients more\n", p.clients() - lines);
    }
    return table;
}

} // namespace feddip::data
