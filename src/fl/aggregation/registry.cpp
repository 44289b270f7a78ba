#include "base/error.hpp"
#include "fl/aggregation/rules.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace feddip::fl {

namespace {

struct entry {
    const char* name;
    std::unique_ptr<aggregation_rule> (*make)(const config::run_config&);
};

constexpr std::array entries{entry{"mean", make_mean}, entry{"median", make_median}};

} // namespace

std::vector<std::string> aggregation_names() {
    std::vector<std::string> names;
    std::ranges::transform(entries, std::back_inserter(names), &entry::name);
    return names;
}

std::unique_ptr<aggregation_rule> make_aggregation_rule(const config::run_config& config) {
    const auto found = std::ranges::find(entries, config.aggregation.rule, &entry::name);
    if (found == entries.end()) {
        throw input_error(fmt::format("unknown rule \"{}\"", config.aggregation.rule), "aggregation.rule",
                          fmt::format("choose one of {}", fmt::join(aggregation_names(), ", ")));
    }
    return found->make(config);
}

} // namespace feddip::fl
