// What several methods do alike.
#pragma once

#include "config/config.hpp"
#include "nn/sgd.hpp"
#include "sparse/schedules.hpp"

namespace feddip::fl {

// eta_t and the weight decay, which are the same for all methods; no regularization.
inline nn::sgd_settings plain_sgd(const config::optimizer_section& optimizer, int round) {
    return {.learning_rate =
                static_cast<float>(sparse::learning_rate_at(round, optimizer.learning_rate, optimizer.decay)),
            .weight_decay = static_cast<float>(optimizer.weight_decay),
            .regularization = 0.0F};
}

} // namespace feddip::fl
