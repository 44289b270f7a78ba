// The controllers there are, each in the file of its name.
#pragma once

#include "fl/budget/controller.hpp"

namespace feddip::fl {

std::unique_ptr<controller> make_fixed(const config::budget_section& budget, const parameter_layout& layout);
std::unique_ptr<controller> make_bytes(const config::budget_section& budget, const parameter_layout& layout);
std::unique_ptr<controller> make_deadline(const config::budget_section& budget,
                                          const parameter_layout& layout);

} // namespace feddip::fl
