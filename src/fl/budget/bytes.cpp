// The same number of bytes for every client in every round, never more.
#include "fl/budget/controllers.hpp"

namespace feddip::fl {

namespace {

class bytes_per_round final : public controller {
public:
    explicit bytes_per_round(double most) : most_(most) {}

    allowance next(std::span<const past_round>) const override { return {.most = most_}; }
    bool is_binding() const override { return true; }

private:
    double most_;
};

} // namespace

std::unique_ptr<controller> make_bytes(const config::budget_section& budget, const parameter_layout&) {
    return std::make_unique<bytes_per_round>(budget.bytes_per_round);
}

} // namespace feddip::fl
