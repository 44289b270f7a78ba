#include "nn/blocks.hpp"
#include "nn/elementwise.hpp"
#include "nn/layers/blocked.hpp"

#include <algorithm>
#include <span>

namespace feddip::nn {

namespace {

using dnnl::memory;

constexpr std::size_t plain_block = 1;

// In blocks of so many images too, in the order of the plain layout: both drop the same values.
void draw(random_stream& random, float probability, std::size_t images, std::size_t block,
          std::span<std::uint8_t> kept) {
    const std::size_t blocks = (images + block - 1) / block;
    const std::size_t size = kept.size() / (blocks * block);
    std::ranges::fill(kept.last(size * block), std::uint8_t{0}); // for images that aren't there
    for (std::size_t n = 0; n < images; ++n) {
        std::uint8_t* const to = kept.data() + n / block * size * block + n % block;
        for (std::size_t i = 0; i < size; ++i) {
            to[i * block] = random.uniform() >= probability ? 1 : 0;
        }
    }
}

// Inverted dropout: kept values are scaled by 1 / (1 - p) in training, inference changes nothing. Brings its
// input into one layout, so that what is dropped does not depend on how other layers lay out their values.
class dropout final : public layer {
public:
    dropout(float probability, std::size_t block)
        : probability_(probability), scale_(1.0F / (1.0F - probability)), block_(block) {}

    tensor forward(plan_builder& plan, std::vector<tensor> inputs) override {
        if (!plan.training() || probability_ == 0.0F) {
            return std::move(inputs[0]);
        }
        const tensor in = bring(plan, std::move(inputs[0]));
        tensor out = plan.make(in.desc());
        const auto n = size_of(in.desc());
        kept_ = plan.make({{static_cast<memory::dim>(n)}, memory::data_type::u8, memory::format_tag::a});
        plan.emit([in = in.memory, out = out.memory, kept = kept_.memory, scale = scale_, p = probability_,
                   images = static_cast<std::size_t>(in.desc().dims()[0]), block = block_,
                   n](run_context& context) {
            auto* bytes = static_cast<std::uint8_t*>(kept.get_data_handle());
            draw(*context.dropout, p, images, block, {bytes, n});
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
        diff_out = bring(plan, std::move(diff_out));
        tensor diff_in = diff_out.unshared() ? diff_out : plan.make(diff_out.desc());
        plan.emit([from = diff_out.memory, to = diff_in.memory, kept = kept_.memory, scale = scale_,
                   n = size_of(diff_out.desc())](run_context&) {
            scale_kept(floats_of(from), static_cast<const std::uint8_t*>(kept.get_data_handle()), scale,
                       floats_of(to), n);
        });
        return {diff_in};
    }

private:
    tensor bring(plan_builder& plan, tensor t) const {
        return block_ == plain_block ? plan.in_plain_layout(std::move(t)) : in_blocks(plan, std::move(t));
    }

    float probability_;
    float scale_;
    std::size_t block_; // images
    tensor kept_;       // one byte per value
};

} // namespace

std::unique_ptr<layer> make_dropout(const fused_layer& fused) {
    return std::make_unique<dropout>(fused.spec.drop_probability, plain_block);
}

std::unique_ptr<layer> make_blocked_dropout(const fused_layer& fused) {
    return std::make_unique<dropout>(fused.spec.drop_probability, sparse::kernels::lanes);
}

} // namespace feddip::nn
