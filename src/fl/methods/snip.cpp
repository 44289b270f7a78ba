// SNIP (Lee et al. 2019): before training, one client ranks the weights by their saliency |w dL/dw| on one
// minibatch, at the weights that are then trained; the largest 1 - s_p of the whole network make the mask,
// which stays. The variant "authors" is that of FedDIP's authors: the saliency is that of weights drawn for
// it alone, Xavier-normal ones.
#include "fl/first_client.hpp"
#include "fl/methods/common.hpp"
#include "fl/methods/registry.hpp"
#include "sparse/magnitude.hpp"

#include <cmath>

namespace feddip::fl {

namespace {

// Glorot and Bengio 2010: variance 2 / (fan_in + fan_out).
void draw_xavier_normal(const parameter_layout& layout, std::uint64_t seed, std::span<float> state) {
    std::uint32_t index = 0;
    for (const auto& p : layout.weights()) {
        random_stream random(seed, 0, index++, purpose::probing);
        const auto kernel = p.fan_in / p.shape[1]; // positions
        const auto fans = static_cast<double>(p.fan_in + p.shape[0] * kernel);
        for (float& w : state.subspan(p.offset, p.size)) {
            w = static_cast<float>(std::sqrt(2.0 / fans) * random.normal());
        }
    }
}

class snip final : public method {
public:
    explicit snip(const config::run_config& config) : config_(config) {}

    round_plan plan(int round) const override { return round_at_target(config_, round); }

    first_look looks_first() const override {
        return config_.method.variant == config::variant_kind::authors ? first_look::gradient
                                                                       : first_look::saliency;
    }

    sparse::mask look(first_client& client, std::span<float> state) const override {
        std::vector<float> scored(state.begin(), state.end());
        if (config_.method.variant == config::variant_kind::authors) {
            draw_xavier_normal(client.layout(), config_.federation.seed, scored);
        }
        std::vector<float> saliency = client.gradient(scored);
        saliency.resize(client.layout().prunable_size());
        for (std::size_t i = 0; i < saliency.size(); ++i) {
            saliency[i] *= scored[i];
        }
        return sparse::prune_smallest(saliency, config_.sparsity.target);
    }

private:
    config::run_config config_;
};

} // namespace

std::unique_ptr<method> make_snip(const config::run_config& config) {
    return std::make_unique<snip>(config);
}

} // namespace feddip::fl
