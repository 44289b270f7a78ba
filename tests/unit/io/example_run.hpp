// A run as the round loop would hand it to io, with numbers that are all different.
#pragma once

#include "fl/state.hpp"
#include "sparse/magnitude.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace feddip::io::testing {

inline constexpr int example_clients = 7;
inline constexpr int example_slots = 3;

inline fl::run_info example_info(int rounds) {
    fl::run_info info;
    info.config_toml =
        "[data]\ndataset = \"fashion-mnist\"\n[model]\nname = \"lenet5\"\n[federation]\nrounds = " +
        std::to_string(rounds) + "\nseed = 42\n[method]\nname = \"feddip\"\n";
    info.method = "feddip";
    info.model = "lenet5";
    info.dataset = "fashion-mnist";
    info.seed = 42;
    info.rounds = rounds;
    info.clients_per_round = example_slots;
    info.mpi_ranks = 2;
    info.threads_per_rank = 1;
    info.hostnames = {"node01", "node02"};
    info.layer_names = {"conv1.weight", "fc1.weight"};
    info.classes = 3;
    info.measures_layer_norms = true;
    info.measures_class_accuracy = true;
    info.has_budgets = true;
    return info;
}

inline fl::round_record example_round(int round) {
    const double t = round;
    fl::round_record r;
    r.round = round;
    r.test_accuracy = round % 2 == 0 ? fl::not_measured : 0.9 - 0.5 / t;
    r.test_loss = 2.3 / t;
    r.test_top5_accuracy = round % 2 == 0 ? fl::not_measured : 0.95 - 0.45 / t;
    r.train_loss = 2.1 / t;
    r.learning_rate = 0.1 / t;
    r.regularization = 1e-4 * t;
    r.target_sparsity = 0.9 - 0.4 / t;
    r.sparsity = 0.9 - 0.41 / t;
    r.mask_change = 0.01 / t;
    r.pruning_error = 0.03 / t;
    r.grad_norm_squared = round % 2 == 0 ? fl::not_measured : 0.3 / t;
    r.gradient_divergence = round % 2 == 0 ? fl::not_measured : 0.7 / t;
    r.bytes_down = 1000U + static_cast<std::uint64_t>(round);
    r.bytes_up =
        (std::uint64_t{1} << 53U) + static_cast<std::uint64_t>(round); // more than a double can tell apart
    r.bytes_positions = 30U + static_cast<std::uint64_t>(round);
    r.mpi_bytes = 4000U + static_cast<std::uint64_t>(round);
    r.reference_cost_mib = 5.5 + t;
    r.seconds_train = 1 + t;
    r.seconds_communicate = 2 + t;
    r.seconds_aggregate = 3 + t;
    r.seconds_evaluate = 4 + t;
    r.seconds_round = 10 + t;
    r.simulated_seconds = round % 2 == 0 ? fl::not_measured : 70 + t;
    r.hostile_included = round + 6;
    r.attack_success = 0.125 * round;
    r.epsilon = 0.7 * t;
    r.clip = 3.5 / t;
    r.coverage = 0.6 + 0.1 / t;
    r.layer_coverage = {0.7 + 0.1 / t, 0.8 - 0.1 / t};
    r.drift = 0.5 * t;
    r.alarm = round % 3 == 0 ? 1 : 0;
    r.ever_alive = round % 2 == 0 ? fl::not_measured : 0.2 + 0.1 / t;
    r.mask_distance = round % 2 == 0 ? fl::not_measured : 0.4 / t;
    r.layer_density = {0.5 + 0.1 / t, 0.25 + 0.1 / t};
    r.layer_weight_norm = {3 + t, 4 + t};
    r.layer_gradient_norm = {0.3 / t, 0.4 / t};
    r.layer_alive_gradient_norm = {0.2 / t, 0.1 / t};
    r.class_accuracy = {0.9 - 0.1 / t, 0.8 - 0.1 / t, 0.1 * t};
    for (int slot = 0; slot < example_slots; ++slot) {
        fl::client_record c;
        c.id = (round + 2 * slot) % example_clients;
        c.samples = static_cast<std::uint32_t>(100 * round + slot);
        c.train_loss = 2.0 / t + slot;
        c.accuracy = slot == 2 ? fl::not_measured : 0.6 + 0.01 * t + 0.1 * slot;
        c.bytes_up = static_cast<std::uint64_t>(50 * round + slot);
        c.bytes_positions = static_cast<std::uint64_t>(20 * round + slot);
        c.included = slot % 2;
        c.dropped_out = slot / 2;
        c.simulated_seconds = slot == 0 ? fl::not_measured : 60 + t + slot;
        c.sparse_kernels = (round + slot) % 2;
        c.hostile = (round + slot + 1) % 2;
        c.bytes_down = static_cast<std::uint64_t>(70 * round + slot);
        c.density = 0.1 * slot + 0.01 * t;
        c.deadline_met = slot - 1;
        c.distance = slot == 2 ? fl::not_measured : 3 + 0.5 * t;
        c.seconds_train = slot == 2 ? fl::not_measured : 0.25 * t + slot;
        c.link_class = 2 - slot;
        c.feedback = slot == 1 ? fl::not_measured : 0.2 * slot;
        r.clients.push_back(c);
    }
    return r;
}

inline fl::run_state example_state(int rounds, std::size_t prunable = 1000, std::size_t tail = 37) {
    fl::run_state s;
    s.rounds_done = rounds;
    s.model.state.resize(prunable + tail);
    for (std::size_t i = 0; i < s.model.state.size(); ++i) {
        s.model.state[i] =
            static_cast<float>((i * 7919 + static_cast<std::size_t>(rounds)) % 1009) / 1009.0F - 0.5F;
    }
    const auto weights = std::span(s.model.state).first(prunable);
    s.model.mask = sparse::prune_smallest(weights, 0.8);
    sparse::apply(s.model.mask, weights);
    s.model.mask_version = static_cast<std::uint32_t>(rounds / 5 + 3);
    for (std::uint32_t version = 1; version < s.model.mask_version; ++version) {
        fl::versioned_mask earlier{version, s.model.mask};
        earlier.mask.set(version, !earlier.mask[version]);
        s.recent_masks.push_back(earlier);
    }
    s.masks = {s.recent_masks.front().mask, s.recent_masks.back().mask};
    for (int c = 0; c < example_clients; ++c) {
        s.client_mask_version.push_back(static_cast<std::uint32_t>(c % 3));
        s.client_kept_in.push_back(c % 3 - 1);
    }
    for (int round = 1; round <= rounds; ++round) {
        s.history.push_back(example_round(round));
    }
    return s;
}

// An empty folder of its own that goes with the object.
class scratch_folder {
public:
    scratch_folder() {
        std::string name = (std::filesystem::temp_directory_path() / "feddip-io-XXXXXX").string();
        path_ = ::mkdtemp(name.data());
    }
    scratch_folder(const scratch_folder&) = delete;
    scratch_folder& operator=(const scratch_folder&) = delete;
    ~scratch_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

inline void put(const std::filesystem::path& path, std::string_view text) {
    std::ofstream(path, std::ios::binary) << text;
}

} // namespace feddip::io::testing
