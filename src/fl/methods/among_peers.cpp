#include "fl/methods/among_peers.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace feddip::fl {

void require_what_peers_can_honour(const config::run_config& config) {
    const auto refuse_if = [](bool impossible, std::string_view key, const std::string& why) {
        if (impossible) {
            throw input_error("impossible combination", std::string(key), why);
        }
    };
    const auto& name = config.method.name;
    refuse_if(config.communication.value_type != config::value_kind::f32, "communication.value_type",
              fmt::format("{} exchanges 32-bit values", name));
    refuse_if(config.sparsity.start_scale != config::start_scale_kind::dense, "sparsity.start_scale",
              fmt::format("in {} each client starts from a mask of its own; take \"dense\"", name));
    refuse_if(
        config.drift.kind != config::drift_kind::none, "drift.kind",
        fmt::format("in {} clients are tested when they train, each at its own time; take \"none\"", name));
    refuse_if(config.analysis.mask_history, "analysis.mask_history",
              fmt::format("in {} each client has a mask of its own; take false", name));
    refuse_if(config.analysis.class_accuracy, "analysis.class_accuracy",
              fmt::format("in {} there is no global model to test on all images; take false", name));
    const auto no_gradient =
        fmt::format("{} has no global model whose gradient there could be; set it to 0", name);
    refuse_if(config.analysis.convergence_every > 0, "analysis.convergence_every", no_gradient);
    refuse_if(config.analysis.layer_norms_every > 0, "analysis.layer_norms_every", no_gradient);
}

} // namespace feddip::fl
