// Makes one update of many. A new rule is a file here, and a line in rules.hpp, registry.cpp, CMakeLists.txt.
//
// Three kinds of rule fit behind the interface.
//
// Sums (mean.cpp): each upload joins a sum along the slot tree as soon as it is there, and is let go. Where
// clients' supports differ, a second sum carries who sent what: coverage.
//
// Rules that need all updates (coordinate_wise.hpp, combination.hpp): uploads stay on the rank that trained
// them until collect(), where they are cut into slices of coordinates (slices.hpp), one slice to each rank,
// so that no rank holds them all.
//
// Secure sums (secure_sum.cpp): add() masks the fixed-point values of each upload, and all that goes to rank
// 0 is their sum on each rank, modulo a power of two.
#pragma once

#include "base/layout.hpp"
#include "config/config.hpp"
#include "fl/message.hpp"
#include "fl/method.hpp"
#include "fl/state.hpp"
#include "fl/transport.hpp"
#include "fl/upload.hpp"
#include "sparse/ladder.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace feddip::fl {

// What the uploads of a round amount to.
struct aggregate {
    std::vector<float> state; // layout.size() floats: w_{t+1}, not yet pruned
    // Where the plan has them sent, else empty; layout.prunable_size() floats each.
    std::vector<float> squared_gradients = {};
    // Where some clients hold only a part of the model: the share of the samples that trained a weight of the
    // mask, on average over the whole mask and over that of each prunable tensor (NaN where none is alive).
    double coverage = not_measured;
    std::vector<double> layer_coverage = {};
    std::vector<float> senders = {}; // the share of the samples whose clients sent the weight
    double next_clip = 0;            // of protected clients: the bound of their next updates
};

// One round of a rule.
class aggregation {
public:
    virtual ~aggregation() = default;

    // This rank's slots, in ascending order, each once.
    virtual void add(int slot, upload sent) = 0;

    // Collective, once all are added.
    virtual void collect() = 0;

    // On rank 0, afterwards: the slots whose updates have no part in the result, beside those that were not
    // included.
    virtual std::vector<int> left_out() const { return {}; }

    // On rank 0, afterwards: what each sampled client has sent, the upload included, and received where the
    // rule has a protocol of its own.
    virtual std::vector<exchanged_bytes> exchanged() const { return {}; }

    // On rank 0, afterwards: what the uploads amount to, of which those that are included have `samples`
    // images together, at least one.
    virtual aggregate result(std::uint64_t samples) = 0;
};

// What a round of aggregation is about, the same on every rank; all of it outlives the round.
struct aggregation_setting {
    const round_plan& plan;
    const parameter_layout& layout;
    const global_model& model; // what the clients were sent
    std::span<const int> owner_of_slot;
    protection_state protection = {}; // on rank 0, where clients are protected
    // Slots are those of the sampled clients that answer: which of them each is, and how many were sampled.
    std::span<const std::size_t> sampled_of_slot = {};
    std::size_t sampled = 0;
    // Where some clients hold only a part of the model: which, by slot, of this ranking.
    const sparse::ladder* ladder = nullptr;
    std::span<const sparse::ladder_part> part_of_slot = {};
};

// A rule as the config chooses it.
class aggregation_rule {
public:
    virtual ~aggregation_rule() = default;
    // Collective.
    virtual std::unique_ptr<aggregation> start(const aggregation_setting& setting,
                                               transport& ranks) const = 0;

    // With fewer updates than this a round leaves the model as it is, where so many others were not finite.
    // 0: a round of none has a result, too.
    virtual int least_updates([[maybe_unused]] int not_finite) const { return 1; }
};

// Throws input_error for an unknown name, and where a round has too few clients for as many hostile ones.
std::unique_ptr<aggregation_rule> make_aggregation_rule(const config::run_config& config);
std::vector<std::string> aggregation_names();

} // namespace feddip::fl
