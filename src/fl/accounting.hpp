// What a round costs each sampled client, in bytes and in the time that its links would take. Downloads are
// priced here. Uploads say themselves how long they are (upload.cpp, peer_training.cpp, or the protocol of
// aggregation/secure_sum.cpp), and are charged here.
#pragma once

#include "base/layout.hpp"
#include "fl/experiment.hpp"
#include "fl/first_look.hpp"
#include "fl/link_model.hpp"
#include "fl/message.hpp"
#include "fl/round.hpp"

#include <cstdint>
#include <map>
#include <span>
#include <tuple>
#include <utility>

namespace feddip::fl {

struct download_cost {
    std::uint64_t bytes = 0;     // header, mask where it is new to the client, values, tail
    std::uint64_t positions = 0; // of these, the coded mask
};

// Of one client in one round, in bytes.
struct exchange_price {
    std::uint64_t down = 0, up = 0;
    std::uint64_t both() const { return down + up; }
};

// Charges clients for what they really need to be sent: a client that still holds an older mask gets the
// difference to it, while the server remembers that one, and else the whole mask. One with a part of the mask
// is sent that, as the difference to the part it holds by the same ranking of the same mask or to an
// older whole one, or by itself, whichever is smaller.
class download_ledger {
public:
    explicit download_ledger(const parameter_layout& layout) : layout_(&layout) {}

    // The cost of sending a part of `state.model` to `client`.
    download_cost cost(const run_state& state, int client, sparse::ladder_part part = {});
    // The same, and from then on the client holds it.
    download_cost charge(run_state& state, int client, sparse::ladder_part part = {});

    // The cost with the whole mask, as for one who holds none.
    download_cost whole(const run_state& state);

private:
    // The version of a mask held or remembered, its part, and the part that is sent.
    using transition = std::tuple<std::uint32_t, int, int, int, int>;
    std::uint64_t mask_bytes(const run_state& state, std::uint32_t held, const held_part& its_part,
                             sparse::ladder_part sent);

    const parameter_layout* layout_;
    std::pair<std::uint32_t, std::int32_t> coded_version_{0, 0}; // mask and ranking that `coded_` is about
    std::map<transition, std::uint64_t> coded_{};                // bytes of positions
};

// The authors' measure of one round, 32 (1 - s) n / 2^20 for each transfer, with n all trainable parameters:
// mebibits of values. `s` is the sparsity of what is sent: of the model down to some clients, of the updates
// up from some. Where clients choose what they send (own masks, the largest weights), `s` is the plan's
// target; where clients exchange models, the mean over the masks that they trained with.
double reference_cost_mib(const parameter_layout& layout, double sparsity_down, double clients_down,
                          double sparsity_up, double clients_up);

// A participant's work but for the bytes of its upload, with `images` in its share.
client_work work_of(const participant& p, double images, const config::run_config& config);

// Of the first client, before the first round.
client_work work_of(const start_cost& look);

// A model that goes from one client to another, where there is no server.
struct exchanged {
    int from = 0, to = 0;
    std::uint64_t bytes = 0, positions = 0;
};

// Elsewhere than on rank 0 nothing of it does anything.
class accounting {
public:
    explicit accounting(const workplace& here);

    // To be charged to the next round, which begins after it: to no client's record, for it need not be
    // sampled then.
    void owe(const start_cost& cost) { owed_ = cost; }

    // What each sampled client receives, before any has trained. Of protected clients the round is charged
    // here, with the mean over all draws of who takes part, and each with the whole mask: a server that knows
    // which mask a client holds knows when it took part.
    void charge_downloads(ongoing_round& now, run_state& state);

    // What a client would be charged in the round for holding such a part.
    exchange_price price(const round_plan& plan, const run_state& state, int client,
                         sparse::ladder_part part);

    // What each has sent, as its record says or what a protocol exchanged in place of the uploads, and how
    // long all that would have taken it.
    void charge_uploads(ongoing_round& now, std::span<const exchanged_bytes> in_their_place = {}) const;

    // Both, where clients exchange models: each message is sent once and received once.
    void charge_exchange(std::span<const exchanged> messages, ongoing_round& now) const;

private:
    void charge_expected(ongoing_round& now, const run_state& state);
    void simulate(ongoing_round& now) const;

    const workplace& here_;
    download_ledger downloads_;
    link_model links_;
    start_cost owed_, paid_; // paid_: in this round
};

} // namespace feddip::fl
