// The attacks there are, each in the file of its name.
#pragma once

#include "fl/attacks/attack.hpp"

namespace feddip::fl {

std::unique_ptr<attack> make_sign_flip(double strength);
std::unique_ptr<attack> make_gaussian(double strength);
std::unique_ptr<attack> make_label_flip(double strength);
std::unique_ptr<attack> make_alie(double strength);
std::unique_ptr<attack> make_ipm(double strength);
std::unique_ptr<attack> make_min_max(double strength);
std::unique_ptr<attack> make_backdoor(double strength);
std::unique_ptr<attack> make_mask_aware(double strength);

} // namespace feddip::fl
