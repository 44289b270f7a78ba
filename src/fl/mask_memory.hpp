// What becomes of the masks of a run (analysis.mask_history): which weights were ever alive, and how far the
// mask is from the one before the last drift began.
#pragma once

#include "fl/experiment.hpp"
#include "fl/round.hpp"

namespace feddip::fl {

// Elsewhere than on rank 0, and where it isn't asked for, nothing of it does anything.
class mask_memory {
public:
    explicit mask_memory(const workplace& here) : here_(here) {}

    void begin(run_state& state) const;                      // before the first round that there is
    void follow(ongoing_round& now, run_state& state) const; // at the end of a round

private:
    bool remembers() const;

    const workplace& here_;
};

} // namespace feddip::fl
