#include "config/nearest.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace feddip::config {

std::size_t edit_distance(std::string_view left, std::string_view right) {
    // distance[i][j]: of the first i letters of left and the first j of right.
    std::vector<std::vector<std::size_t>> distance(left.size() + 1,
                                                   std::vector<std::size_t>(right.size() + 1));
    for (std::size_t i = 0; i <= left.size(); ++i) {
        for (std::size_t j = 0; j <= right.size(); ++j) {
            if (i == 0 || j == 0) {
                distance[i][j] = i + j;
                continue;
            }
            const std::size_t change = left[i - 1] == right[j - 1] ? 0 : 1;
            distance[i][j] =
                std::min({distance[i - 1][j] + 1, distance[i][j - 1] + 1, distance[i - 1][j - 1] + change});
            if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1]) {
                distance[i][j] = std::min(distance[i][j], distance[i - 2][j - 2] + 1);
            }
        }
    }
    return distance[left.size()][right.size()];
}

std::string_view nearest(std::string_view typed, std::span<const std::string_view> words) {
    // A whole page typed as a key is no nearer to one word than to another.
    constexpr std::size_t most = 64;
    constexpr std::size_t telling = 4; // letters
    typed = typed.substr(0, most);
    const auto lacks = [&](std::string_view word) {
        return typed.size() < telling || word.find(typed) == std::string_view::npos;
    };
    return *std::ranges::min_element(
        words, {}, [&](std::string_view word) { return std::pair(lacks(word), edit_distance(typed, word)); });
}

} // namespace feddip::config
