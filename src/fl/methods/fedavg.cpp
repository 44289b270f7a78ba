// FedAvg (McMahan et al. 2017): no mask, no regularization.
#include "fl/methods/fedavg.hpp"

#include "sparse/schedules.hpp"

namespace feddip::fl {

namespace {

class fedavg final : public method {
public:
    explicit fedavg(const config::optimizer_section& optimizer) : optimizer_(optimizer) {}

    round_plan plan(int round) const override {
        return {.round = round,
                .sgd = {.learning_rate = static_cast<float>(
                            sparse::learning_rate_at(round, optimizer_.learning_rate, optimizer_.decay)),
                        .weight_decay = static_cast<float>(optimizer_.weight_decay),
                        .regularization = 0.0F}};
    }

    sparse::mask start_mask(const parameter_layout& layout) const override {
        return {layout.prunable_size(), true};
    }

    sparse::mask reconfigure(const round_plan&, std::span<const float>,
                             const sparse::mask& current) const override {
        return current;
    }

private:
    config::optimizer_section optimizer_;
};

} // namespace

std::unique_ptr<method> make_fedavg(const config::run_config& config) {
    return std::make_unique<fedavg>(config.optimizer);
}

} // namespace feddip::fl
