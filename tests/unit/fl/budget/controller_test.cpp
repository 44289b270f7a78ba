// The controllers alone, with links that are known.
#include "fl/budget/controller.hpp"
#include "nn/network.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

using namespace feddip;
using namespace feddip::fl;

namespace {

const parameter_layout lenet5 = nn::layout_of(config::model_name::lenet5, {1, 28, 28}, 10);
const double whole = 8.0 * static_cast<double>(lenet5.size());

config::budget_section budget_of(config::budget_kind mode) {
    config::budget_section budget;
    budget.mode = mode;
    budget.deadline_s = 10;
    budget.bytes_per_round = 1234;
    return budget;
}

// What a client does round by round, which exchanges what it is asked to, up to the whole model.
class client_on_a_link {
public:
    // Returns the seconds of its next round, `apart` + `per_byte` x bytes, with as many down as up.
    double round(double apart, double per_byte) {
        const double bytes = std::clamp(control_->next(past_).most, whole / 1000, whole);
        past_.push_back({.down = bytes / 2, .up = bytes / 2, .seconds = apart + per_byte * bytes});
        return past_.back().seconds;
    }
    double last_bytes() const { return past_.back().bytes(); }

private:
    std::unique_ptr<controller> control_ = make_controller(budget_of(config::budget_kind::deadline), lenet5);
    std::vector<past_round> past_;
};

// One with a mask that halves every fifth round, when who can sends all weights and not those of a part
// alone.
class client_with_a_mask {
public:
    // Returns the seconds of its next round, `apart`, `down` for the model whole downwards and `up` upwards.
    double round(double apart, double down, double up) {
        const int t = static_cast<int>(past_.size());
        const double alive = std::exp2(-(t + 4) / 5);        // of the model, as all that follows
        const double coded = t % 5 == 1 || t == 0 ? 1.1 : 1; // with positions, which are new then
        const auto allowed = control_->next(past_);
        const auto covers = [&](double received, double sent) {
            return allowed.covers(received * whole / 2, sent * whole / 2);
        };
        double received = coded * alive, sent = t % 5 == 0 ? 1 : alive;
        sends_all_ = covers(received, sent);
        if (!sends_all_) {
            sent = alive;
            while (sent > 0.001 && !covers(coded * sent, sent)) {
                sent *= 0.999;
            }
            received = coded * sent;
        }
        const double seconds = apart + down * received + up * sent;
        past_.push_back({.down = received * whole / 2, .up = sent * whole / 2, .seconds = seconds});
        return seconds;
    }
    bool sent_all() const { return sends_all_ && (past_.size() - 1) % 5 == 0; }

private:
    std::unique_ptr<controller> control_ = make_controller(budget_of(config::budget_kind::deadline), lenet5);
    std::vector<past_round> past_;
    bool sends_all_ = false;
};

} // namespace

TEST(controller, is_none_where_everybody_holds_all) {
    EXPECT_EQ(make_controller(budget_of(config::budget_kind::none), lenet5), nullptr);
    EXPECT_EQ(make_controller(budget_of(config::budget_kind::fixed), lenet5), nullptr);
    auto half = budget_of(config::budget_kind::fixed);
    half.density = {1, 0.5};
    EXPECT_NE(make_controller(half, lenet5), nullptr);
    EXPECT_EQ(largest_density(half, 1), 0.5);
    EXPECT_EQ(largest_density(budget_of(config::budget_kind::fixed), 1), 1);
}

TEST(controller, of_bytes_asks_for_no_more) {
    const auto control = make_controller(budget_of(config::budget_kind::bytes), lenet5);
    EXPECT_EQ(control->next({}).most, 1234);
    EXPECT_TRUE(control->next({}).covers(1000, 234));
    EXPECT_FALSE(control->next({}).covers(1000, 235));
    EXPECT_TRUE(control->is_binding());
}

// From an instant link to one on which the whole model takes a hundred times the deadline, and rounds of
// which up to 8 of the 10 seconds are not the link's.
TEST(controller, of_a_deadline_comes_close_to_it_and_keeps_it) {
    for (const double apart : {0.0, 0.5, 3.0, 8.0}) {
        for (const double whole_takes : {1.0, 10.0, 100.0, 1000.0}) {
            client_on_a_link client;
            for (int t = 0; t < 4; ++t) {
                client.round(apart, whole_takes / whole);
            }
            for (int t = 0; t < 4; ++t) {
                const double seconds = client.round(apart, whole_takes / whole);
                EXPECT_LE(seconds, 10) << apart << ", " << whole_takes;
                EXPECT_TRUE(seconds > 8.9 || client.last_bytes() == whole) << seconds;
            }
        }
    }
}

