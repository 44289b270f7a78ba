#include "fl/first_look.hpp"

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
