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

// `text` with its control characters as escapes, fit for a message.
std::string one_line(std::string_view text);
// A TOML string that stands for `text`.
std::string toml_string(std::string_view text);

} // namespace feddip::config
