// Every key of the config file, described once: for reading, checking, writing and guessing.
#pragma once

#include "config/config.hpp"

#include <toml++/toml.h>

#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace feddip::config {

struct key {
    std::string_view section, name;
    // Sets the value. Returns what is wrong with it, or nothing.
    std::function<std::string(run_config&, const toml::node&)> assign;
    // The value as TOML.
    std::function<std::string(const run_config&)> show;

    std::string full_name() const { return std::string(section) + "." + std::string(name); }
};

// In the order of run_config, sections together.
std::span<const key> keys();

// `text` on one line, as it would stand between the quotes of a TOML string; and with the quotes.
std::string escaped(std::string_view text);
std::string toml_string(std::string_view text);

} // namespace feddip::config
