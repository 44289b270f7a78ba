#include "fl/server.hpp"

#include "base/floats.hpp"
#include "fl/aggregation/aggregation.hpp"
#include "fl/message.hpp"

#include <utility>

namespace feddip::fl {

namespace {

void remember(versioned_mask replaced, std::vector<versioned_mask>& masks) {
    masks.push_back(std::move(replaced));
    if (masks.size() > remembered_masks) {
        masks.erase(masks.begin());
    }
}

} // namespace

server_report finish_round(const method& how, const round_plan& plan, const parameter_layout& layout,
                           aggregate average, global_model& model) {
    model.state = std::move(average.state);
    const auto prunable = std::span(model.state).first(layout.prunable_size());
    server_report report;
    if (plan.reconfigures) {
        auto chosen = how.reconfigure(plan,
                                      {.layout = layout,
                                       .weights = prunable,
                                       .squared_gradients = average.squared_gradients,
                                       .senders = average.senders},
                                      model.mask);
        report.mask_change = sparse::change(chosen, model.mask);
        if (report.mask_change > 0) {
            report.replaced = {model.mask_version, std::exchange(model.mask, std::move(chosen))};
            ++model.mask_version;
        }
    }
    const double before = squared_norm(prunable);
    sparse::apply(model.mask, prunable);
    report.pruning_error = before > 0 ? (before - squared_norm(prunable)) / before : 0.0;
    return report;
}

void server::reconfigure(std::optional<aggregate> average, ongoing_round& now, run_state& state) {
    if (!here_.at_server()) {
        return;
    }
    if (average) {
        if (state.protection) {
            now.record.clip = std::exchange(state.protection->clip, average->next_clip);
        }
        auto report = finish_round(*here_.how, now.plan, here_.layout, std::move(*average), state.model);
        now.record.mask_change = report.mask_change;
        now.record.pruning_error = report.pruning_error;
        replaced_ = std::move(report.replaced);
    }
    now.record.sparsity = state.model.mask.sparsity();
    now.record.layer_density = sparse::layer_densities(state.model.mask, here_.layout);
    now.record.seconds_aggregate = now.phase.lap();
}

void server::publish(ongoing_round& now, run_state& state) {
    const versioned_mask unchanged{.version = state.model.mask_version, .mask = {}};
    broadcast_model(here_, state, replaced_ ? &*replaced_ : &unchanged);
    here_.ranks.wait_for_all();
    if (auto replaced = std::exchange(replaced_, std::nullopt)) {
        remember(std::move(*replaced), state.recent_masks);
    }
    now.record.seconds_communicate += now.phase.lap();
}

void broadcast_model(workplace& here, run_state& state, const versioned_mask* known) {
    std::vector<std::byte> message;
    if (here.at_server()) {
        message = encode(state.model, here.layout, state.rounds_done, known);
    }
    here.ranks.broadcast(message);
    if (!here.at_server()) {
        decode(message, here.layout, state.model);
    }
}

} // namespace feddip::fl
