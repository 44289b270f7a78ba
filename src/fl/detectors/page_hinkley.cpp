#include "fl/detectors/detector.hpp"

#include <algorithm>

namespace feddip::fl {

namespace {

constexpr int least_numbers = 30;

class page_hinkley final : public detector {
public:
    page_hinkley(double tolerance, double threshold) : tolerance_(tolerance), threshold_(threshold) {}

    bool add(double value) override {
        ++count_;
        mean_ += (value - mean_) / count_;
        sum_ += value - mean_ - tolerance_;
        least_ = std::min(least_, sum_);
        return count_ > least_numbers && sum_ - least_ > threshold_;
    }

private:
    double tolerance_, threshold_;
    int count_ = 0;
    double mean_ = 0, sum_ = 0, least_ = 0;
};

} // namespace

std::unique_ptr<detector> make_page_hinkley(double tolerance, double threshold) {
    return std::make_unique<page_hinkley>(tolerance, threshold);
}

} // namespace feddip::fl
