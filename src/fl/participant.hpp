// The clients of one round: made by the roster, with what their budgets allow, and read by all stages.
#pragma once

#include "sparse/ladder.hpp"
#include "sparse/mask.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

namespace feddip::fl {

// What a sampled client holds, receives and sends in one round.
struct participant {
    int client = 0;
    std::span<const std::uint32_t> images = {}; // of its training share, those of the round
    bool hostile = false;                       // it does what the config's attack has it do
    bool answers = true;                        // false: it drops out after the download
    double slowdown = 1;                        // its links and its training take so many times as long
    sparse::ladder_part part = {}; // what it can hold of the model: limited, it trains and sends that alone
    // Through which its passes see the weights, once the roster has equipped it; null: through the model's.
    std::shared_ptr<const sparse::mask> own_mask = nullptr;
    int kept_in = -1; // the round t of what it keeps in the client_store, -1: nothing
    double density =
        std::numeric_limits<double>::quiet_NaN(); // share of the prunable weights held, with a budget
    double feedback =
        0;             // with how much of it comes back what it keeps of earlier rounds; 0: it keeps nothing
    bool late = false; // it would answer after the deadline, and isn't waited for
    std::uint64_t bytes_down = 0; // once it is charged for its download
    // Where there is no server (neighbourhood.hpp), by client: whose models it gets, and for which of
    // these it waits; `level` clients train one after the other before it does.
    std::vector<int> senders = {}, awaited = {};
    int level = 0;

    std::uint32_t samples() const { return static_cast<std::uint32_t>(images.size()); }
    const sparse::mask& mask(const sparse::mask& of_model) const { return own_mask ? *own_mask : of_model; }
};

// Slot s is the s-th sampled client that answers.
struct cast {
    std::vector<participant> sampled; // by client
    // [sampled] their images, where they differ from round to round; else empty.
    std::vector<std::vector<std::uint32_t>> drawn;
    std::vector<std::size_t> slots;              // [slots] which of `sampled`
    std::vector<int> owners;                     // [slots] the rank on which it trains, ascending
    std::vector<sparse::ladder_part> parts = {}; // [slots] what it holds

    const participant& at_slot(std::size_t slot) const { return sampled[slots[slot]]; }
    std::vector<std::size_t> slots_of(int rank) const; // ascending
    std::size_t hostile() const;                       // of those that answer
};

} // namespace feddip::fl
