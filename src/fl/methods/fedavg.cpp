// FedAvg (McMahan et al. 2017): no mask, no regularization.
#include "fl/methods/common.hpp"
#include "fl/methods/registry.hpp"

namespace feddip::fl {

namespace {

class fedavg final : public method {
public:
    explicit fedavg(const config::run_config& config) : config_(config) {}

    round_plan plan(int round) const override { return averaging_round(config_, round); }

private:
    config::run_config config_;
};

} // namespace

std::unique_ptr<method> make_fedavg(const config::run_config& config) {
    return std::make_unique<fedavg>(config);
}

} // namespace feddip::fl
