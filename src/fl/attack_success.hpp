// Whether an attack that marks images has come to what it wants.
#pragma once

#include "data/dataset.hpp"
#include "fl/experiment.hpp"
#include "fl/state.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace feddip::fl {

class attack;

class attack_success {
public:
    explicit attack_success(workplace& here);
    ~attack_success();

    // Collective. Of the test images of other classes, marked, the share that the model takes for the class
    // that the attack wants; on rank 0, elsewhere and for attacks that mark nothing not_measured. Images as
    // they are without drift.
    double at(const global_model& model) const;

private:
    workplace& here_;
    std::unique_ptr<attack> how_;
    std::vector<std::uint8_t> wanted_;  // [test images]
    std::vector<std::uint32_t> others_; // ascending
};

} // namespace feddip::fl
