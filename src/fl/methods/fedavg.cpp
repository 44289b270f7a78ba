// FedAvg (McMahan et al. 2017): no mask, no regularization.
#include "fl/methods/common.hpp"
#include "fl/methods/registry.hpp"

namespace feddip::fl {

namespace {

class fedavg final : public method {
public:
    explicit fedavg(const config::optimizer_section& optimizer) : optimizer_(optimizer) {}

    round_plan plan(int round) const override {
        return {.round = round, .sgd = plain_sgd(optimizer_, round)};
    }

private:
    config::optimizer_section optimizer_;
};

} // namespace

std::unique_ptr<method> make_fedavg(const config::run_config& config) {
    return std::make_unique<fedavg>(config.optimizer);
}

} // namespace feddip::fl
