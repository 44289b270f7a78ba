// The update turned round, `strength` times as long.
#include "fl/attacks/changes.hpp"
#include "fl/attacks/kinds.hpp"

namespace feddip::fl {

namespace {

class sign_flip final : public attack {
public:
    explicit sign_flip(double strength) : strength_(strength) {}

    void forge(const attack_setting& setting, random_stream&, std::span<float> weights) const override {
        scale_change(setting.model.state, -strength_, weights);
    }

private:
    double strength_;
};

} // namespace

std::unique_ptr<attack> make_sign_flip(double strength) {
    return std::make_unique<sign_flip>(strength);
}

} // namespace feddip::fl
