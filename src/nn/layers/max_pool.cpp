#include "nn/layers/layer.hpp"
#include "nn/pooling_kernels.hpp"

#include <optional>

namespace feddip::nn {

namespace {

using dnnl::memory;
using tag = memory::format_tag;

// How a pooling sees its tensors: as images whose pixels are runs of channels.
struct pooled_layout {
    pooling_shape shape;
    memory::desc in, out;
};

pooled_layout layout_for(const memory::desc& in, std::size_t window) {
    const memory::dims d = in.dims();
    const auto at = [](memory::dim extent) { return static_cast<std::size_t>(extent); };
    pooled_layout found{.shape = {.images = at(d[0]),
                                  .height = at(d[2]),
                                  .width = at(d[3]),
                                  .channels = at(d[1]),
                                  .window = window},
                        .in = in,
                        .out = {}};
    constexpr memory::dim block = 16;
    const auto in_blocks = [&](tag layout) { return memory::desc(d, memory::data_type::f32, layout); };
    tag out = tag::nhwc;
    if (in == in_blocks(tag::nChw16c) && d[1] % block == 0) {
        found.shape.images *= at(d[1] / block);
        found.shape.channels = at(block);
        out = tag::nChw16c;
    } else if (in == in_blocks(tag::Abcd16a) && d[0] % block == 0) {
        found.shape.images = at(d[0] / block * d[1]);
        found.shape.channels = at(block);
        out = tag::Abcd16a;
    } else {
        found.in = in_blocks(tag::nhwc);
    }
    const auto side = static_cast<memory::dim>(window);
    found.out = {{d[0], d[1], d[2] / side, d[3] / side}, memory::data_type::f32, out};
    return found;
}

class max_pool final : public layer {
public:
    explicit max_pool(const fused_layer& fused)
        : window_(static_cast<std::size_t>(fused.spec.kernel)), relu_backward_(fused.relu_backward) {}

    tensor forward(plan_builder& plan, std::vector<tensor> inputs) override {
        layout_ = layout_for(inputs[0].desc(), window_);
        const tensor in = plan.in_layout(std::move(inputs[0]), layout_.in);
        const tensor out = plan.make(layout_.out);
        if (!plan.training()) {
            plan.emit([shape = layout_.shape, in = in.memory, out = out.memory](run_context&) {
                max_pool_forward(shape, false, floats_of(in), floats_of(out), nullptr);
            });
            return out;
        }
        const auto size = static_cast<memory::dim>(size_of(layout_.out) + position_slack);
        positions_ = plan.make({{size}, memory::data_type::u8, tag::a});
        plan.emit([shape = layout_.shape, relu = relu_backward_, in = in.memory, out = out.memory,
                   positions = positions_.memory](run_context&) {
            max_pool_forward(shape, relu, floats_of(in), floats_of(out),
                             static_cast<std::uint8_t*>(positions.get_data_handle()));
        });
        return out;
    }

    std::vector<tensor> backward(plan_builder& plan, tensor diff_out, bool wanted) override {
        if (!wanted) {
            return {};
        }
        diff_out = plan.in_layout(std::move(diff_out), layout_.out);
        tensor diff_in = plan.make(layout_.in);
        plan.emit([shape = layout_.shape, from = diff_out.memory, positions = positions_.memory,
                   to = diff_in.memory](run_context&) {
            max_pool_backward(shape, floats_of(from),
                              static_cast<const std::uint8_t*>(positions.get_data_handle()), floats_of(to));
        });
        return {diff_in};
    }

private:
    std::size_t window_;
    bool relu_backward_;
    pooled_layout layout_;
    tensor positions_;
};

} // namespace

std::unique_ptr<layer> make_max_pool(const fused_layer& fused) {
    return std::make_unique<max_pool>(fused);
}

} // namespace feddip::nn
