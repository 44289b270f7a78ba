#include "fl/training.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "fl/aggregation/aggregation.hpp"
#include "fl/attackers.hpp"
#include "fl/packing.hpp"
#include "fl/progress.hpp"
#include "fl/roster.hpp"
#include "fl/upload.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace feddip::fl {

namespace {

// The log of a private run tells nobody's number.
void warn_of_left_out(int client, bool is_private) {
    if (is_private) {
        log::warning("an update has NaN or Inf and is left out");
    } else {
        log::warning("the update of client {} has NaN or Inf and is left out", client);
    }
}

} // namespace

void training_report::append_to(std::vector<std::byte>& message) const {
    append(message, std::span(&seconds, 1));
    append(message, std::span(clients));
}

void training_report::join(std::span<const std::byte> message) {
    seconds = std::max(seconds, take_one<double>(message));
    std::ranges::copy(take_rest<client_record>(message), std::back_inserter(clients));
}

training::training(workplace& here, const roster& clients)
    : here_(here), roster_(clients), attackers_(std::make_unique<attackers>(here)) {}

training::~training() = default;

training_report training::run(const ongoing_round& now, const global_model& model, aggregation& updates) {
    const auto on_batch = progress_of(now.plan.round, now.who, here_);
    training_report report;
    if (attackers_->pool()) {
        const stopwatch in_training;
        pool_seen(now, model);
        report.seconds = in_training.seconds();
    }
    for (const std::size_t s : now.who.slots_of(here_.ranks.rank())) {
        const stopwatch in_training;
        auto p = roster_.equip(now, now.who.at_slot(s));
        const auto train_and_send = [&](local_trainer& trainer) {
            report.clients.push_back(train(trainer, p, now, model, on_batch));
            report.clients.back().seconds_train = in_training.seconds();
            report.seconds += report.clients.back().seconds_train;
            send(trainer, p, now, model, static_cast<int>(s), report.clients.back(), updates);
        };
        if (p.hostile && attackers_->poison()) {
            const auto seen = here_.drift.seen_by(p.client, now.plan.round, p.images);
            const auto poisoned = attackers_->poisoned(seen);
            const auto data = poisoned.view();
            local_trainer trainer(here_.what.config, data, here_.network);
            p.images = poisoned.images();
            train_and_send(trainer);
        } else {
            train_and_send(here_.trainer);
        }
    }
    return report;
}

// They train once more when their turn comes, to the same bits.
void training::pool_seen(const ongoing_round& now, const global_model& model) {
    std::vector<std::vector<float>> trained;
    for (const std::size_t s : now.who.slots_of(here_.ranks.rank())) {
        if (attackers_->see(now.who.at_slot(s), now.who)) {
            const auto p = roster_.equip(now, now.who.at_slot(s));
            train(here_.trainer, p, now, model, [] {});
            trained.emplace_back(here_.trainer.weights().begin(), here_.trainer.weights().end());
        }
    }
    attackers_->share(trained);
}

client_record training::train(local_trainer& trainer, const participant& p, const ongoing_round& now,
                              const global_model& model, const std::function<void()>& on_batch) const {
    const auto plan = plan_for(p, now.plan);
    local_trainer::mask_change readjusted;
    if (plan.readjusts_in_training) {
        readjusted = [&](const client_in_training& midway) { return here_.how->mask_in_training(midway); };
    }
    return trainer.train(model, p.mask(model.mask), plan, p.client, p.images, on_batch, readjusted);
}

void training::send(local_trainer& trainer, const participant& p, const ongoing_round& now,
                    const global_model& model, int slot, client_record& record, aggregation& updates) {
    const auto plan = plan_for(p, now.plan);
    const auto forged =
        p.hostile ? attackers_->forged(now, model, p.client, trainer.weights()) : std::vector<float>{};
    const auto weights = p.hostile ? std::span(forged) : trainer.weights();
    local_result trained{.weights = weights, .squared_gradients = trainer.squared_gradients()};
    sparse::mask own;
    if (plan.upload == upload_content::own_mask) {
        const auto gradient = [&] { return trainer.gradient(weights, plan.round, p.client, p.images); };
        own = here_.how->own_mask(plan, {here_.layout, weights, trainer.mask(), gradient});
        trained.own_mask = &own;
    } else if (p.part.limited()) {
        trained.own_mask = p.own_mask.get();
        trained.tail_values =
            now.ladder->count_tail(p.part, here_.layout.size() - here_.layout.prunable_size());
    }
    auto residual = residual_of(plan, p);
    trained.residual = residual;
    trained.strength = p.feedback > 0 ? static_cast<float>(p.feedback) : 1;
    auto sent = make_upload(plan, here_.layout, model, trained, record);
    if (!sent.included) {
        warn_of_left_out(record.id, here_.guarantee.has_value());
    }
    updates.add(slot, std::move(sent));
    if (plan.keeps_residual) {
        here_.what.clients.save(p.client, plan.round, residual);
    }
}

std::vector<float> training::residual_of(const round_plan& plan, const participant& p) {
    if (!plan.keeps_residual) {
        return {};
    }
    if (p.kept_in < 0) {
        return std::vector<float>(here_.layout.prunable_size());
    }
    auto kept = here_.what.clients.load(p.client, p.kept_in);
    if (kept.size() != here_.layout.prunable_size()) {
        throw error(fmt::format("what client {} has kept is of another model", p.client), "residual",
                    "start the run anew, or from a copy of its files");
    }
    return kept;
}

} // namespace feddip::fl
