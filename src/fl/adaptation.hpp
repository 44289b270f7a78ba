// The answer to drift ([adaptation] of the config): a detector listens to the loss that the clients measure
// in training, and for some rounds after its alarm the method follows another plan.
#pragma once

#include "fl/detectors/detector.hpp"
#include "fl/experiment.hpp"

#include <memory>
#include <span>

namespace feddip::fl {

class adaptation {
public:
    // `past` are the rounds before, on rank 0: the detector hears them again, so that none of its own needs
    // to be kept.
    adaptation(const workplace& here, std::span<const round_record> past);

    // Collective: the plan of round t.
    round_plan plan(int round);

    // On rank 0, before the record is kept: whether the round gives an alarm. While an answer lasts nothing
    // is listened to, and a new detector begins after it.
    void listen(round_record& record);

private:
    bool answers(int round) const;

    const workplace& here_;
    std::unique_ptr<detector> detector_; // null where there is no answer
    int alarm_ = -1;                     // the round t of the last one, -1: none yet
};

} // namespace feddip::fl
