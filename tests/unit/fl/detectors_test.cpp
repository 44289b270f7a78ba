#include "base/random.hpp"
#include "fl/detectors/detector.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <ostream>
#include <utility>

using namespace feddip;

namespace {

struct kind {
    const char* name;
    std::function<std::unique_ptr<fl::detector>()> make;
    int delay; // steps in which it finds a jump from 0.2 to 0.4
};

const kind page_hinkley{"page_hinkley", [] { return fl::make_page_hinkley(0.01, 0.5); }, 10};
// A difference of 0.2 takes 2/3 log(2 n/0.002) / 0.2 = 42 steps of ADWIN's bound, and its variance some more.
const kind adwin{"adwin", [] { return fl::make_adwin(0.002); }, 80};

// Numbers around `level`, as losses of a round are, within 0 and 1.
class stream {
public:
    explicit stream(std::uint32_t number) : random_(3, 0, number, purpose::test) {}
    double next(double level, double deviation = 0.03) {
        return std::clamp(level + deviation * random_.normal(), 0.0, 1.0);
    }

private:
    random_stream random_;
};

// The first of `steps` steps at which it gives an alarm, counted from 1; 0: none.
int first_alarm(fl::detector& d, stream& from, double level, int steps) {
    for (int i = 1; i <= steps; ++i) {
        if (d.add(from.next(level))) {
            return i;
        }
    }
    return 0;
}

// GoogleTest would print the bytes, and those of the padding too.
void PrintTo(const kind& k, std::ostream* out) {
    *out << k.name;
}

} // namespace

class detector : public testing::TestWithParam<kind> {};

// ADWIN's theorem bounds alarms by its confidence at each step; they are far rarer on streams like this.
TEST_P(detector, gives_no_alarm_on_streams_that_stay_as_they_are) {
    int alarms = 0;
    for (std::uint32_t number = 0; number < 40; ++number) {
        stream stationary(number);
        alarms += first_alarm(*GetParam().make(), stationary, 0.2, 1000) > 0 ? 1 : 0;
    }
    EXPECT_LE(alarms, 1);
}

TEST_P(detector, gives_one_soon_after_a_jump) {
    for (std::uint32_t number = 0; number < 40; ++number) {
        stream jumping(number);
        const auto d = GetParam().make();
        ASSERT_EQ(first_alarm(*d, jumping, 0.2, 300), 0) << number;
        const int after = first_alarm(*d, jumping, 0.4, GetParam().delay);
        EXPECT_GT(after, 0) << number;
    }
}

TEST_P(detector, gives_one_of_a_slow_rise) {
    stream rising(1);
    const auto d = GetParam().make();
    ASSERT_EQ(first_alarm(*d, rising, 0.2, 300), 0);
    bool alarm = false;
    for (int i = 0; i < 300 && !alarm; ++i) {
        alarm = d->add(rising.next(0.2 + 0.002 * i));
    }
    EXPECT_TRUE(alarm);
}

TEST_P(detector, gives_none_while_a_model_learns) {
    for (std::uint32_t number = 0; number < 40; ++number) {
        stream learning(number);
        const auto d = GetParam().make();
        for (int i = 0; i < 500; ++i) {
            ASSERT_FALSE(d->add(learning.next(0.2 + 0.8 * std::exp(-i / 40.0)))) << number << ": " << i;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(of, detector, testing::Values(page_hinkley, adwin),
                         [](const auto& of) { return of.param.name; });

// With x = 0 thirty-one times and then 1: the mean is 1/32, 2/33 ..., so that m rises by 0.959, 0.929 ...
TEST(page_hinkley, adds_up_what_exceeds_mean_and_tolerance) {
    for (const auto& [threshold, at] : {std::pair{0.95, 1}, {0.97, 2}, {1.88, 2}, {1.90, 3}}) {
        const auto d = fl::make_page_hinkley(0.01, threshold);
        for (int i = 0; i < 31; ++i) {
            ASSERT_FALSE(d->add(0));
        }
        int steps = 1;
        while (!d->add(1)) {
            ++steps;
        }
        EXPECT_EQ(steps, at) << threshold;
    }
}

TEST(page_hinkley, waits_for_thirty_numbers) {
    const auto d = fl::make_page_hinkley(0, 0.5);
    for (int i = 0; i < 30; ++i) {
        EXPECT_FALSE(d->add(i < 15 ? 0 : 1)) << i;
    }
    EXPECT_TRUE(d->add(1));
}

// Ones after n zeros, without noise: the bound at a cut of n0 = n, n1 = k is known in closed form.
TEST(adwin, cuts_where_the_paper_says) {
    const double confidence = 0.05;
    const auto d = fl::make_adwin(confidence);
    for (int i = 0; i < 60; ++i) {
        ASSERT_FALSE(d->add(0));
    }
    const auto cuts = [&](double ones) {
        const double n = 60 + ones;
        const double variance = ones / n * (1 - ones / n);
        const double of_both = 1 / 60.0 + 1 / ones;
        const double log_term = std::log(2 * n / confidence);
        return 1 >= std::sqrt(2 * of_both * variance * log_term) + 2.0 / 3 * of_both * log_term;
    };
    int ones = 1;
    while (ones < 60 && !d->add(1)) {
        ++ones;
    }
    EXPECT_TRUE(cuts(ones)) << ones;
    EXPECT_FALSE(cuts(ones - 1)) << ones;
}

TEST(adwin, forgets_what_was_higher_so_that_a_return_is_an_alarm) {
    stream falling(0);
    const auto d = fl::make_adwin(0.002);
    ASSERT_EQ(first_alarm(*d, falling, 0.6, 200), 0);
    ASSERT_EQ(first_alarm(*d, falling, 0.2, 200), 0);
    EXPECT_GT(first_alarm(*d, falling, 0.6, 60), 0);
}
