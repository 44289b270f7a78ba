// FedProx (Li et al. 2020): FedAvg with the term (mu/2) ||w - w_t||^2 in the local loss, which holds clients
// near the global model. The program of FedDIP's authors squares nothing and compares the model with itself,
// so that its term is always 0: the variant "authors".
#include "fl/methods/common.hpp"
#include "fl/methods/registry.hpp"

namespace feddip::fl {

namespace {

class fedprox final : public method {
public:
    explicit fedprox(const config::run_config& config) : config_(config) {}

    round_plan plan(int round) const override {
        auto plan = averaging_round(config_, round);
        if (config_.method.variant == config::variant_kind::paper) {
            plan.proximal = static_cast<float>(config_.fedprox.mu);
        }
        return plan;
    }

private:
    config::run_config config_;
};

} // namespace

std::unique_ptr<method> make_fedprox(const config::run_config& config) {
    return std::make_unique<fedprox>(config);
}

} // namespace feddip::fl
