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
    double bytes = 0;   // down and up
    double seconds = 0; // over the links of the config
};

// What of a deadline is aimed at, for what positions take varies from round to round.
inline constexpr double deadline_aim = 0.9;

// Decides from recorded values alone, so that a resumed run decides the same.
class controller {
public:
    virtual ~controller() = default;

    // The most bytes, down and up together, for the next round of a client with these rounds, oldest first.
    virtual double bytes(std::span<const past_round> past) const = 0;

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
