#include "fl/detectors/detector.hpp"

#include <cmath>
#include <numeric>
#include <vector>

namespace feddip::fl {

namespace {

constexpr std::size_t least_part = 5;

class adwin final : public detector {
public:
    explicit adwin(double confidence) : confidence_(confidence) {}

    bool add(double value) override {
        window_.push_back(value);
        for (auto difference = difference_at_a_cut(); difference != 0; difference = difference_at_a_cut()) {
            if (difference > 0) {
                return true;
            }
            window_.erase(window_.begin());
        }
        return false;
    }

private:
    // Newer mean minus older one, at the newest cut where they differ; 0 where there is none.
    double difference_at_a_cut() const {
        const auto n = static_cast<double>(window_.size());
        const double sum = std::accumulate(window_.begin(), window_.end(), 0.0);
        double variance = 0;
        for (const double x : window_) {
            variance += (x - sum / n) * (x - sum / n) / n;
        }
        const double log_term = std::log(2 * n / confidence_);
        double newer_sum = 0;
        for (std::size_t newer = 1; newer + least_part <= window_.size(); ++newer) {
            newer_sum += window_[window_.size() - newer];
            const auto n1 = static_cast<double>(newer);
            const double of_both = 1 / n1 + 1 / (n - n1); // 1/m
            const double difference = newer_sum / n1 - (sum - newer_sum) / (n - n1);
            const double bound = std::sqrt(2 * of_both * variance * log_term) + 2 * of_both * log_term / 3;
            if (newer >= least_part && std::abs(difference) >= bound) {
                return difference;
            }
        }
        return 0;
    }

    double confidence_;
    std::vector<double> window_; // the oldest first
};

} // namespace

std::unique_ptr<detector> make_adwin(double confidence) {
    return std::make_unique<adwin>(confidence);
}

} // namespace feddip::fl
