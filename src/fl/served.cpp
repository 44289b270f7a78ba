// A round around a server. What it publishes at the end of a round is the download of the next: all ranks
// begin with w'_t.
#include "fl/accounting.hpp"
#include "fl/aggregator.hpp"
#include "fl/measurement.hpp"
#include "fl/roster.hpp"
#include "fl/server.hpp"
#include "fl/training.hpp"
#include "fl/world.hpp"

#include <utility>

namespace feddip::fl {

namespace {

class served final : public world {
public:
    served(workplace& here, const start_cost& owed)
        : accounting_(here), roster_(here, accounting_), training_(here, roster_), aggregator_(here),
          server_(here), measurement_(here) {
        accounting_.owe(owed);
    }

    void prepare(run_state& state) override { measurement_.begin(state); }

    void run(ongoing_round& now, run_state& state) override {
        roster_.call(now, state);
        accounting_.charge_downloads(now, state);
        auto updates = aggregator_.open(now, state);
        const auto trained = training_.run(now, state.model, *updates);
        auto average = aggregator_.close(*updates, trained, now);
        accounting_.charge_uploads(now, updates->exchanged());
        roster_.keep(now, state);
        server_.reconfigure(std::move(average), now, state);
        server_.publish(now, state);
        measurement_.run(now, state);
    }

private:
    accounting accounting_;
    roster roster_;
    training training_;
    aggregator aggregator_;
    server server_;
    measurement measurement_;
};

} // namespace

std::unique_ptr<world> make_served(workplace& here, const start_cost& owed) {
    return std::make_unique<served>(here, owed);
}

} // namespace feddip::fl
