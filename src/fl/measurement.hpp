// What is measured of the model, and of its masks, at the end of a round.
#pragma once

#include "fl/attack_success.hpp"
#include "fl/experiment.hpp"
#include "fl/mask_memory.hpp"
#include "fl/round.hpp"

namespace feddip::fl {

// Whether accuracy is measured after round t.
bool evaluates(const workplace& here, int round);

class measurement {
public:
    explicit measurement(workplace& here) : here_(here), masks_(here), attack_(here) {}

    // Before the first round that there is.
    void begin(run_state& state) const { masks_.begin(state); }

    // Collective: accuracy, and gradients, norms and masks where the analysis asks for them, at w'_{t+1}.
    void run(ongoing_round& now, run_state& state);

private:
    void evaluate(const global_model& model, int round, round_record& record);
    void measure_layers(const global_model& model, int round, round_record& record);

    workplace& here_;
    mask_memory masks_;
    attack_success attack_;
};

} // namespace feddip::fl
