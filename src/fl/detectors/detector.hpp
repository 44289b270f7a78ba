// Tells from one number after the other when their mean has risen.
#pragma once

#include "config/config.hpp"

#include <memory>

namespace feddip::fl {

class detector {
public:
    virtual ~detector() = default;

    // The next number, from 0 to 1. Returns whether it gives an alarm, after which the detector is to be
    // replaced by a new one.
    virtual bool add(double value) = 0;
};

// Page (1954) and Hinkley (1971), in the form of Gama et al. (2014), "A survey on concept drift adaptation":
// with the mean x'_t of the first t numbers, m_t = sum_{i <= t} (x_i - x'_i - tolerance); an alarm when m_t
// exceeds the least m so far by more than `threshold`. None in the first 30 numbers.
std::unique_ptr<detector> make_page_hinkley(double tolerance, double threshold);

// ADWIN (Bifet and Gavalda 2007): the window of the last n numbers forgets its oldest as long as there is a
// place where its older part, of n0, and its newer part, of n1, differ in their means by at least
//     sqrt(2 v/m log(2/d)) + 2/(3 m) log(2/d)    with 1/m = 1/n0 + 1/n1 and d = confidence / n
// v being the window's variance. All places are looked at, as in the paper's first version, with parts of at
// least five numbers; an alarm is one at which the mean rises.
std::unique_ptr<detector> make_adwin(double confidence);

std::unique_ptr<detector> make_detector(const config::adaptation_section& settings);

} // namespace feddip::fl
