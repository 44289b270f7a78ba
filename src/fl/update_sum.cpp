#include "fl/update_sum.hpp"

#include "base/log.hpp"
#include "fl/message.hpp"
#include "sparse/codec.hpp"
#include "sparse/magnitude.hpp"

#include <algorithm>
#include <cmath>

namespace feddip::fl {

namespace {

bool all_finite(std::span<const float> values) {
    return std::ranges::all_of(values, [](float v) { return std::isfinite(v); });
}

void scale(std::span<float> values, std::uint32_t factor) {
    std::ranges::for_each(values, [&](float& v) { v *= static_cast<float>(factor); });
}

} // namespace

update_sum::update_sum(transport& ranks, const round_plan& plan, const parameter_layout& layout,
                       const sparse::mask& mask, std::span<const int> owner_of_slot)
    : content_(plan.upload), target_sparsity_(plan.target_sparsity), layout_(&layout), mask_(&mask),
      at_server_(ranks.rank() == 0) {
    const std::size_t tail = layout.size() - layout.prunable_size();
    if (content_ == upload_content::largest) {
        largest_ = ranks.start_sparse_sum(owner_of_slot, layout, &mask);
        upload_.resize(tail);
    } else {
        upload_.resize(upload_length(layout, mask, plan.trains_all_weights()));
    }
    sum_ = ranks.start_sum(owner_of_slot, upload_.size());
}

void update_sum::add(int slot, std::span<const float> weights, client_record& record,
                     std::span<float> residual) {
    if (!all_finite(weights)) {
        log::warning("the update of client {} has NaN or Inf and is left out", record.id);
        record.included = 0;
    }
    if (content_ == upload_content::largest) {
        add_largest(slot, weights, record, residual);
        return;
    }
    record.bytes_up = header_bytes + sizeof(float) * upload_.size();
    if (record.included != 0) {
        pack_upload(*layout_, *mask_, content_ == upload_content::all_weights, weights, upload_);
        scale(upload_, record.samples);
    } else {
        std::ranges::fill(upload_, 0.0F);
    }
    sum_->add(slot, upload_);
}

void update_sum::add_largest(int slot, std::span<const float> weights, client_record& record,
                             std::span<float> residual) {
    std::vector<float> prunable(weights.begin(),
                                weights.begin() + static_cast<std::ptrdiff_t>(layout_->prunable_size()));
    const auto tail = weights.subspan(layout_->prunable_size());
    sparse::sparse_vector chosen{.support = {prunable.size(), false}, .values = {}};
    std::ranges::fill(upload_, 0.0F);
    if (record.included != 0) {
        for (std::size_t i = 0; i < residual.size(); ++i) {
            prunable[i] += residual[i];
        }
        chosen.support = sparse::prune_smallest(prunable, target_sparsity_);
        chosen.values.resize(chosen.support.count());
        sparse::pack(chosen.support, prunable, chosen.values);
        std::ranges::copy(tail, upload_.begin());
        if (!residual.empty()) {
            std::ranges::copy(prunable, residual.begin());
            chosen.support.for_each_alive([&](std::size_t i) { residual[i] = 0.0F; });
        }
    }
    record.bytes_positions = sparse::encode(chosen.support, *layout_, mask_).size();
    record.bytes_up =
        header_bytes + record.bytes_positions + sizeof(float) * (chosen.values.size() + upload_.size());
    scale(chosen.values, record.samples);
    scale(upload_, record.samples);
    largest_->add(slot, std::move(chosen));
    sum_->add(slot, upload_);
}

std::vector<float> update_sum::finish() {
    std::vector<float> total;
    if (largest_) {
        const auto weights = largest_->finish();
        if (at_server_) {
            total.resize(layout_->prunable_size());
            sparse::unpack(weights.support, weights.values, total);
        }
    }
    const auto rest = sum_->finish();
    total.insert(total.end(), rest.begin(), rest.end());
    return total;
}

double upload_sparsity(const round_plan& plan, const sparse::mask& mask) {
    switch (plan.upload) {
    case upload_content::in_mask:
        return mask.sparsity();
    case upload_content::all_weights:
        return 0.0;
    case upload_content::largest:
        return plan.target_sparsity;
    }
    return 0.0;
}

} // namespace feddip::fl
