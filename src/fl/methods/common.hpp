// What several methods do alike.
#pragma once

#include "base/layout.hpp"
#include "config/config.hpp"
#include "fl/method.hpp"

#include <vector>

namespace feddip::fl {

// Round `round` of plain federated averaging: the learning rate's decay, weight decay, no regularization, the
// values' type and, where they are rounded, error feedback. A method changes what it does otherwise.
round_plan averaging_round(const config::run_config& config, int round);

// The same for methods that are at sparsity.target from the first round on.
round_plan round_at_target(const config::run_config& config, int round);

// The same as one after which the server chooses a mask from those that clients choose. What they leave out
// is meant to go: no residual keeps it.
round_plan with_own_masks(round_plan plan);

// Rounds t = 0 .. changing_rounds - 1 may change the mask; it rests in the sparsity.final_rounds after them.
int changing_rounds(const config::run_config& config);

// s_t, from sparsity.initial to sparsity.target over the rounds that may change the mask. Where others
// follow, the last of these is at the target itself.
double scheduled_sparsity(const config::run_config& config, int round);

// Whether round t is one of those, each sparsity.horizon rounds, after which the mask is chosen anew: t = 0,
// R, 2R
// ... or, with the variant "authors" of those methods that have it, R - 1, 2R - 1 ...
bool on_horizon(const config::run_config& config, int round);
// Before the mask rests for the final rounds, where there are any.
bool is_last_change(const config::run_config& config, int round);
// The same for masks that follow the schedule: where final rounds follow, it is reconfigured last before
// them.
bool on_schedule(const config::run_config& config, int round);

// Density of each prunable tensor, as sparsity.start says.
std::vector<double> start_densities(const config::run_config& config, const parameter_layout& layout,
                                    double sparsity);

// Alive weights of each prunable tensor at sparsity.target, for methods that keep these densities.
std::vector<std::size_t> kept_per_layer(const config::run_config& config, const parameter_layout& layout);
std::size_t kept_in_all(const config::run_config& config, const parameter_layout& layout);

// A mask of these densities, random within each tensor; one for each owner.
inline constexpr std::uint32_t the_server = 0xffffffff; // no client has this id
sparse::mask draw_start_mask(const config::run_config& config, const parameter_layout& layout,
                             double sparsity, std::uint32_t owner);

// What to rank weights by that are averaged over their senders: magnitudes, and where these are 0 the share
// of the samples whose clients sent the weight, below any magnitude.
std::vector<float> magnitudes_or_votes(const averages& received);

// (share/2) (1 + cos(pi round/rounds)), FedDST's: `share` at first, 0 in the end.
double falling_share(double share, int round, int rounds);

// Prune and regrow: of each tensor the share (share/2)(1 + cos(pi round/rounds)) of the alive weights goes,
// the smallest, and as many come where the client's gradient is largest.
sparse::mask readjusted_mask(const trained_client& client, double share, int round, int rounds);

} // namespace feddip::fl
