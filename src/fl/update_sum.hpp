// What the server learns of a round's updates: their sum, weighted by samples.
#pragma once

#include "base/layout.hpp"
#include "fl/method.hpp"
#include "fl/state.hpp"
#include "fl/transport.hpp"
#include "sparse/mask.hpp"

#include <memory>
#include <span>
#include <vector>

namespace feddip::fl {

// What a client sends beside its weights, or instead of those in the mask, where the plan says so.
struct upload_extras {
    const sparse::mask* own_mask = nullptr;
    std::span<const float> squared_gradients = {}; // layout.prunable_size() floats
};

// Collective: all ranks make one per round, add the slots they own, and finish.
class update_sum {
public:
    // `model` is what the clients of this round were sent, the same on every rank; it and the layout outlive
    // the sum.
    update_sum(transport& ranks, const round_plan& plan, const parameter_layout& layout,
               const global_model& model, std::span<const int> owner_of_slot);

    // `weights` (layout.size() floats) after local training: adds what the server makes of the client's
    // upload, and records what that costs. Leaves an update with NaN or Inf out of the sum.
    // `residual` (layout.prunable_size() floats, empty for none) is added to the weights before they are
    // chosen and rounded, and becomes what the server did not get.
    void add(int slot, std::span<const float> weights, client_record& record, std::span<float> residual = {},
             const upload_extras& extras = {});

    // On rank 0 the sum of samples x upload: of in_mask uploads the weights in mask order, of others all of
    // them; then the tail; then, for all prunable weights, the squared gradients, or the samples of those
    // that sent the weight, where the plan asks for them. Elsewhere empty.
    std::vector<float> finish();

private:
    // The prunable weights that a client sends, and their values as the server reads them.
    sparse::sparse_vector upload_of(std::span<const float> prunable, const sparse::mask* own_mask) const;

    round_plan plan_;
    const parameter_layout* layout_;
    const global_model* model_;
    bool at_server_;
    std::vector<float> upload_;                // scratch: what the slot sum takes
    std::unique_ptr<slot_sum> sum_;            // of in_mask and all_weights the whole upload, else the tail
    std::unique_ptr<sparse_slot_sum> sparse_;  // of largest and own_mask the weights
    std::unique_ptr<sparse_slot_sum> senders_; // the samples of those who sent each
};

// The share of prunable weights that an upload leaves out.
double upload_sparsity(const round_plan& plan, const sparse::mask& mask);

} // namespace feddip::fl
