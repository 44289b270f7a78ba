// What a run will cost, before it is started.
#pragma once

#include "base/layout.hpp"
#include "config/config.hpp"
#include "fl/method.hpp"

#include <cstddef>
#include <functional>
#include <vector>

namespace feddip::app {

// Encoded bytes, summed over the sampled clients of one round.
struct round_traffic {
    double down = 0, up = 0;
    double positions = 0;     // part of `down`: where the values belong
    double positions_up = 0;  // part of `up`, the same
    double seconds = 0;       // over the links of the config; NaN where it has none
    bool all_weights = false; // whether clients train and send all weights, or those in the mask
    double sparsity = 0;      // of the model that is sent down
    double dropped_out = 0;   // sampled clients that get the model and send nothing
    double values = 0;        // that one client sends
};

// On which a client trains in each epoch of a round.
using images_in_round = std::function<double(int client, int round)>;

// For each round. Values, tails and headers are exact, positions are estimated (expected_positions.hpp).
// Clients that will be sampled, drop out or be slow are known; times take each with the mean of the round's
// bytes, and with its `images`, and have the first client's look at its data in round 0; of secure sums
// those that stay are taken to send what those that leave have sent before. Of protected clients
// it isn't known who takes part: the rounds are those that the budget allows, their bytes means over all
// draws, and there are no times. Where there is no server, bytes of messages between clients, each counted
// down and up. `alarm` is a round in which the clients' loss rises (fl/adaptation.hpp), -1: none.
std::vector<round_traffic> predict_traffic(const config::run_config& config, const fl::method& method,
                                           const parameter_layout& layout, const images_in_round& images,
                                           int alarm = -1);
round_traffic total(const std::vector<round_traffic>& rounds);

// Multiplications and additions with one image, [prunable tensor], all weights alive: of the forward pass,
// and of the backward passes besides, to the weights and to the layer's input, where that isn't the image.
std::vector<double> forward_flops(const config::run_config& config);
std::vector<double> training_flops(const config::run_config& config);

// Bytes.
struct memory_estimate {
    double dataset = 0;     // once per machine
    double parameters = 0;  // weights, gradients, messages; per rank
    double activations = 0; // values and their gradients of one batch; per rank
    double kernels = 0;     // what the sparse ones are compiled to; per rank
    double compiled = 0;    // the largest share of the prunable weights that they are compiled for
    double updates = 0; // of all clients of a round, where the rule of aggregation needs them; over all ranks
    double seen = 0;    // of them by hostile clients; per rank
};
// `rounds` as predict_traffic gives them; `largest_share`: images of the client that has the most.
memory_estimate estimate_memory(const config::run_config& config, const parameter_layout& layout,
                                const std::vector<round_traffic>& rounds, double largest_share);

} // namespace feddip::app
