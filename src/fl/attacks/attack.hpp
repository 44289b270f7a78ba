// Hostile clients, simulated. A new attack: a file here, a line in kinds.hpp, registry.cpp, CMakeLists.txt.
//
// Where an attack needs the statistics of honest updates, the hostile clients of a round take those of what
// they have trained honestly themselves, as Baruch et al. 2019 and Shejwalkar and Houmansadr 2021 do for an
// adversary that sees nobody else's updates; a single one then has nothing to hide among. With attack.sees =
// "all" they take those of all honest clients of the round.
#pragma once

#include "base/layout.hpp"
#include "base/random.hpp"
#include "config/config.hpp"
#include "data/dataset.hpp"
#include "fl/state.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace feddip::fl {

// What hostile clients know when they forge what they send.
struct attack_setting {
    const parameter_layout& layout;
    const global_model& model; // what all clients were sent
    std::size_t clients = 0;   // that answer in this round
    std::size_t hostile = 0;   // of them
    // Of an attack that pools: what those that hostile clients see have trained honestly, by slot.
    std::span<const std::vector<float>> pool = {};
};

// `strength` is attack.strength, 1 by default.
class attack {
public:
    virtual ~attack() = default;

    // Whether hostile clients look at what has been trained honestly before they forge.
    virtual bool pools() const { return false; }

    // Whether they train on other images or labels than they were given; then what becomes of the number-th
    // image of a client's share, of facts.image_bytes() bytes.
    virtual bool poisons() const { return false; }
    virtual void poison(const data::dataset_facts& facts, std::size_t number, std::span<std::uint8_t> pixels,
                        std::uint8_t& label) const {
        (void)facts, (void)number, (void)pixels, (void)label;
    }

    // Whether they put a mark on images, and for which class these are then to be taken; the mark itself.
    virtual std::optional<std::uint8_t> wanted_class() const { return std::nullopt; }
    virtual void mark(const data::dataset_facts& facts, std::span<std::uint8_t> pixels) const {
        (void)facts, (void)pixels;
    }

    // What a client has trained becomes what it sends: layout.size() floats, of which the upload takes what
    // the plan says.
    virtual void forge(const attack_setting& setting, random_stream& random,
                       std::span<float> weights) const = 0;
};

// Null for "none". Throws input_error for an unknown kind, and where there is no server to attack.
std::unique_ptr<attack> make_attack(const config::run_config& config);
std::vector<std::string> attack_names();

// attack.clients of all, drawn by the seed, ascending; none with kind "none".
std::vector<int> hostile_clients(const config::run_config& config);

} // namespace feddip::fl
