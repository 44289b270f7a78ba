// Guesses what somebody meant to type.
#pragma once

#include <span>
#include <string_view>

namespace feddip::config {

// The fewest insertions, deletions, substitutions and swaps of neighbours that turn one word into the other.
std::size_t edit_distance(std::string_view left, std::string_view right);

// The first of `words` (at least one) that is nearest to `typed`, if it can be one that has it in it.
std::string_view nearest(std::string_view typed, std::span<const std::string_view> words);

} // namespace feddip::config
