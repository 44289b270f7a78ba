// [[model.layers]]: a list of tables, where every other key has one value.
#pragma once

#include "config/config.hpp"

#include <toml++/toml.h>

#include <string>
#include <vector>

namespace feddip::config {

// Sets the layers, or returns what is wrong with which.
std::string convert(const toml::node& node, std::vector<layer_section>& layers);
// As TOML, with the keys that each kind has.
std::string show(const std::vector<layer_section>& layers);

} // namespace feddip::config
