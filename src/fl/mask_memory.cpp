#include "fl/mask_memory.hpp"

namespace feddip::fl {

bool mask_memory::remembers() const {
    return here_.at_server() && here_.what.config.analysis.mask_history;
}

void mask_memory::begin(run_state& state) const {
    if (remembers() && state.masks.ever_alive.size() == 0) {
        state.masks = {.ever_alive = state.model.mask, .reference = state.model.mask};
    }
}

void mask_memory::follow(ongoing_round& now, run_state& state) const {
    if (!remembers()) {
        return;
    }
    auto& [ever_alive, reference] = state.masks;
    sparse::unite(state.model.mask, ever_alive);
    now.record.ever_alive = 1 - ever_alive.sparsity();
    now.record.mask_distance = sparse::jaccard_distance(state.model.mask, reference);
    if (here_.drift.begins(now.plan.round + 1)) {
        reference = state.model.mask;
    }
}

} // namespace feddip::fl
