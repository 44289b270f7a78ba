#include "fl/budget/controllers.hpp"

#include <algorithm>

namespace feddip::fl {

std::unique_ptr<controller> make_controller(const config::budget_section& budget,
                                            const parameter_layout& layout) {
    switch (budget.mode) {
    case config::budget_kind::none:
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

double largest_density(const config::budget_section& budget, std::size_t link_class) {
    return budget.density.size() == 1 ? budget.density.front() : budget.density[link_class];
}

} // namespace feddip::fl
