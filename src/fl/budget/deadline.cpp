// As much as a client has shown to carry within the deadline.
//
// The time of a round is taken to be a + b x bytes. Where the last two rounds with clearly different bytes
// fit that with a, b >= 0, both are known; else, as after the link has changed, all of the last time is put
// down to the bytes. That asks too little of a client in time and is a first step for a late one, whose next
// two rounds then give a and b: within the deadline after three rounds at most, if a alone is less. Where the
// link has changed so little (tried: by 5 to 30 %) that a round before it seems to fit, that one misleads,
// and a client may be late once more after that.
//
// Bytes up and down need not take the same time, which counts where a client sends far more than it receives:
// all weights, in a round that reconfigures them. A third round whose bytes divide up in another way, as with
// positions, tells: it fits the line, or gives a + b_down x down + b_up x up. Until there is one, and after
// the link has changed, bytes up are held to what they would take if they alone took the time.
#include "fl/budget/controllers.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace feddip::fl {

namespace {

constexpr double first_share = 0.1; // of the model whole, down and up, for a client that nothing is known of
constexpr double clearly = 0.1;     // relative difference of bytes
constexpr double angled = 0.01; // the same, and the sine of an angle, between rounds that tell down from up
constexpr double precision = 1e-6; // of times, relative

// Seconds of a round.
struct fit {
    double fixed = 0, per_byte_down = 0, per_byte_up = 0;

    bool explains(const past_round& round) const {
        const double seconds = fixed + per_byte_down * round.down + per_byte_up * round.up;
        return std::abs(seconds - round.seconds) <= precision * round.seconds;
    }
};

// Of rounds of which the first two differ clearly in bytes; by Cramer's rule.
class three_rounds {
public:
    three_rounds(const past_round& a, const past_round& b, const past_round& c)
        : a_(a), down_b_(b.down - a.down), up_b_(b.up - a.up), down_c_(c.down - a.down), up_c_(c.up - a.up),
          seconds_b_(b.seconds - a.seconds), seconds_c_(c.seconds - a.seconds) {}

    bool tell_down_from_up() const {
        const double other = std::hypot(down_b_, up_b_);
        const double third = std::hypot(down_c_, up_c_);
        return third > angled * a_.bytes() && std::abs(determinant()) > angled * other * third;
    }

    // None where a part of it would be less than 0.
    std::optional<fit> solution() const {
        const double down = (seconds_b_ * up_c_ - up_b_ * seconds_c_) / determinant();
        const double up = (down_b_ * seconds_c_ - seconds_b_ * down_c_) / determinant();
        const double fixed = a_.seconds - down * a_.down - up * a_.up;
        const double nothing = -precision * a_.seconds;
        if (std::min({fixed, down * a_.down, up * a_.up}) < nothing) {
            return {};
        }
        return fit{.fixed = std::max(0.0, fixed),
                   .per_byte_down = std::max(0.0, down),
                   .per_byte_up = std::max(0.0, up)};
    }

private:
    double determinant() const { return down_b_ * up_c_ - up_b_ * down_c_; }

    const past_round& a_;
    double down_b_, up_b_, down_c_, up_c_, seconds_b_, seconds_c_;
};

// What there is to know of a client, of at least one round.
class known_rounds {
public:
    explicit known_rounds(std::span<const past_round> past)
        : past_(past), last_(past.back()), other_(last_for_which([&](const past_round& p) {
              return std::abs(p.bytes() - last_.bytes()) > clearly * last_.bytes();
          })),
          third_(other_ ? last_for_which([&](const past_round& p) {
              return three_rounds(last_, *other_, p).tell_down_from_up();
          })
                        : nullptr) {}

    // As long for bytes up as down.
    fit on_a_line() const {
        if (other_) {
            const double per_byte = (last_.seconds - other_->seconds) / (last_.bytes() - other_->bytes());
            const double fixed = last_.seconds - per_byte * last_.bytes();
            if (per_byte > 0 && fixed >= 0) {
                return {.fixed = fixed, .per_byte_down = per_byte, .per_byte_up = per_byte};
            }
        }
        const double per_byte = last_.seconds / last_.bytes();
        return {.per_byte_down = per_byte, .per_byte_up = per_byte};
    }

    std::optional<fit> with_directions() const {
        return third_ ? three_rounds(last_, *other_, *third_).solution() : std::nullopt;
    }

    // All rounds since the earliest of the three, so that no link before the last change counts.
    bool explained_by(const fit& times) const {
        return third_ && std::all_of(std::min(third_, other_), &last_ + 1,
                                     [&](const auto& p) { return times.explains(p); });
    }

private:
    template <class Predicate>
    const past_round* last_for_which(Predicate is_so) const {
        const auto found = std::find_if(past_.rbegin(), past_.rend(), is_so);
        return found == past_.rend() ? nullptr : &*found;
    }

    std::span<const past_round> past_;
    const past_round& last_;
    const past_round *other_, *third_; // null: there is none
};

class deadline final : public controller {
public:
    deadline(double seconds, double first_bytes) : aim_(deadline_aim * seconds), first_bytes_(first_bytes) {}

    allowance next(std::span<const past_round> past) const override {
        if (past.empty()) {
            return {.most = first_bytes_};
        }
        const known_rounds known(past);
        const auto line = known.on_a_line();
        const double bytes = line.per_byte_up > 0 ? std::max(0.0, (aim_ - line.fixed) / line.per_byte_up)
                                                  : std::numeric_limits<double>::infinity();
        if (known.explained_by(line)) {
            return {.most = bytes};
        }
        if (const auto apart = known.with_directions(); apart && known.explained_by(*apart)) {
            return {.most = std::max(0.0, aim_ - apart->fixed),
                    .down = apart->per_byte_down,
                    .up = apart->per_byte_up};
        }
        return {.most = bytes, .if_all_was_up = 2}; // for most rounds send as much as they receive
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
