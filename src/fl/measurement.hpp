// What is measured of the model at the end of a round.
#pragma once

#include "fl/experiment.hpp"
#include "fl/round.hpp"

namespace feddip::fl {

// Whether accuracy is measured after round t.
bool evaluates(const workplace& here, int round);

class measurement {
public:
    explicit measurement(workplace& here) : here_(here) {}

    // Collective: accuracy, and gradients and norms where the analysis asks for them, at w'_{t+1}.
    void run(ongoing_round& now, const global_model& model);

private:
    void evaluate(const global_model& model, int round, round_record& record);
    void measure_layers(const global_model& model, int round, round_record& record);

    workplace& here_;
};

} // namespace feddip::fl
