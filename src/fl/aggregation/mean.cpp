// The mean of the clients' weights, weighted by samples, along the slot tree (McMahan et al. 2017, FedAvg).
// What a client did not send counts as zero, or, with plan.averages_senders, does not count; nor does what it
// can't hold (coverage.hpp).
#include "base/error.hpp"
#include "fl/aggregation/coverage.hpp"
#include "fl/aggregation/rules.hpp"
#include "fl/message.hpp"

#include <algorithm>
#include <utility>

namespace feddip::fl {

namespace {

void scale(std::span<float> values, std::uint32_t factor) {
    std::ranges::for_each(values, [&](float& v) { v *= static_cast<float>(factor); });
}

void divide(std::span<float> values, std::uint64_t divisor) {
    std::ranges::for_each(values, [&](float& v) { v /= static_cast<float>(divisor); });
}

class mean final : public aggregation {
public:
    mean(const aggregation_setting& setting, transport& ranks)
        : plan_(setting.plan), layout_(setting.layout), model_(setting.model), mask_(setting.model.mask),
          ladder_(setting.ladder), parts_(setting.part_of_slot) {
        const auto owners = setting.owner_of_slot;
        const std::size_t squares = plan_.squared_gradients ? layout_.prunable_size() : 0;
        if (plan_.averages_senders) {
            senders_ = ranks.start_sparse_sum(owners, layout_, &mask_);
        }
        if (carries_positions(plan_.upload)) {
            sparse_ = ranks.start_sparse_sum(owners, layout_, &mask_);
        } else {
            dense_weights_ = upload_length(layout_, mask_, plan_.trains_all_weights()) - tail_length();
        }
        scaled_.resize(dense_weights_ + tail_length() + squares + (ladder_ ? coverage_length : 0));
        dense_ = ranks.start_sum(owners, scaled_.size());
    }

    void add(int slot, upload sent) override {
        std::ranges::fill(scaled_, 0.0F);
        if (sent.included) {
            scale(sent.weights.values, sent.samples);
            const auto rest = std::span(scaled_).subspan(dense_weights_);
            std::ranges::copy(sent.squared_gradients, std::ranges::copy(sent.tail, rest.begin()).out);
            scale(rest, sent.samples);
            if (ladder_) {
                const auto part = parts_[static_cast<std::size_t>(slot)];
                drop_unsent(part, rest.first(tail_length()));
                count_samples(part, sent.samples, rest.last(coverage_length));
            }
        }
        if (senders_) {
            senders_->add(slot, {sent.weights.support, std::vector<float>(sent.weights.values.size(),
                                                                          static_cast<float>(sent.samples))});
        }
        if (sparse_) {
            sparse_->add(slot, std::move(sent.weights));
        } else {
            place(sent.weights);
        }
        dense_->add(slot, scaled_);
    }

    void collect() override {
        if (senders_) {
            samples_sent_ = senders_->finish();
        }
        if (sparse_) {
            weights_ = sparse_->finish();
        }
        rest_ = dense_->finish();
    }

    aggregate result(std::uint64_t samples) override {
        aggregate all{.state = std::vector<float>(layout_.size()), .squared_gradients = {}, .senders = {}};
        const auto [prunable, tail] = split(all.state);
        if (sparse_) {
            sparse::unpack(weights_.support, weights_.values, prunable);
            std::ranges::copy(rest_.first(tail.size()), tail.begin());
        } else {
            unpack_upload(layout_, mask_, plan_.trains_all_weights(),
                          rest_.first(dense_weights_ + tail.size()), all.state);
        }
        if (ladder_) {
            const auto samples_on = rest_.last(coverage_length);
            const auto before = std::span(model_.state);
            average_trained(ladder_->rung_of(), samples_on, before.first(prunable.size()), prunable);
            if (ladder_->slices_width()) {
                average_trained(ladder_->rung_of_tail(), samples_on, before.last(tail.size()), tail);
            } else {
                divide(tail, samples);
            }
            record_coverage(layout_, *ladder_, samples_on, samples, all);
        } else {
            divide(all.state, samples);
        }
        if (plan_.squared_gradients) {
            const auto squares = rest_.subspan(dense_weights_ + tail.size(), prunable.size());
            all.squared_gradients.assign(squares.begin(), squares.end());
            divide(all.squared_gradients, samples);
        }
        if (senders_) {
            all.senders.resize(prunable.size());
            sparse::unpack(samples_sent_.support, samples_sent_.values, all.senders);
            divide(all.senders, samples);
            for (std::size_t i = 0; i < prunable.size(); ++i) {
                prunable[i] = all.senders[i] > 0 ? prunable[i] / all.senders[i] : 0.0F;
            }
        }
        return all;
    }

private:
    // Values without positions, each in the place of its weight among those of the round.
    void place(const sparse::sparse_vector& sent) {
        if (!ladder_) {
            std::ranges::copy(sent.values, scaled_.begin());
        } else if (plan_.trains_all_weights()) {
            sparse::unpack(sent.support, sent.values, std::span(scaled_).first(dense_weights_));
        } else {
            auto place = scaled_.begin();
            auto value = sent.values.begin();
            mask_.for_each_alive([&](std::size_t i) { *place++ = sent.support[i] ? *value++ : 0.0F; });
        }
    }

    // Of the tail, what the part lacks.
    void drop_unsent(sparse::ladder_part part, std::span<float> tail) const {
        for (std::size_t i = 0; i < ladder_->rung_of_tail().size(); ++i) {
            tail[i] = part.holds(ladder_->rung_of_tail()[i]) ? tail[i] : 0.0F;
        }
    }

    std::size_t tail_length() const { return layout_.size() - layout_.prunable_size(); }
    std::pair<std::span<float>, std::span<float>> split(std::span<float> state) const {
        return {state.first(layout_.prunable_size()), state.subspan(layout_.prunable_size())};
    }

    const round_plan& plan_;
    const parameter_layout& layout_;
    const global_model& model_;
    const sparse::mask& mask_;
    const sparse::ladder* ladder_;
    std::span<const sparse::ladder_part> parts_;
    std::size_t dense_weights_ = 0; // of an upload without positions
    // samples x (weights without positions, tail, squared gradients), samples on each rung
    std::vector<float> scaled_;
    std::unique_ptr<slot_sum> dense_;              // of these
    std::unique_ptr<sparse_slot_sum> sparse_;      // of weights with positions
    std::unique_ptr<sparse_slot_sum> senders_;     // of the samples of those who sent each
    sparse::sparse_vector weights_, samples_sent_; // collected
    std::span<const float> rest_;
};

class mean_rule final : public aggregation_rule {
public:
    std::unique_ptr<aggregation> start(const aggregation_setting& setting, transport& ranks) const override {
        return std::make_unique<mean>(setting, ranks);
    }
};

} // namespace

std::unique_ptr<aggregation_rule> make_mean(const config::run_config&) {
    return std::make_unique<mean_rule>();
}

} // namespace feddip::fl
