// Any number of bytes: what a client can hold is its only limit.
#include "fl/budget/controllers.hpp"

#include <limits>

namespace feddip::fl {

namespace {

class fixed final : public controller {
public:
    allowance next(std::span<const past_round>) const override {
        return {.most = std::numeric_limits<double>::infinity()};
    }
};

} // namespace

std::unique_ptr<controller> make_fixed(const config::budget_section&, const parameter_layout&) {
    return std::make_unique<fixed>();
}

} // namespace feddip::fl
