#include "fl/update_sum.hpp"

#include "base/bfloat16.hpp"
#include "base/floats.hpp"
#include "base/log.hpp"
#include "fl/message.hpp"
#include "sparse/codec.hpp"
#include "sparse/magnitude.hpp"

#include <algorithm>
#include <cmath>

namespace feddip::fl {

namespace {

void scale(std::span<float> values, std::uint32_t factor) {
    std::ranges::for_each(values, [&](float& v) { v *= static_cast<float>(factor); });
}

// What is rounded is the change in training, which is smaller than the weight.
void round_differences(const sparse::mask& support, std::span<const float> known, std::span<float> values) {
    std::size_t next = 0;
    support.for_each_alive([&](std::size_t i) {
        values[next] = known[i] + nearest_bfloat16(values[next] - known[i]);
        ++next;
    });
}

} // namespace

update_sum::update_sum(transport& ranks, const round_plan& plan, const parameter_layout& layout,
                       const global_model& model, std::span<const int> owner_of_slot)
    : plan_(plan), layout_(&layout), model_(&model), at_server_(ranks.rank() == 0) {
    if (plan_.upload == upload_content::largest || plan_.upload == upload_content::own_mask) {
        sparse_ = ranks.start_sparse_sum(owner_of_slot, layout, &model.mask);
        upload_.resize(layout.size() - layout.prunable_size());
    } else {
        upload_.resize(upload_length(layout, model.mask, plan.trains_all_weights()) +
                       (plan.squared_gradients ? layout.prunable_size() : 0));
    }
    if (plan.averages_senders) {
        senders_ = ranks.start_sparse_sum(owner_of_slot, layout, &model.mask);
    }
    sum_ = ranks.start_sum(owner_of_slot, upload_.size());
}

void update_sum::add(int slot, std::span<const float> weights, client_record& record,
                     std::span<float> residual, const upload_extras& extras) {
    const auto squares = extras.squared_gradients;
    if (!all_finite(weights) || !all_finite(squares)) {
        log::warning("the update of client {} has NaN or Inf and is left out", record.id);
        record.included = 0;
    }
    auto prunable = weights.first(layout_->prunable_size());
    const auto tail = weights.subspan(prunable.size());

    sparse::sparse_vector sent{.support = {prunable.size(), false}, .values = {}};
    if (record.included != 0) {
        if (!residual.empty()) {
            std::ranges::transform(residual, prunable, residual.begin(), std::plus{});
            prunable = residual;
        }
        sent = upload_of(prunable, extras.own_mask);
        if (!residual.empty()) {
            auto value = sent.values.begin();
            sent.support.for_each_alive([&](std::size_t i) { residual[i] -= *value++; });
        }
    }

    if (sparse_) {
        record.bytes_positions = sparse::encode(sent.support, *layout_, &model_->mask).size();
    }
    const auto values_sent = sparse_ ? sent.values.size() : upload_.size() - tail.size() - squares.size();
    record.bytes_up = header_bytes + record.bytes_positions + bytes_per_value(plan_.values) * values_sent +
                      sizeof(float) * (tail.size() + squares.size());

    std::ranges::fill(upload_, 0.0F);
    if (record.included != 0) {
        scale(sent.values, record.samples);
        const auto rest = std::span(upload_).last(tail.size() + squares.size());
        std::ranges::copy(squares, std::ranges::copy(tail, rest.begin()).out);
        scale(rest, record.samples);
    }
    if (senders_) {
        const auto samples = static_cast<float>(record.samples);
        senders_->add(slot, {sent.support, std::vector<float>(sent.values.size(), samples)});
    }
    if (sparse_) {
        sparse_->add(slot, std::move(sent));
    } else {
        std::ranges::copy(sent.values, upload_.begin());
    }
    sum_->add(slot, upload_);
}

sparse::sparse_vector update_sum::upload_of(std::span<const float> prunable,
                                            const sparse::mask* own_mask) const {
    sparse::sparse_vector sent;
    switch (plan_.upload) {
    case upload_content::in_mask:
        sent.support = model_->mask;
        break;
    case upload_content::all_weights:
        sent.support = {prunable.size(), true};
        break;
    case upload_content::largest:
        sent.support = sparse::prune_smallest(prunable, plan_.target_sparsity);
        break;
    case upload_content::own_mask:
        sent.support = *own_mask;
        break;
    }
    sent.values.resize(sent.support.count());
    sparse::pack(sent.support, prunable, sent.values);
    if (plan_.values == config::value_kind::bf16) {
        round_differences(sent.support, model_->state, sent.values);
    }
    return sent;
}

std::vector<float> update_sum::finish() {
    std::vector<float> total;
    const auto append = [&](sparse_slot_sum& sum) {
        const auto weights = sum.finish();
        if (at_server_) {
            total.resize(total.size() + layout_->prunable_size());
            sparse::unpack(weights.support, weights.values, std::span(total).last(layout_->prunable_size()));
        }
    };
    if (sparse_) {
        append(*sparse_);
    }
    const auto rest = sum_->finish();
    total.insert(total.end(), rest.begin(), rest.end());
    if (senders_) {
        append(*senders_);
    }
    return total;
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
