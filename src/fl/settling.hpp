// When clients without a server prune their masks further (DA-DPFL, Long et al., arXiv:2404.15943, as its
// authors' program decides it): once their models change little more, and from then on again and again.
//
// Delta_t is the distance of a client's model after round t from its first one, the sum over tensors of
// ||w - w_0||. A client whose |Delta_t - Delta_s| / Delta_first is at most the threshold, s being the round
// in which it trained before, counts as settled. In the first round a in which at least half of the sampled
// clients are, they agree to prune after training in round a + 1, then after a gap of a / pace rounds,
// rounded, then each time after the gap before over the pace, rounded; at least 1.
#pragma once

#include "base/layout.hpp"
#include "fl/method.hpp"
#include "fl/state.hpp"
#include "fl/transport.hpp"

#include <span>
#include <vector>

namespace feddip::fl {

// Delta of a model; both have layout.size() floats.
double distance(const parameter_layout& layout, std::span<const float> model, std::span<const float> first);

class settling {
public:
    settling(const pruning_rhythm& rhythm, int clients);

    // Whether there is anything to agree about; without it nothing of this does anything.
    bool matters() const { return rhythm_.threshold > 0; }

    // On rank 0, each round once and in their order: that of a run resumed tells all that was known.
    void listen(const round_record& record);

    // Collective: what rank 0 has heard.
    void share(transport& ranks);

    // Whether clients that train in round t then prune their masks further.
    bool prunes_in(int round) const;

private:
    pruning_rhythm rhythm_;
    struct distances {
        double first = not_measured, last = not_measured;
    };
    std::vector<distances> clients_;
    int agreed_in_ = -1; // the round t of it; -1: they have not yet
};

} // namespace feddip::fl
