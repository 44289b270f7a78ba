// What `train` and `check` derive from a configuration.
#pragma once

#include "base/layout.hpp"
#include "config/config.hpp"
#include "data/partition.hpp"
#include "fl/state.hpp"
#include "io/results.hpp"

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace feddip::app {

// Reads the configuration; throws input_error for one that no method can run.
config::run_config load_config(const std::filesystem::path& file, const std::vector<std::string>& overrides);

// Of so many training images of a client, those that it sees in a round; label shift is not foreseen.
double seen_of(double images, const config::run_config& config);

// The mean of those.
double images_per_client(const config::run_config& config);
// [clients] Those of each.
std::vector<double> images_of(const data::partition& shares, const config::run_config& config);

// What is to be known of budgets before a run, by clients with so many images each; nothing where all is
// well.
std::vector<std::string> warnings_of_budgets(const config::run_config& config, const parameter_layout& layout,
                                             std::span<const double> images);

parameter_layout layout_for(const config::run_config& config);

// Where results go: `out` if given, else [output] path, else a name that tells the run apart from others,
// "feddip-fashion-mnist-lenet5-s0.9-seed1.h5".
std::filesystem::path results_path(const config::run_config& config, const std::filesystem::path& out);

// For one rank on an unnamed machine; the caller knows better.
fl::run_info describe_run(const config::run_config& config, const parameter_layout& layout, int classes);

io::provenance provenance_of(const parameter_layout& layout);

} // namespace feddip::app
