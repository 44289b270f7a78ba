// As many bytes as a client has shown to carry within the deadline.
//
// The time of a round is taken to be a + b x bytes. Where the last two rounds with clearly different bytes
// fit that with a, b >= 0, both are known; else, as after the link has changed, all of the last time is put
// down to the bytes. That asks too little of a client in time and is a first step for a late one, whose next
// two rounds then give a and b: within the deadline after three rounds at most, whatever the link has become,
// if a alone is less.
#include "fl/budget/controllers.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace feddip::fl {

namespace {

constexpr double first_share = 0.1; // of the model whole, down and up, for a client that nothing is known of
constexpr double clearly = 0.1;     // relative difference of bytes

class deadline final : public controller {
public:
    deadline(double seconds, double first_bytes) : aim_(deadline_aim * seconds), first_bytes_(first_bytes) {}

    double bytes(std::span<const past_round> past) const override {
        if (past.empty()) {
            return first_bytes_;
        }
        const auto& last = past.back();
        const auto earlier = past.first(past.size() - 1);
        const auto other = std::find_if(earlier.rbegin(), earlier.rend(), [&](const past_round& p) {
            return std::abs(p.bytes - last.bytes) > clearly * last.bytes;
        });
        if (other != earlier.rend()) {
            const double per_byte = (last.seconds - other->seconds) / (last.bytes - other->bytes);
            const double apart = last.seconds - per_byte * last.bytes;
            if (per_byte > 0 && apart >= 0) {
                return std::max(0.0, (aim_ - apart) / per_byte);
            }
        }
        return last.seconds > 0 ? last.bytes * aim_ / last.seconds : std::numeric_limits<double>::infinity();
    }

private:
    double aim_, first_bytes_;
};

} // namespace

std::unique_ptr<controller> make_deadline(const config::budget_section& budget,
                                          const parameter_layout& layout) {
    const double whole = 2 * sizeof(float) * static_cast<double>(layout.size());
    return std::make_unique<deadline>(budget.deadline_s, first_share * whole);
}

} // namespace feddip::fl
