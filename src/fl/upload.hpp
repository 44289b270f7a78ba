// What a client sends after its local training, as the server reads it, and what that costs.
#pragma once

#include "base/layout.hpp"
#include "fl/method.hpp"
#include "fl/state.hpp"
#include "sparse/sparse_vector.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace feddip::fl {

struct upload {
    std::uint32_t samples = 0;
    bool included = true;          // false: it had NaN or Inf, and `weights` is of no use
    sparse::sparse_vector weights; // over the prunable ones: where it sent some, and their values
    std::span<const float> tail;   // what is never pruned
    std::span<const float> squared_gradients = {}; // of all prunable weights, where the plan has them sent
};

// What a client has to send from.
struct local_result {
    std::span<const float> weights; // layout.size() floats, after local training
    std::span<const float> squared_gradients = {};
    // With upload = own_mask; with in_mask the part of the mask that it holds, where that isn't all.
    const sparse::mask* own_mask = nullptr;
    std::span<float> residual = {}; // layout.prunable_size() floats, or none
    float strength = 1;             // with which the residual joins what is sent
    std::optional<std::size_t> tail_values =
        {}; // that it sends of what is never pruned, where that isn't all
};

// Chooses and rounds what the plan has clients send, starting from `model`, and writes its bytes into
// `record`. An update with NaN or Inf is not included, which is recorded too. The residual is added to the
// weights before they are chosen and rounded, and becomes what the server did not get. The upload looks at
// the result's tail and squared gradients as long as it lives.
upload make_upload(const round_plan& plan, const parameter_layout& layout, const global_model& model,
                   const local_result& trained, client_record& record);

// Of so many weights without positions, to a header and `tail` values of what is never pruned.
std::uint64_t upload_bytes(const round_plan& plan, std::size_t weights, std::size_t tail);

// Whether uploads say where their weights lie.
constexpr bool carries_positions(upload_content content) {
    return content == upload_content::largest || content == upload_content::own_mask;
}

// The share of prunable weights that an upload leaves out.
double upload_sparsity(const round_plan& plan, const sparse::mask& mask);

} // namespace feddip::fl
