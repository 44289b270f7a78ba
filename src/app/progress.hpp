// Shows on stderr how a run goes.
#pragma once

#include "fl/observer.hpp"

#include <deque>
#include <functional>
#include <iosfwd>
#include <limits>
#include <string>

namespace feddip::app {

enum class progress_style {
    none,
    lines,  // for logs: one line per round, at most one every few seconds, always the first and the last
    redraw, // for terminals: one line, drawn over
};

// FEDDIP_PROGRESS (line, redraw or none), else redraw where stderr is a terminal and lines where not: for a
// rank under mpirun it never is one. Throws input_error for another value of the variable.
progress_style choose_progress_style();

// Of the terminal on stderr; FEDDIP_COLUMNS where it is none, else 80.
int terminal_columns();

class progress : public fl::observer {
public:
    // `now` gives seconds from any fixed moment. Redrawn lines are cut to `columns`, as one that wraps
    // could not be drawn over.
    progress(std::ostream& out, progress_style style, int columns, std::function<double()> now);

    // To be told before the run starts where it ends before the last of its rounds, its budget being spent.
    void ends_after(int rounds) { most_rounds_ = rounds; }

    void on_start(const fl::run_info& info, const fl::run_state& state) override;
    void on_progress(int round, double share) override;
    void on_round(const fl::run_state& state) override;
    void on_finish(const fl::run_state& state, bool complete) override;

private:
    void remember(const fl::round_record& record);
    std::string describe(double share_of_next_round) const;
    double seconds_per_round() const; // over the last rounds; 0 where none is known
    void print_line();
    void redraw(double share_of_next_round);

    std::ostream& out_;
    progress_style style_;
    int columns_;
    std::function<double()> now_;

    int most_rounds_ = std::numeric_limits<int>::max();
    int rounds_ = 0;
    std::deque<double> round_ends_; // the last few, the run's start included
    double last_output_ = 0;
    bool shown_ = true; // the last round's line stands in the log

    int round_ = 0; // rounds done
    double sparsity_ = 0;
    double accuracy_ = fl::not_measured; // of the last evaluated round
    double loss_ = fl::not_measured;
    double bytes_down_ = 0, bytes_up_ = 0; // of the whole run so far
};

} // namespace feddip::app
