// Local training of a round's clients, on the ranks where they are placed.
#pragma once

#include "fl/experiment.hpp"
#include "fl/round.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace feddip::fl {

class aggregation;
class attackers;
class roster;

// Of a rank's clients, or of all ranks' (gathering.hpp).
struct training_report {
    std::vector<client_record> clients; // in slot order
    double seconds = 0;                 // of the slowest rank

    void append_to(std::vector<std::byte>& message) const;
    void join(std::span<const std::byte> message);
};

class training {
public:
    // Both outlive the stage.
    training(workplace& here, const roster& clients);
    ~training();

    // This rank's clients train one after another; each upload joins `updates` as soon as it is there.
    training_report run(const ongoing_round& now, const global_model& model, aggregation& updates);

private:
    void pool_seen(const ongoing_round& now, const global_model& model);
    client_record train(local_trainer& trainer, const participant& p, const ongoing_round& now,
                        const global_model& model, const std::function<void()>& on_batch) const;
    void send(local_trainer& trainer, const participant& p, const ongoing_round& now,
              const global_model& model, int slot, client_record& record, aggregation& updates);
    std::vector<float> residual_of(const round_plan& plan, const participant& p);

    workplace& here_;
    const roster& roster_;
    std::unique_ptr<attackers> attackers_;
};

} // namespace feddip::fl