TEST(controller, of_a_deadline_is_within_it_in_three_rounds_after_the_link_drops_to_a_tenth) {
    for (const double apart : {0.0, 0.5, 3.0, 8.0}) {
        for (const double whole_takes : {5.0, 10.0, 30.0, 100.0}) {
            for (int before = 1; before < 6; ++before) { // rounds on the quick link
                client_on_a_link client;
                for (int t = 0; t < before; ++t) {
                    client.round(apart, whole_takes / whole);
                }
                for (int t = 1; t <= 8; ++t) {
                    const double seconds = client.round(apart, 10 * whole_takes / whole);
                    EXPECT_TRUE(t < 3 || seconds <= 10)
                        << apart << ", " << whole_takes << ": round " << t << " takes " << seconds;
                }
            }
        }
    }
}

TEST(controller, of_a_deadline_gives_all_to_a_client_that_takes_no_time) {
    client_on_a_link client;
    client.round(0, 0);
    client.round(0, 0);
    EXPECT_EQ(client.last_bytes(), whole);
}

TEST(controller, of_a_deadline_grows_again_with_the_link) {
    client_on_a_link client;
    for (int t = 0; t < 4; ++t) {
        client.round(1, 1000 / whole);
    }
    const double before = client.last_bytes();
    for (int t = 0; t < 4; ++t) {
        client.round(1, 50 / whole);
    }
    EXPECT_GT(client.last_bytes(), 15 * before);
}

// When a mask changes, most bytes go up: at a twentieth of the rate downwards, and the other way round.
TEST(controller, of_a_deadline_keeps_it_in_rounds_that_reconfigure_over_unlike_links) {
    for (const double apart : {0.0, 0.04, 3.0}) {
        for (const double up : {2.0, 5.0, 10.0, 13.0, 20.0, 100.0}) {
            for (const double ratio : {0.05, 1.0, 20.0}) {
                client_with_a_mask client;
                int late = 0;
                for (int t = 0; t < 50; ++t) {
                    const double seconds = client.round(apart, ratio * up, up);
                    late += seconds > 10 ? 1 : 0;
                    EXPECT_TRUE(t < 3 || seconds <= 10)
                        << apart << ", " << up << ", " << ratio << ": round " << t << " takes " << seconds;
                    if (t % 5 == 0 && t > 20 && ratio * up / 8 + up + apart < 8.9) {
                        EXPECT_TRUE(client.sent_all()) << apart << ", " << up << ", " << ratio << ": " << t;
                    }
                }
                EXPECT_LE(late, 3);
            }
        }
    }
}

TEST(controller, of_a_deadline_keeps_it_again_over_unlike_links_that_drop_to_a_tenth) {
    for (const double up : {2.0, 5.0, 13.0}) {
        for (int before = 1; before < 20; ++before) {
            client_with_a_mask client;
            for (int t = 0; t < before; ++t) {
                client.round(0.04, up / 20, up);
            }
            int late = 0;
            for (int t = 0; t < 30; ++t) {
                late += client.round(0.04, up / 2, 10 * up) > 10 ? 1 : 0;
            }
            EXPECT_LE(late, 3) << up << " after " << before;
        }
    }
}

// Three rounds that send as much as they receive seem to fit a line through nothing, which the one before,
// that sent more, does not lie on.
TEST(controller, of_a_deadline_believes_no_line_that_the_round_which_tells_up_from_down_contradicts) {
    auto budget = budget_of(config::budget_kind::deadline);
    budget.deadline_s = 1;
    const double per_byte = 0.555 / 221028;
    std::vector<past_round> past{{.down = 114900, .up = 246844, .seconds = 1.074}};
    for (const auto& [down, up] :
         {std::pair{113892.0, 111118.0}, {112884.0, 110135.0}, {111876.0, 109152.0}}) {
        past.push_back({.down = down, .up = up, .seconds = per_byte * (down + up)});
    }
    EXPECT_FALSE(make_controller(budget, lenet5)->next(past).covers(110868, 246844));
}
