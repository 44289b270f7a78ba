#include "nn/blocks.hpp"
#include "nn/elementwise.hpp"
#include "nn/layers/blocked.hpp"

#include <algorithm>

namespace feddip::nn {

namespace {

using dnnl::memory;
using sparse::kernels::lanes;

// Draws in the order of the plain layout, as the dense dropout does, so that both drop the same values.
void draw_blocked(random_stream& random, float probability, std::size_t images, std::size_t size,
                  std::uint8_t* kept) {
    const std::size_t blocks = (images + lanes - 1) / lanes;
    std::fill_n(kept + (blocks - 1) * size * lanes, size * lanes, std::uint8_t{0});
    for (std::size_t n = 0; n < images; ++n) {
        std::uint8_t* const to = kept + n / lanes * size * lanes + n % lanes;
        for (std::size_t i = 0; i < size; ++i) {
            to[i * lanes] = random.uniform() >= probability ? 1 : 0;
        }
    }
}

class blocked_dropout final : public layer {
public:
    explicit blocked_dropout(float probability)
        : probability_(probability), scale_(1.0F / (1.0F - probability)) {}

    tensor forward(plan_builder& plan, std::vector<tensor> inputs) override {
        if (!plan.training() || probability_ == 0.0F) {
            return std::move(inputs[0]);
        }
        const tensor in = in_blocks(plan, std::move(inputs[0]));
        tensor out = plan.make(in.desc());
        const memory::dims d = in.desc().dims();
        const auto padded = static_cast<memory::dim>(size_of(in.desc()));
        kept_ = plan.make({{padded}, memory::data_type::u8, memory::format_tag::a});
        plan.emit([in = in.memory, out = out.memory, kept = kept_.memory, scale = scale_, p = probability_,
                   images = static_cast<std::size_t>(d[0]),
                   size = static_cast<std::size_t>(d[1] * d[2] * d[3]),
                   n = size_of(in.desc())](run_context& context) {
            auto* bytes = static_cast<std::uint8_t*>(kept.get_data_handle());
            draw_blocked(*context.dropout, p, images, size, bytes);
            scale_kept(floats_of(in), bytes, scale, floats_of(out), n);
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
        diff_out = in_blocks(plan, std::move(diff_out));
        tensor diff_in = diff_out.unshared() ? diff_out : plan.make(diff_out.desc());
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

std::unique_ptr<layer> make_blocked_dropout(const fused_layer& fused) {
    return std::make_unique<blocked_dropout>(fused.spec.drop_probability);
}

} // namespace feddip::nn
