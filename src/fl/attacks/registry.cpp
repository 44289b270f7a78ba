#include "base/error.hpp"
#include "fl/attacks/kinds.hpp"
#include "fl/method.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <numeric>

namespace feddip::fl {

namespace {

constexpr auto no_attack = "none";

struct entry {
    const char* name;
    std::unique_ptr<attack> (*make)(double strength);
};

constexpr std::array entries{
    entry{no_attack, [](double) { return std::unique_ptr<attack>(); }},
    entry{"sign_flip", make_sign_flip},
    entry{"gaussian", make_gaussian},
    entry{"label_flip", make_label_flip},
    entry{"alie", make_alie},
    entry{"ipm", make_ipm},
    entry{"min_max", make_min_max},
    entry{"backdoor", make_backdoor},
    entry{"mask_aware", make_mask_aware},
};

} // namespace

std::vector<std::string> attack_names() {
    std::vector<std::string> names;
    std::ranges::transform(entries, std::back_inserter(names), &entry::name);
    return names;
}

std::unique_ptr<attack> make_attack(const config::run_config& config) {
    const auto& [kind, clients, strength, sees] = config.attack;
    const auto found = std::ranges::find(entries, kind, &entry::name);
    if (found == entries.end()) {
        throw input_error(fmt::format("unknown attack \"{}\"", kind), "attack.kind",
                          fmt::format("choose one of {}", fmt::join(attack_names(), ", ")));
    }
    auto made = found->make(strength);
    if (made && make_method(config)->neighbours() > 0) {
        throw input_error(
            "impossible combination", "attack.kind",
            fmt::format("with method.name = \"{}\" there is no server to attack", config.method.name));
    }
    if (made && sees == config::attack_sight::all && !made->pools()) {
        throw input_error("impossible combination", "attack.sees",
                          fmt::format("attack.kind = \"{}\" looks at nobody's update", kind));
    }
    return made;
}

std::vector<int> hostile_clients(const config::run_config& config) {
    if (config.attack.kind == no_attack) {
        return {};
    }
    std::vector<int> all(static_cast<std::size_t>(config.federation.clients));
    std::iota(all.begin(), all.end(), 0);
    random_stream random(config.federation.seed, 0, 0, purpose::hostility);
    random.shuffle(std::span(all));
    all.resize(static_cast<std::size_t>(config.attack.clients));
    std::ranges::sort(all);
    return all;
}

} // namespace feddip::fl
