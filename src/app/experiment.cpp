#include "app/experiment.hpp"

#include "app/build_info.hpp"
#include "app/commit.hpp"
#include "comm/version.hpp"
#include "data/dataset.hpp"
#include "fl/aggregation/aggregation.hpp"
#include "fl/aggregation/secure_words.hpp"
#include "fl/attacks/attack.hpp"
#include "fl/budget/feasible.hpp"
#include "fl/method.hpp"
#include "fl/privacy_guarantee.hpp"
#include "hdf5/version.hpp"
#include "nn/network.hpp"
#include "nn/version.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <span>

namespace feddip::app {

config::run_config load_config(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
    auto config = config::load(file, overrides);
    const auto method = fl::make_method(config);
    fl::make_aggregation_rule(config);
    fl::make_attack(config);
    if (config.budget.mode != config::budget_kind::none) { // which alone needs to know of the data already
        fl::budgets_by_class(config, *method, layout_for(config), images_per_client(config));
    }
    return config;
}

double seen_of(double images, const config::run_config& config) {
    const int samples = config.drift.samples_per_round;
    return samples > 0 ? std::min<double>(images, samples) : images;
}

double images_per_client(const config::run_config& config) {
    return seen_of(static_cast<double>(data::facts_of(config.data).train_size) / config.federation.clients,
                   config);
}

std::vector<double> images_of(const data::partition& shares, const config::run_config& config) {
    std::vector<double> images;
    std::ranges::transform(shares.train, std::back_inserter(images), [&](const auto& share) {
        return seen_of(static_cast<double>(share.size()), config);
    });
    return images;
}

std::vector<std::string> warnings_of_budgets(const config::run_config& config, const parameter_layout& layout,
                                             std::span<const double> images) {
    std::vector<std::string> warnings;
    const auto late = fl::never_in_time(config, *fl::make_method(config), layout, images);
    if (!late.empty()) {
        std::vector<int> ids;
        std::ranges::transform(late, std::back_inserter(ids), &fl::late_client::client);
        const auto& slowest = *std::ranges::max_element(late, {}, &fl::late_client::seconds);
        warnings.push_back(fmt::format("late in all their rounds, for even the smallest part of the model "
                                       "takes longer than the deadline of "
                                       "{} s: client {} (client {} with {:.0f} images {:.3g} s)",
                                       config.budget.deadline_s, fmt::join(ids, ", "), slowest.client,
                                       slowest.images, slowest.seconds));
    }
    if (config.budget.goes_by_the_clock()) {
        warnings.push_back(
            "budget.times is \"measured\": what clients hold follows the clock, so that no two "
            "runs are alike, nor one that was stopped and resumed and one that wasn't");
    }
    return warnings;
}

namespace {

// Everybody trains on what these make of the images, and the model is exported with them.
void ensure_normalization_is_public(const config::run_config& config, const data::dataset_facts& facts) {
    if (config.privacy.clip > 0 && facts.name == config::dataset_name::file && !facts.mean.empty()) {
        throw input_error(
            "impossible combination", "privacy.clip",
            "the data have /mean and /deviation, which data/import.py --normalize takes from all "
            "clients' images without noise; import them without it, or scale the images by what "
            "is public");
    }
}

} // namespace

parameter_layout layout_for(const config::run_config& config) {
    const auto facts = data::facts_of(config.data);
    ensure_normalization_is_public(config, facts);
    auto layout = nn::layout_of(config.model, facts.shape, facts.classes);
    fl::ensure_bears_noise(config, layout);
    fl::ensure_room_for_noise(config, layout);
    return layout;
}

std::filesystem::path results_path(const config::run_config& config, const std::filesystem::path& out) {
    if (!out.empty()) {
        return out;
    }
    if (!config.output.path.empty()) {
        return config.output.path;
    }
    return fmt::format("{}-{}-{}-s{}-seed{}.h5", config.method.name, to_string(config.data.dataset),
                       to_string(config.model.name), config.sparsity.target, config.federation.seed);
}

fl::run_info describe_run(const config::run_config& config, const parameter_layout& layout, int classes) {
    fl::run_info info;
    info.config_toml = config::to_toml(config);
    info.method = config.method.name;
    info.model = to_string(config.model.name);
    info.dataset = to_string(config.data.dataset);
    info.seed = config.federation.seed;
    info.rounds = config.federation.rounds;
    info.clients_per_round = config.federation.clients_per_round;
    info.threads_per_rank = config.compute.threads;
    info.measures_layer_norms = config.analysis.layer_norms_every > 0;
    info.measures_class_accuracy = config.analysis.class_accuracy;
    info.has_budgets = config.budget.mode != config::budget_kind::none;
    info.classes = classes;
    for (const auto& weight : layout.weights()) {
        info.layer_names.push_back(weight.name.substr(0, weight.name.rfind('.')));
    }
    return info;
}

io::provenance provenance_of(const parameter_layout& layout) {
    return {.feddip_version = program_version,
            .git_commit = git_commit,
            .library_versions = {comm::library_version(), nn::library_version(), h5::library_version(),
                                 "instruction set " + nn::instruction_set()},
            .parameters = layout.trainable_size(),
            .prunable_parameters = layout.prunable_size()};
}

} // namespace feddip::app
