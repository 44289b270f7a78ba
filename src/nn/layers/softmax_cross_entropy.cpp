#include "nn/layers/layer.hpp"

#include <algorithm>
#include <cmath>

namespace feddip::nn {

namespace {

// -log softmax(logits)[label]; with `diff`, also (softmax(logits) - onehot(label)) * scale.
double cross_entropy(std::span<const float> logits, std::size_t label, float* diff, double scale) {
    const double largest = *std::max_element(logits.begin(), logits.end());
    double total = 0;
    for (const float z : logits) {
        total += std::exp(z - largest);
    }
    if (diff != nullptr) {
        for (std::size_t c = 0; c < logits.size(); ++c) {
            const double hit = c == label ? 1.0 : 0.0;
            diff[c] = static_cast<float>((std::exp(logits[c] - largest) / total - hit) * scale);
        }
    }
    return std::log(total) - (logits[label] - largest);
}

// How many classes come before the label; among equal logits the lower class does. A NaN never helps the
// label.
int rank_of(std::span<const float> logits, std::size_t label) {
    int before = 0;
    for (std::size_t c = 0; c < logits.size(); ++c) {
        const bool at_most = logits[c] <= logits[label];
        const bool tied = logits[c] == logits[label];
        before += c != label && (!at_most || (tied && c < label)) ? 1 : 0;
    }
    return before + (std::isnan(logits[label]) ? 1 : 0);
}

} // namespace

std::optional<tensor> score_softmax_cross_entropy(plan_builder& plan, tensor logits) {
    logits = plan.in_plain_layout(std::move(logits));
    const auto classes = static_cast<std::size_t>(logits.desc().dims()[1]);
    std::optional<tensor> diff;
    if (plan.training()) {
        diff = plan.make(logits.desc());
    }
    plan.emit([logits = logits.memory, diff = diff ? diff->memory : dnnl::memory(), classes,
               training = plan.training()](run_context& context) {
        const auto images = static_cast<std::size_t>(context.batch.size());
        const double scale = 1.0 / static_cast<double>(images);
        for (std::size_t i = 0; i < images; ++i) {
            const std::span row(floats_of(logits) + i * classes, classes);
            const auto label = static_cast<std::size_t>(context.batch.labels[i]);
            float* const row_diff = training ? floats_of(diff) + i * classes : nullptr;
            context.score.loss += cross_entropy(row, label, row_diff, scale);
            const int rank = rank_of(row, label);
            context.score.correct += rank < 1 ? 1 : 0;
            context.score.correct_top5 += rank < 5 ? 1 : 0;
            if (!context.correct.empty()) {
                context.correct[i] = rank < 1 ? 1 : 0;
            }
        }
    });
    return diff;
}

} // namespace feddip::nn
