// The coordinate-wise median of the clients' weights (Yin et al. 2018), each client counting once whatever
// its samples. A client that did not send a weight has no say in it, for absent is no zero; a weight that
// nobody sent keeps its value. Of an even number of values it is the mean of the two in the middle.
#include "fl/aggregation/rules.hpp"
#include "fl/aggregation/slices.hpp"

#include <algorithm>

namespace feddip::fl {

namespace {

// Reorders the values, of which there is at least one.
float median_of(std::span<float> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::ranges::nth_element(values, middle);
    if (values.size() % 2 != 0) {
        return *middle;
    }
    const float below = *std::max_element(values.begin(), middle);
    return below + (*middle - below) / 2;
}

class median final : public aggregation {
public:
    median(const aggregation_setting& setting, transport& ranks)
        : setting_(setting), ranks_(ranks), slices_(setting, ranks) {}

    void add(int slot, upload sent) override { slices_.add(slot, sent); }

    void collect() override {
        const auto updates = slices_.exchange();
        const auto range = slices_.range_of(ranks_.rank());
        std::vector<float> medians(range.size()), samples_sent(range.size());
        std::vector<std::size_t> next(updates.size()); // value of each update
        std::vector<float> sent;
        for (std::size_t i = 0; i < range.size(); ++i) {
            sent.clear();
            for (std::size_t u = 0; u < updates.size(); ++u) {
                if (updates[u].sent.support[i]) {
                    sent.push_back(updates[u].sent.values[next[u]++]);
                    samples_sent[i] += static_cast<float>(updates[u].samples);
                }
            }
            medians[i] = sent.empty() ? kept(range.first + i) : median_of(sent);
        }
        medians_ = slices_.join(medians);
        if (setting_.plan.averages_senders) {
            samples_sent_ = slices_.join(samples_sent);
        }
    }

    aggregate result(std::uint64_t samples) override {
        const auto squares = medians_.begin() + static_cast<std::ptrdiff_t>(setting_.layout.size());
        aggregate all{.state = {medians_.begin(), squares},
                      .squared_gradients = {squares, medians_.end()},
                      .senders = {}};
        for (std::size_t i = 0; i < setting_.layout.prunable_size() && !samples_sent_.empty(); ++i) {
            all.senders.push_back(samples_sent_[i] / static_cast<float>(samples));
        }
        return all;
    }

private:
    float kept(std::size_t coordinate) const {
        return coordinate < setting_.layout.size() ? setting_.model.state[coordinate] : 0.0F;
    }

    const aggregation_setting setting_;
    transport& ranks_;
    slicer slices_;
    std::vector<float> medians_, samples_sent_; // of all coordinates, on rank 0
};

class median_rule final : public aggregation_rule {
public:
    std::unique_ptr<aggregation> start(const aggregation_setting& setting, transport& ranks) const override {
        return std::make_unique<median>(setting, ranks);
    }
};

} // namespace

std::unique_ptr<aggregation_rule> make_median(const config::run_config&) {
    return std::make_unique<median_rule>();
}

} // namespace feddip::fl
