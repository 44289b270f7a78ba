// The text that config::to_toml writes, without a TOML parser: [section], key = value, # comment.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace feddip::io {

// "federation.rounds" -> "1000", values as they are written.
std::map<std::string, std::string> config_keys(const std::string& toml);

// The keys in which two configs differ so that the results would, each as
// "federation.seed is 1 in the checkpoint and 2 now".
std::vector<std::string> config_differences(const std::string& of_checkpoint, const std::string& now);

} // namespace feddip::io
