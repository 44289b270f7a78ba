// The text that config::to_toml writes, without a TOML parser: [section], key = value, # comment.
#pragma once

#include <map>
#include <string>

namespace feddip::io {

// "federation.rounds" -> "1000", values as they are written.
std::map<std::string, std::string> config_keys(const std::string& toml);

} // namespace feddip::io
