#include "fl/server.hpp"

#include "fl/message.hpp"

#include <vector>

namespace feddip::fl {

namespace {

double squared_norm(std::span<const float> values) {
    double sum = 0;
    for (const float v : values) {
        sum += static_cast<double>(v) * v;
    }
    return sum;
}

} // namespace

server_report finish_round(const method& how, const round_plan& plan, const parameter_layout& layout,
                           std::span<const float> total, std::uint64_t samples, global_model& model) {
    std::vector<float> average(total.size());
    for (std::size_t i = 0; i < total.size(); ++i) {
        average[i] = total[i] / static_cast<float>(samples);
    }
    unpack_upload(layout, model.mask, plan.trains_all_weights(), average, model.state);
    const auto prunable = std::span(model.state).first(layout.prunable_size());

    server_report report;
    if (plan.reconfigures) {
        auto chosen = how.reconfigure(plan, prunable, model.mask);
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
