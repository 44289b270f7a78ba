#include "app/progress.hpp"

#include "app/format.hpp"
#include "base/error.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ostream>
#include <string_view>
#include <utility>

namespace feddip::app {

namespace {

constexpr double seconds_between_lines = 2.0;
constexpr double seconds_between_redraws = 0.1;
// Enough to smooth over the rounds that reconfigure, few enough to follow a run that speeds up.
constexpr std::size_t rounds_in_pace = 20;

std::string counted(int n, std::string_view thing) {
    return fmt::format("{} {}{}", n, thing, n == 1 ? "" : "s");
}

} // namespace

progress_style choose_progress_style() {
    const char* wanted = std::getenv("FEDDIP_PROGRESS");
    if (wanted == nullptr || *wanted == '\0') {
        return isatty(STDERR_FILENO) != 0 ? progress_style::redraw : progress_style::lines;
    }
    const std::string_view name = wanted;
    if (name == "line") {
        return progress_style::lines;
    }
    if (name == "redraw") {
        return progress_style::redraw;
    }
    if (name == "none") {
        return progress_style::none;
    }
    throw input_error("unknown progress style", "FEDDIP_PROGRESS",
                      fmt::format("\"{}\" is none of line, redraw and none", name));
}

int terminal_columns() {
    winsize size{};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col;
    }
    const char* told = std::getenv("FEDDIP_COLUMNS");
    const int columns = told == nullptr ? 0 : std::atoi(told);
    return columns > 0 ? columns : 80;
}

progress::progress(std::ostream& out, progress_style style, int columns, std::function<double()> now)
    : out_(out), style_(style), columns_(columns), now_(std::move(now)) {}

void progress::on_start(const fl::run_info& info, const fl::run_state& state) {
    rounds_ = std::min(info.rounds, most_rounds_);
    for (const auto& record : state.history) {
        remember(record);
    }
    round_ends_ = {now_()};
    last_output_ = now_() - seconds_between_lines;
    if (style_ != progress_style::none) {
        out_ << fmt::format("feddip: {} on {} with {}: {}, {} of {}", info.method, info.dataset, info.model,
                            counted(rounds_, "round"), counted(info.mpi_ranks, "rank"),
                            counted(info.threads_per_rank, "thread"))
             << (round_ > 0 ? fmt::format(", going on after round {}", round_) : "") << std::endl;
    }
}

void progress::on_progress(int, double share) {
    if (style_ == progress_style::redraw && now_() - last_output_ >= seconds_between_redraws) {
        redraw(share);
    }
}

void progress::on_round(const fl::run_state& state) {
    remember(state.history.back());
    round_ends_.push_back(now_());
    if (round_ends_.size() > rounds_in_pace + 1) {
        round_ends_.pop_front();
    }
    shown_ = false;
    if (style_ == progress_style::redraw) {
        redraw(0);
    } else if (style_ == progress_style::lines && now_() - last_output_ >= seconds_between_lines) {
        print_line();
    }
}

void progress::on_finish(const fl::run_state&, bool) {
    if (style_ == progress_style::redraw) {
        redraw(0);
        out_ << std::endl;
    } else if (style_ == progress_style::lines && !shown_) {
        print_line();
    }
}

void progress::remember(const fl::round_record& record) {
    round_ = record.round;
    sparsity_ = record.sparsity;
    bytes_down_ += static_cast<double>(record.bytes_down);
    bytes_up_ += static_cast<double>(record.bytes_up);
    if (!std::isnan(record.test_accuracy)) {
        accuracy_ = record.test_accuracy;
        loss_ = record.test_loss;
    }
}

std::string progress::describe(double share_of_next_round) const {
    auto text = fmt::format("round {:{}}/{}", round_, std::to_string(rounds_).size(), rounds_);
    if (share_of_next_round > 0) {
        text += fmt::format(" +{:2.0f} %", 100 * share_of_next_round);
    }
    if (!std::isnan(accuracy_)) {
        text += fmt::format("  accuracy {:.2f} %", 100 * accuracy_);
    }
    if (!std::isnan(loss_)) {
        text += fmt::format("  loss {:.4f}", loss_);
    }
    text += fmt::format("  sparsity {:.1f} %", 100 * sparsity_);
    if (const double pace = seconds_per_round(); pace > 0) {
        text +=
            pace >= 1 ? fmt::format("  {:.1f} s/round", pace) : fmt::format("  {:.1f} rounds/s", 1 / pace);
        if (round_ < rounds_) {
            text += fmt::format("  {} left", format_duration(pace * (rounds_ - round_)));
        }
    }
    text += fmt::format("  down {}  up {}", format_bytes(bytes_down_), format_bytes(bytes_up_));
    return text;
}

double progress::seconds_per_round() const {
    if (round_ends_.size() < 2) {
        return 0;
    }
    return (round_ends_.back() - round_ends_.front()) / static_cast<double>(round_ends_.size() - 1);
}

void progress::print_line() {
    out_ << "feddip: " << describe(0) << std::endl;
    last_output_ = now_();
    shown_ = true;
}

void progress::redraw(double share_of_next_round) {
    auto text = describe(share_of_next_round);
    text.resize(std::min(text.size(), static_cast<std::size_t>(std::max(columns_ - 1, 1))));
    out_ << '\r' << text << "\x1b[K"
         << std::flush; // back to the line's start; erase what is left of the old line
    last_output_ = now_();
}

} // namespace feddip::app
