// How clients without a server put their models together.
#pragma once

#include "base/layout.hpp"
#include "fl/state.hpp"

#include <cstdint>
#include <vector>

namespace feddip::fl {

// The mean of models on the intersection of their masks (Dai et al. 2022): of each weight over those models
// in whose mask it is alive, of all else over all models.
class intersection_average {
public:
    explicit intersection_average(const parameter_layout& layout);

    void add(const global_model& model);

    // To be called once, after at least one model. The mean, pruned to `mask`, and how much that took away:
    // ||w - w'||^2 / ||w||^2 over the prunable weights.
    struct result {
        global_model model;
        double pruning_error = 0;
    };
    result pruned_to(sparse::mask mask);

private:
    const parameter_layout* layout_;
    int models_ = 0;
    std::vector<float> sum_;
    std::vector<std::uint32_t> alive_in_; // models, of each prunable weight
};

} // namespace feddip::fl
