// How often a secure sum can't be taken.
#pragma once

namespace feddip::privacy {

struct drawing {                 // by Poisson sampling
    int clients = 0;             // of all
    double rate = 0;             // with which each is drawn
    double drop_probability = 0; // that a drawn one leaves before it has sent its values
};

// The probability that fewer than two are drawn, or that no majority (secure_sum_terms.hpp) of them answers,
// the larger of those with and without any one client. Whether a sum was taken is seen, and depends on who
// was there in a way that no noise on the sum hides.
double probability_of_failing(const drawing& what);

} // namespace feddip::privacy
