#include "fl/training.hpp"

#include "fl/aggregation/aggregation.hpp"
#include "fl/progress.hpp"
#include "fl/roster.hpp"
#include "fl/upload.hpp"

namespace feddip::fl {

training_report training::run(const ongoing_round& now, const global_model& model, aggregation& updates) {
    const auto on_batch = progress_of(now.plan.round, now.who, here_);
    training_report report;
    for (const std::size_t s : now.who.slots_of(here_.ranks.rank())) {
        stopwatch in_training;
        const auto who = roster_.equip(now.plan, now.who.at_slot(s));
        report.clients.push_back(
            here_.trainer.train(model, who.mask(model.mask), now.plan, who.client, who.images, on_batch));
        report.seconds += in_training.seconds();
        send(now.plan, who, model, static_cast<int>(s), report.clients.back(), updates);
    }
    return report;
}

void training::send(const round_plan& plan, const participant& who, const global_model& model, int slot,
                    client_record& record, aggregation& updates) {
    const auto weights = here_.trainer.weights();
    local_result trained{.weights = weights, .squared_gradients = here_.trainer.squared_gradients()};
    sparse::mask own;
    if (plan.upload == upload_content::own_mask) {
        const auto gradient = [&] {
            return here_.trainer.gradient(weights, plan.round, who.client, who.images);
        };
        own = here_.how->own_mask(plan, {here_.layout, weights, who.mask(model.mask), gradient});
        trained.own_mask = &own;
    }
    auto residual = residual_of(plan, who);
    trained.residual = residual;
    updates.add(slot, make_upload(plan, here_.layout, model, trained, record));
    if (plan.keeps_residual) {
        here_.what.clients.save(who.client, plan.round, residual);
    }
}

std::vector<float> training::residual_of(const round_plan& plan, const participant& who) {
    if (!plan.keeps_residual) {
        return {};
    }
    return who.kept_in < 0 ? std::vector<float>(here_.layout.prunable_size())
                           : here_.what.clients.load(who.client, who.kept_in);
}

} // namespace feddip::fl
