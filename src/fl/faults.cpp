#include "fl/faults.hpp"

#include "base/random.hpp"

namespace feddip::fl {

namespace {

bool happens(double probability, std::uint64_t seed, int round, int client, purpose what) {
    return probability > 0 &&
           random_stream(seed, static_cast<std::uint32_t>(round), static_cast<std::uint32_t>(client), what)
                   .uniform_double() < probability;
}

} // namespace

bool fault_model::drops_out(int round, int client) const {
    return happens(faults_.drop_probability, seed_, round, client, purpose::dropping_out);
}

double fault_model::slowdown(int round, int client) const {
    const bool slow = happens(faults_.slow_probability, seed_, round, client, purpose::slowing_down);
    return slow ? faults_.slow_factor : 1.0;
}

} // namespace feddip::fl
