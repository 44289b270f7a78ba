#include "fl/progress.hpp"

#include <algorithm>

namespace feddip::fl {

std::function<void()> progress_of(int round, const cast& who, const workplace& here) {
    int batches = 0;
    for (const std::size_t s : who.slots_of(here.ranks.rank())) {
        batches += here.trainer.batches(who.at_slot(s).images.size());
    }
    return [&here, round, batches, done = 0]() mutable {
        ++done;
        if (here.at_server()) {
            const double share = static_cast<double>(done) / batches;
            std::ranges::for_each(here.observers, [&](observer* o) { o->on_progress(round + 1, share); });
        }
    };
}

} // namespace feddip::fl
