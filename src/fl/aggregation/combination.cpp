#include "fl/aggregation/combination.hpp"

#include "fl/aggregation/coordinate_wise.hpp"
#include "fl/packing.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace feddip::fl {

namespace {

class combination final : public aggregation {
public:
    combination(const coefficient_rule& rule, const resistance& needed, const aggregation_setting& setting,
                transport& ranks)
        : rule_(rule), needed_(needed), setting_(setting), ranks_(ranks), slices_(setting, ranks) {}

    void add(int slot, upload sent) override { slices_.add(slot, sent); }

    void collect() override {
        const auto updates = slices_.exchange();
        const auto products = inner_products(updates, slices_, ranks_);
        std::vector<double> chosen;
        if (ranks_.rank() == 0) {
            const int finite = static_cast<int>(updates.size()), not_finite = slices_.not_finite();
            chosen = finite < needed_.least_updates(not_finite)
                         ? std::vector<double>(updates.size())
                         : rule_(products, needed_.among(finite, not_finite));
        }
        coefficients_ = broadcast(ranks_, std::span<const double>(chosen));
        for (std::size_t u = 0; u < updates.size(); ++u) {
            if (coefficients_[u] == 0) {
                left_out_.push_back(static_cast<int>(updates[u].slot));
            }
        }
        combine(updates);
    }

    std::vector<int> left_out() const override { return left_out_; }

    aggregate result(std::uint64_t) override {
        auto all = slices_.split(made_);
        all.senders = std::move(senders_);
        return all;
    }

private:
    void combine(std::span<const update_slice> updates) {
        const auto range = slices_.range_of(ranks_.rank());
        const double of_all = std::accumulate(coefficients_.begin(), coefficients_.end(), 0.0);
        std::vector<float> made(range.size()), senders(range.size()), sent;
        double sum = 0, of_senders = 0;
        const auto take = [&](std::size_t, std::size_t u, float value) {
            sent.push_back(value);
            sum += coefficients_[u] * value;
            of_senders += coefficients_[u];
        };
        visit_coordinates(updates, range.size(), take, [&](std::size_t i) {
            const std::size_t at = range.first + i;
            const double kept = of_senders == 0 ? slices_.unsent(at) : slices_.kept(at);
            const bool is_weight = at < slices_.weights();
            made[i] = is_weight      ? static_cast<float>(kept * (1 - of_senders) + sum)
                      : sent.empty() ? 0.0F
                                     : median_of(sent);
            senders[i] = of_all > 0 ? static_cast<float>(of_senders / of_all) : 0.0F;
            sent.clear();
            sum = of_senders = 0;
        });
        made_ = slices_.join(made);
        if (setting_.plan.averages_senders) {
            senders_ = slices_.join(senders);
            senders_.resize(std::min(senders_.size(), setting_.layout.prunable_size()));
        }
    }

    const coefficient_rule& rule_;
    const resistance needed_;
    const aggregation_setting setting_;
    transport& ranks_;
    slicer slices_;
    std::vector<double> coefficients_;
    std::vector<int> left_out_;
    std::vector<float> made_, senders_; // of all coordinates, on rank 0
};

class combination_rule final : public aggregation_rule {
public:
    combination_rule(coefficient_rule rule, resistance needed) : rule_(std::move(rule)), needed_(needed) {}

    std::unique_ptr<aggregation> start(const aggregation_setting& setting, transport& ranks) const override {
        return std::make_unique<combination>(rule_, needed_, setting, ranks);
    }
    int least_updates(int not_finite) const override { return needed_.least_updates(not_finite); }

private:
    coefficient_rule rule_;
    resistance needed_;
};

} // namespace

std::unique_ptr<aggregation_rule> make_combination(coefficient_rule rule, resistance needed) {
    return std::make_unique<combination_rule>(std::move(rule), needed);
}

double lower_median(std::vector<double> norms) {
    const auto middle = norms.begin() + static_cast<std::ptrdiff_t>((norms.size() - 1) / 2);
    std::ranges::nth_element(norms, middle);
    return *middle;
}

} // namespace feddip::fl
