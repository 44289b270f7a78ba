#include "fl/aggregation/coordinate_wise.hpp"

#include "fl/aggregation/slices.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace feddip::fl {

namespace {

class coordinate_wise final : public aggregation {
public:
    coordinate_wise(const coordinate_rule& rule, const resistance& needed, const aggregation_setting& setting,
                    transport& ranks)
        : rule_(rule), needed_(needed), setting_(setting), ranks_(ranks), slices_(setting, ranks) {}

    void add(int slot, upload sent) override { slices_.add(slot, sent); }

    void collect() override {
        const auto updates = slices_.exchange();
        const auto range = slices_.range_of(ranks_.rank());
        const int hostile = needed_.among(static_cast<int>(updates.size()), slices_.not_finite());
        std::vector<float> made(range.size()), samples_sent(range.size());
        std::vector<float> sent;
        const auto take = [&](std::size_t i, std::size_t u, float value) {
            sent.push_back(value);
            samples_sent[i] += static_cast<float>(updates[u].samples);
        };
        visit_coordinates(updates, range.size(), take, [&](std::size_t i) {
            const std::size_t at = range.first + i;
            made[i] = sent.empty() ? slices_.unsent(at) : rule_(sent, slices_.kept(at), hostile);
            sent.clear();
        });
        made_ = slices_.join(made);
        if (setting_.plan.averages_senders) {
            samples_sent_ = slices_.join(samples_sent);
        }
    }

    aggregate result(std::uint64_t samples) override {
        auto all = slices_.split(made_);
        for (std::size_t i = 0; i < setting_.layout.prunable_size() && !samples_sent_.empty(); ++i) {
            all.senders.push_back(samples_sent_[i] / static_cast<float>(samples));
        }
        return all;
    }

private:
    const coordinate_rule& rule_;
    const resistance needed_;
    const aggregation_setting setting_;
    transport& ranks_;
    slicer slices_;
    std::vector<float> made_, samples_sent_; // of all coordinates, on rank 0
};

class coordinate_wise_rule final : public aggregation_rule {
public:
    coordinate_wise_rule(coordinate_rule rule, resistance needed) : rule_(std::move(rule)), needed_(needed) {}

    std::unique_ptr<aggregation> start(const aggregation_setting& setting, transport& ranks) const override {
        return std::make_unique<coordinate_wise>(rule_, needed_, setting, ranks);
    }
    int least_updates(int not_finite) const override { return needed_.least_updates(not_finite); }

private:
    coordinate_rule rule_;
    resistance needed_;
};

} // namespace

float median_of(std::span<float> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::ranges::nth_element(values, middle);
    if (values.size() % 2 != 0) {
        return *middle;
    }
    const float below = *std::max_element(values.begin(), middle);
    const float half = below + (*middle - below) / 2;
    return std::isfinite(half) ? half : std::midpoint(below, *middle); // their difference is too large
}

std::unique_ptr<aggregation_rule> make_coordinate_wise(coordinate_rule rule, resistance needed) {
    return std::make_unique<coordinate_wise_rule>(std::move(rule), needed);
}

} // namespace feddip::fl
