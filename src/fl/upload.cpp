#include "fl/upload.hpp"

#include "base/bfloat16.hpp"
#include "base/floats.hpp"
#include "fl/message.hpp"
#include "sparse/codec.hpp"
#include "sparse/magnitude.hpp"

#include <algorithm>
#include <cmath>

namespace feddip::fl {

namespace {

sparse::mask support_of(const round_plan& plan, const global_model& model, std::span<const float> prunable,
                        const sparse::mask* own_mask) {
    switch (plan.upload) {
    case upload_content::in_mask:
        return own_mask ? *own_mask : model.mask;
    case upload_content::all_weights:
        return {prunable.size(), true};
    case upload_content::largest:
        return sparse::prune_smallest(prunable, plan.target_sparsity);
    case upload_content::own_mask:
        return *own_mask;
    }
    return {};
}

// What is rounded is the change in training, which is smaller than the weight.
void round_differences(const sparse::mask& support, std::span<const float> known, std::span<float> values) {
    std::size_t next = 0;
    support.for_each_alive([&](std::size_t i) {
        values[next] = known[i] + nearest_bfloat16(values[next] - known[i]);
        ++next;
    });
}

sparse::sparse_vector chosen(const round_plan& plan, const global_model& model,
                             std::span<const float> prunable, const sparse::mask* own_mask) {
    sparse::sparse_vector sent{.support = support_of(plan, model, prunable, own_mask), .values = {}};
    sent.values.resize(sent.support.count());
    sparse::pack(sent.support, prunable, sent.values);
    if (plan.values == config::value_kind::bf16) {
        round_differences(sent.support, model.state, sent.values);
    }
    return sent;
}

// The same from weights to which the residual is added, which keeps what is not sent.
sparse::sparse_vector chosen_with(std::span<float> residual, float strength, const round_plan& plan,
                                  const global_model& model, std::span<const float> prunable,
                                  const sparse::mask* own_mask) {
    std::ranges::transform(residual, prunable, residual.begin(),
                           [strength](float kept, float trained) { return strength * kept + trained; });
    auto sent = chosen(plan, model, residual, own_mask);
    auto value = sent.values.begin();
    sent.support.for_each_alive([&](std::size_t i) { residual[i] -= *value++; });
    return sent;
}

// An update that is left out has been sent all the same: what weights it had sent if it had 0 for what is not
// finite.
sparse::sparse_vector chosen_among_finite(const round_plan& plan, const global_model& model,
                                          std::span<const float> prunable, const sparse::mask* own_mask) {
    std::vector<float> finite(prunable.begin(), prunable.end());
    std::ranges::replace_if(
        finite, [](float w) { return !std::isfinite(w); }, 0.0F);
    return chosen(plan, model, finite, own_mask);
}

} // namespace

upload make_upload(const round_plan& plan, const parameter_layout& layout, const global_model& model,
                   const local_result& trained, client_record& record) {
    const auto prunable = trained.weights.first(layout.prunable_size());
    upload sent{.samples = record.samples,
                .weights = {.support = {prunable.size(), false}, .values = {}},
                .tail = trained.weights.subspan(prunable.size()),
                .squared_gradients = trained.squared_gradients};
    sent.included = all_finite(trained.weights) && all_finite(trained.squared_gradients);
    sparse::sparse_vector left_out;
    if (!sent.included) {
        record.included = 0;
        left_out = chosen_among_finite(plan, model, prunable, trained.own_mask);
    } else if (trained.residual.empty()) {
        sent.weights = chosen(plan, model, prunable, trained.own_mask);
    } else {
        sent.weights =
            chosen_with(trained.residual, trained.strength, plan, model, prunable, trained.own_mask);
    }

    const auto& charged = sent.included ? sent.weights : left_out;
    if (carries_positions(plan.upload)) {
        record.bytes_positions = sparse::encode(charged.support, layout, &model.mask).size();
    }
    record.bytes_up =
        upload_bytes(plan, charged.values.size(), trained.tail_values.value_or(sent.tail.size())) +
        record.bytes_positions + sizeof(float) * sent.squared_gradients.size();
    return sent;
}

std::uint64_t upload_bytes(const round_plan& plan, std::size_t weights, std::size_t tail) {
    return message_bytes(weights, tail, plan.values);
}

double upload_sparsity(const round_plan& plan, const sparse::mask& mask) {
    switch (plan.upload) {
    case upload_content::in_mask:
        return mask.sparsity();
    case upload_content::all_weights:
        return 0.0;
    case upload_content::largest:
    case upload_content::own_mask:
        return plan.target_sparsity;
    }
    return 0.0;
}

} // namespace feddip::fl
