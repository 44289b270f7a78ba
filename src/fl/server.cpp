#include "fl/server.hpp"

#include "base/floats.hpp"
#include "fl/message.hpp"

#include <vector>

namespace feddip::fl {

server_report finish_round(const method& how, const round_plan& plan, const parameter_layout& layout,
                           std::span<const float> total, std::uint64_t samples, global_model& model) {
    const std::size_t size = layout.prunable_size();
    const bool all = plan.upload != upload_content::in_mask;
    const std::size_t uploaded = upload_length(layout, model.mask, all);
    std::vector<float> average(total.size());
    for (std::size_t i = 0; i < total.size(); ++i) {
        average[i] = total[i] / static_cast<float>(samples);
    }
    const auto extra = std::span(average).subspan(uploaded); // of all prunable weights
    if (plan.averages_senders) {
        for (std::size_t i = 0; i < size; ++i) {
            average[i] = extra[i] > 0 ? average[i] / extra[i] : 0.0F;
        }
    }
    unpack_upload(layout, model.mask, all, std::span(average).first(uploaded), model.state);
    const auto prunable = std::span(model.state).first(size);

    server_report report;
    if (plan.reconfigures) {
        averages received{.layout = layout, .weights = prunable};
        if (plan.squared_gradients) {
            received.squared_gradients = extra;
        }
        if (plan.averages_senders) {
            received.senders = extra;
        }
        auto chosen = how.reconfigure(plan, received, model.mask);
        report.mask_change = sparse::change(chosen, model.mask);
        if (report.mask_change > 0) {
            model.mask = std::move(chosen);
            ++model.mask_version;
        }
    }
    const double before = squared_norm(prunable);
    sparse::apply(model.mask, prunable);
    report.pruning_error = before > 0 ? (before - squared_norm(prunable)) / before : 0.0;
    return report;
}

} // namespace feddip::fl
