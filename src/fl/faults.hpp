// What goes wrong with sampled clients, as an experiment asks for it.
#pragma once

#include "config/config.hpp"

#include <cstdint>

namespace feddip::fl {

// Pure functions of the seed, the round t and the client.
class fault_model {
public:
    fault_model(const config::faults_section& faults, std::uint64_t seed) : faults_(faults), seed_(seed) {}

    // Whether the client receives the model of the round and is not heard of again in it. Of protected
    // clients their key says that, not the seed (sampling.hpp).
    bool drops_out(int round, int client) const;

    // How many times as long as usual the client's links and training take; 1 or [faults] slow_factor.
    double slowdown(int round, int client) const;

private:
    config::faults_section faults_;
    std::uint64_t seed_;
};

} // namespace feddip::fl
