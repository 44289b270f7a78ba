#include "fl/budget/controllers.hpp"

#include <algorithm>
#include <cmath>

namespace feddip::fl {

std::unique_ptr<controller> make_controller(const config::budget_section& budget,
                                            const parameter_layout& layout) {
    switch (budget.mode) {
    case config::budget_kind::none:
    case config::budget_kind::drop:
        return nullptr;
    case config::budget_kind::fixed:
        return std::ranges::all_of(budget.density, [](double d) { return d == 1; })
                   ? nullptr
                   : make_fixed(budget, layout);
    case config::budget_kind::bytes:
        return make_bytes(budget, layout);
    case config::budget_kind::deadline:
        return make_deadline(budget, layout);
    }
    return nullptr;
}

bool is_within(const config::budget_section& budget, double bytes, double seconds) {
    switch (budget.mode) {
    case config::budget_kind::none:
    case config::budget_kind::fixed:
        return true;
    case config::budget_kind::bytes:
        return bytes <= budget.bytes_per_round;
    case config::budget_kind::deadline:
    case config::budget_kind::drop:
        return seconds <= budget.deadline_s;
    }
    return true;
}

double feedback_strength(const config::budget_section& budget, int age) {
    return budget.feedback.adaptive ? 1 / std::sqrt(1.0 + age) : budget.feedback.fixed;
}

double largest_density(const config::budget_section& budget, std::size_t link_class) {
    return budget.density.size() == 1 ? budget.density.front() : budget.density[link_class];
}

} // namespace feddip::fl
