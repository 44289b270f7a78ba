#include "fl/first_look.hpp"

#include "fl/experiment.hpp"
#include "fl/first_client.hpp"
#include "fl/message.hpp"
#include "sparse/codec.hpp"

#include <algorithm>
#include <stdexcept>

namespace feddip::fl {

namespace {

// Those at first, and one after each step of pruning but the last, in which a share of the alive weights goes
// until as few are left as the first round begins with.
int trainings_of_prunefl(const config::run_config& config) {
    if (config.method.variant == config::variant_kind::authors) {
        return prunefl_trainings::at_least;
    }
    const double wanted = 1 - config.sparsity.initial;
    const double staying = 1 - config.prunefl.removable_share;
    int trainings = config.prunefl.initial_rounds;
    for (double alive = staying; alive > wanted && staying < 1; alive *= staying) {
        ++trainings;
    }
    return trainings;
}

} // namespace

start_cost look_first(workplace& here, global_model& model) {
    const auto images = here.drift.images_of(first_client::id, 0);
    first_client client(here.trainer, here.layout, images);
    model.mask = here.how->look(client, model.state);
    auto cost = cost_of(here.how->looks_first(), here.layout, model.mask.count(),
                        sparse::encode(model.mask, here.layout, nullptr).size());
    cost.images = client.images_trained(here.what.config.federation);
    return cost;
}

start_cost cost_of(first_look look, const parameter_layout& layout, std::size_t alive,
                   std::uint64_t mask_bytes) {
    const auto tail = layout.size() - layout.prunable_size();
    const auto model = message_bytes(layout.prunable_size(), tail);
    const start_cost mask{
        .bytes_down = 0, .bytes_up = mask_bytes + message_bytes(0, 0), .positions = mask_bytes};
    switch (look) {
    case first_look::none:
        return {};
    case first_look::gradient:
        return mask;
    case first_look::saliency:
        return {.bytes_down = model, .bytes_up = mask.bytes_up, .positions = mask_bytes};
    case first_look::training:
        return {.bytes_down = model,
                .bytes_up = mask_bytes + message_bytes(alive, tail),
                .positions = mask_bytes};
    case first_look::densities:
        return {.bytes_down = model, .bytes_up = message_bytes(layout.weights().size(), 0)};
    }
    throw std::logic_error("no such first look");
}

double images_of_look(int trainings, int gradients, double images,
                      const config::federation_section& federation) {
    return trainings * federation.local_epochs * images +
           gradients * std::min<double>(federation.batch_size, images);
}

double expected_images_of_look(const config::run_config& config, first_look look, double images) {
    const auto& f = config.federation;
    switch (look) {
    case first_look::none:
        return 0;
    case first_look::gradient:
    case first_look::saliency:
        return images_of_look(0, 1, images, f);
    case first_look::training:
        return images_of_look(trainings_of_prunefl(config), 0, images, f);
    case first_look::densities:
        return images_of_look(flash_trainings - 1, 0, images, f);
    }
    throw std::logic_error("no such first look");
}

} // namespace feddip::fl
