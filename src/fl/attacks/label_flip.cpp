// Training on wrong labels, class c of C as C - 1 - c (Fang et al. 2020); the update is then sent `strength`
// times as long.
#include "fl/attacks/kinds.hpp"
#include "fl/attacks/poisoning.hpp"

namespace feddip::fl {

namespace {

class label_flip final : public poisoning {
public:
    using poisoning::poisoning;

    void poison(const data::dataset_facts& facts, std::size_t, std::span<std::uint8_t>,
                std::uint8_t& label) const override {
        label = static_cast<std::uint8_t>(facts.classes - 1 - label);
    }
};

} // namespace

std::unique_ptr<attack> make_label_flip(double strength) {
    return std::make_unique<label_flip>(strength);
}

} // namespace feddip::fl
