// Everything that the future of a run depends on, and what is recorded of its past.
// Masks have versions: 0 is the one with all weights alive, which everybody knows; each new one counts on by
// one.
#pragma once

#include "privacy/secret.hpp"
#include "sparse/ladder.hpp"
#include "sparse/mask.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace feddip::fl {

// Masks that the server remembers, to send a returning client the difference to the one it holds.
inline constexpr std::size_t remembered_masks = 8;

inline constexpr double not_measured = std::numeric_limits<double>::quiet_NaN();

// The pruned global model w'_t; where there is no server (peers.cpp), also a client's own.
struct global_model {
    std::vector<float> state; // layout.size() floats, 0 where pruned
    sparse::mask mask;        // over the prunable weights; all alive for methods without a mask
    std::uint32_t mask_version = 0;
};

struct versioned_mask {
    std::uint32_t version = 0;
    sparse::mask mask;
};

// What a client holds of a mask, by its ranking of round t.
struct held_part {
    sparse::ladder_part part = {};
    std::int32_t ranked_in = 0;
    bool operator==(const held_part&) const = default;
};

// Where clients are protected (privacy_guarantee.hpp).
struct protection_state {
    privacy::secret key; // of all noise and draws: who has it can take the noise off
    double clip = 0;     // the bound of updates in the next round
};

// Of one sampled client in one round.
struct client_record {
    int id = 0;
    std::uint32_t samples = 0;         // training images
    double train_loss = not_measured;  // mean over the last local epoch
    double accuracy = not_measured;    // of w'_{t+1} on the client's own test share (non-i.i.d. partitions)
    std::uint64_t bytes_up = 0;        // encoded payload
    std::uint64_t bytes_down = 0;      // the same, received
    std::uint64_t bytes_positions = 0; // of these, the coded positions
    std::int32_t included =
        1; // 0: not in the average: NaN or Inf in the update, left out by the rule, or dropped out
    std::int32_t dropped_out = 0;            // 1: got the model and sent nothing, or was not waited for
    double simulated_seconds = not_measured; // its own, over the links of the config (link_model.hpp)
    std::int32_t hostile = 0;                // 1: it does what the config's attack has it do
    double density = not_measured;           // share of the prunable weights that it held, with a budget
    std::int32_t deadline_met = -1;          // 1: it answered within the deadline; -1: there is none
    double feedback = not_measured;          // with how much of it came back what it had kept
    double distance = not_measured;          // of its model from its first one (settling.hpp)
    double seconds_train = not_measured;     // local training, by the clock
    std::int32_t link_class = -1;            // of [links], from 0; -1: these model nothing
    std::int32_t sparse_kernels = 0; // 1: they trained all layers or the later ones, 0: oneDNN alone did
};

// Of one round, by the names of the results file.
struct round_record {
    int round = 0; // rounds done, counting this one: 1 .. T
    double test_accuracy = not_measured, test_loss = not_measured, test_top5_accuracy = not_measured;
    double train_loss = not_measured; // mean over the clients in the average, weighted by samples
    double learning_rate = 0, regularization = 0;
    double target_sparsity = 0, sparsity = 0, mask_change = 0, pruning_error = 0;
    double grad_norm_squared = not_measured, gradient_divergence = not_measured; // convergence.hpp
    std::uint64_t bytes_down = 0, bytes_up = 0, bytes_positions = 0, mpi_bytes = 0;
    double reference_cost_mib = 0; // the authors' formula: mebibits of values, no positions
    double seconds_train = 0, seconds_communicate = 0, seconds_aggregate = 0, seconds_evaluate = 0,
           seconds_round = 0;
    double simulated_seconds = not_measured; // in a federation with the links of the config (link_model.hpp)
    int hostile_included = 0;                // hostile clients in the average; -1: not told
    double attack_success = not_measured;    // of an attack that marks images (attack_success.hpp)
    double epsilon = not_measured;           // of differential privacy, spent so far
    double clip = not_measured;              // bound of the updates of this round
    double coverage = not_measured; // share of samples that trained a weight, where clients held parts
    double drift = 0;               // how strong it is (data/drift.hpp)
    int alarm = 0;                  // 1: the clients' loss has risen (adaptation.hpp)
    double ever_alive = not_measured, mask_distance = not_measured; // mask_memory.hpp
    std::vector<double> layer_density;                              // one per prunable tensor
    std::vector<double> layer_coverage;                             // the same of coverage
    std::vector<double> layer_weight_norm, layer_gradient_norm, layer_alive_gradient_norm; // layer_norms.hpp
    std::vector<double> class_accuracy; // top-1 on the test images of each class, where asked for
    std::vector<client_record> clients; // that were sampled, by id
};

// Of the masks there were, where the analysis asks for it; else empty (mask_memory.hpp).
struct mask_history {
    sparse::mask ever_alive; // the weights that some mask had
    sparse::mask reference;  // the mask before the last drift began, or else the first one
};

// What a checkpoint holds (beside the config): with it a run goes on bit for bit.
struct run_state {
    int rounds_done = 0;
    global_model model;
    std::vector<std::uint32_t> client_mask_version; // [clients] the mask each client holds
    // [clients] t of what each client keeps in the client_store, a residual or, among peers, its model; -1:
    // nothing.
    std::vector<std::int32_t> client_kept_in;
    // Of a mask held, the part: [clients], or empty where all have ever held whole ones.
    std::vector<held_part> client_part;
    // Of the mask of this version, made in round t, where clients have budgets; else empty.
    sparse::ladder ladder;
    std::uint32_t ladder_version = 0;
    std::int32_t ladder_round = 0;
    std::vector<versioned_mask> recent_masks;   // before the model's, oldest first; at most remembered_masks
    std::optional<protection_state> protection; // where clients are protected; on rank 0
    mask_history masks;
    std::vector<round_record> history; // [rounds_done]
};

// What is known of a run before its first round.
struct run_info {
    std::string config_toml, method, model, dataset;
    std::uint64_t seed = 0;
    int rounds = 0, clients_per_round = 0, mpi_ranks = 1, threads_per_rank = 1;
    std::vector<std::string> hostnames;   // one per rank
    std::vector<std::string> layer_names; // of the prunable tensors
    int classes = 0;
    bool measures_layer_norms = false;
    bool measures_class_accuracy = false;
    bool has_budgets = false;
};

} // namespace feddip::fl
