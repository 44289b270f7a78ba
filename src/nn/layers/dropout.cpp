#include "nn/elementwise.hpp"
#include "nn/layers/layer.hpp"

namespace feddip::nn {

namespace {

using dnnl::memory;

// Inverted dropout: kept values are scaled by 1 / (1 - p) in training, inference changes nothing. Works in
// plain layout, so that what is dropped does not depend on how other layers lay out their values.
class dropout final : public layer {
public:
    explicit dropout(float probability) : probability_(probability), scale_(1.0F / (1.0F - probability)) {}

    tensor forward(plan_builder& plan, std::vector<tensor> inputs) override {
        if (!plan.training() || probability_ == 0.0F) {
            return std::move(inputs[0]);
        }
        const tensor in = plan.in_plain_layout(std::move(inputs[0]));
        tensor out = plan.make(in.desc());
        const auto n = static_cast<memory::dim>(size_of(in.desc()));
        kept_ = plan.make({{n}, memory::data_type::u8, memory::format_tag::a});
        plan.emit([in = in.memory, out = out.memory, kept = kept_.memory, scale = scale_, p = probability_,
                   n](run_context& context) {
            auto* bytes = static_cast<std::uint8_t*>(kept.get_data_handle());
            for (memory::dim i = 0; i < n; ++i) {
                bytes[i] = context.dropout->uniform() >= p ? 1 : 0;
            }
            scale_kept(floats_of(in), bytes, scale, floats_of(out), static_cast<std::size_t>(n));
        });
        return out;
    }

    std::vector<tensor> backward(plan_builder& plan, tensor diff_out, bool wanted) override {
        if (!wanted) {
            return {};
        }
        if (probability_ == 0.0F) {
            return {std::move(diff_out)};
        }
        diff_out = plan.in_plain_layout(std::move(diff_out));
        tensor diff_in = plan.make(diff_out.desc());
        plan.emit([from = diff_out.memory, to = diff_in.memory, kept = kept_.memory, scale = scale_,
                   n = size_of(diff_out.desc())](run_context&) {
            scale_kept(floats_of(from), static_cast<const std::uint8_t*>(kept.get_data_handle()), scale,
                       floats_of(to), n);
        });
        return {diff_in};
    }

private:
    float probability_;
    float scale_;
    tensor kept_; // one byte per value
};

} // namespace

std::unique_ptr<layer> make_dropout(const fused_layer& fused) {
    return std::make_unique<dropout>(fused.spec.drop_probability);
}

} // namespace feddip::nn
