// What the model and the updates of a round cost each sampled client in bytes.
#pragma once

#include "base/layout.hpp"
#include "fl/method.hpp"
#include "fl/state.hpp"

#include <cstdint>
#include <map>
#include <span>

namespace feddip::fl {

struct download_cost {
    std::uint64_t bytes = 0;     // header, mask where it is new to the client, values, tail
    std::uint64_t positions = 0; // of these, the coded mask
};

// Charges clients for what they really need to be sent: a client that still holds an older mask gets the
// difference to it, while the server remembers that one, and else the whole mask.
class download_ledger {
public:
    explicit download_ledger(const parameter_layout& layout) : layout_(&layout) {}

    // The cost of sending `state.model` to `client`, which from then on holds its mask.
    download_cost charge(run_state& state, int client);

private:
    std::uint64_t mask_bytes(const run_state& state, std::uint32_t held);

    const parameter_layout* layout_;
    std::uint32_t coded_version_ = 0;                // which mask `coded_` is about
    std::map<std::uint32_t, std::uint64_t> coded_{}; // bytes to bring a holder of that version up to date
};

// The authors' measure of one round, 32 (1 - s) n / 2^20 for each transfer, with n all trainable parameters:
// mebibits of values. `s` is the sparsity of what is sent: of the model down to some clients, of the updates
// up from some.
double reference_cost_mib(const parameter_layout& layout, double sparsity_down, std::size_t clients_down,
                          double sparsity_up, std::size_t clients_up);

} // namespace feddip::fl
