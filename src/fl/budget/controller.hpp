// What a client may be asked to carry in a round. A new controller is one file in this folder, a line in
// controllers.hpp, registry.cpp and CMakeLists.txt each, and a mode in config/config.hpp.
#pragma once

#include "base/layout.hpp"
#include "config/config.hpp"

#include <memory>
#include <span>

namespace feddip::fl {

// Of a round in which the client answered, as it is recorded.
struct past_round {
    double down = 0, up = 0; // bytes
    double seconds = 0;      // over the links of the config

    double bytes() const { return down + up; }
};

// What a client may exchange in a round.
struct allowance {
    double most = 0;
    double down = 1, up = 1;  // of `most`, for each byte down and up
    double if_all_was_up = 0; // of `most`, for each byte up, where it may be that bytes down take no time

    bool covers(double bytes_down, double bytes_up) const {
        return down * bytes_down + up * bytes_up <= most && if_all_was_up * bytes_up <= most;
    }
};

// What of a deadline is aimed at, for what positions take varies from round to round.
inline constexpr double deadline_aim = 0.9;

// Decides from recorded values alone, so that a resumed run decides the same.
class controller {
public:
    virtual ~controller() = default;

    // For the next round of a client with these rounds, oldest first.
    virtual allowance next(std::span<const past_round> past) const = 0;

    // Whether a client that can't do with so little must not be asked at all.
    virtual bool is_binding() const { return false; }
};

// Null where no client has a budget.
std::unique_ptr<controller> make_controller(const config::budget_section& budget,
                                            const parameter_layout& layout);

// Whether so many bytes, down and up together, and so many seconds are within the budget of a round.
bool is_within(const config::budget_section& budget, double bytes, double seconds);

// With how much of it comes back what a client's link did not carry, where the client took part so many
// rounds ago for the last time (0: it keeps nothing). From 0 to 1; by the staleness alone, a = 1/2 in
// (1 + age)^-a of Xie et al. 2019 (FedAsync), unless the config fixes it.
double feedback_strength(const config::budget_section& budget, int age);

// The largest share of the prunable weights that a client of this class of [links] can hold.
double largest_density(const config::budget_section& budget, std::size_t link_class);

} // namespace feddip::fl
