// The mean with differential privacy of clients (McMahan et al. 2018, "Learning differentially private
// recurrent language models"): each client's change, clipped, counts once; noise goes on the sum, which is
// divided by the number of clients that the round aims at, whoever came. A round of no clients is noise, too.
//
// The norm is that of everything sent: weights in the mask, or all of them, biases and norms.
#include "fl/aggregation/changes.hpp"
#include "fl/aggregation/rules.hpp"
#include "fl/packing.hpp"
#include "privacy/clipping.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace feddip::fl {

namespace {

class private_mean final : public aggregation {
public:
    private_mean(const privacy_guarantee& guarantee, double clip_quantile, const aggregation_setting& setting,
                 transport& ranks)
        : guarantee_(guarantee), clip_quantile_(clip_quantile), setting_(setting), changes_(setting),
          change_(changes_.size() + counts) {
        // Other ranks than 0 don't keep it.
        clip_ = broadcast(ranks, std::span<const double>(&setting.protection.clip, 1)).front();
        sum_ = ranks.start_sum(setting.owner_of_slot, change_.size());
    }

    void add(int slot, upload sent) override {
        std::ranges::fill(change_, 0.0F);
        if (sent.included) {
            const auto change = std::span(change_).first(changes_.size());
            changes_.take(sent, change);
            change_[changes_.size()] = privacy::clip(std::array{change}, clip_).within ? 1.0F : 0.0F;
            change_.back() = 1.0F;
        }
        sum_->add(slot, change_);
    }

    void collect() override { collected_ = sum_->finish(); }

    aggregate result(std::uint64_t) override {
        const auto& [key, clip] = setting_.protection;
        auto noise = privacy::noise_stream(
            privacy::noise_key(key), static_cast<std::uint64_t>(setting_.plan.round), privacy::noise_of::sum);
        std::vector<float> sum(collected_.begin(), collected_.end() - counts);
        privacy::add_gaussian(noise, guarantee_.sum_noise() * clip, sum);
        const auto within = count(collected_[changes_.size()]);
        return {
            .state =
                changes_.applied(std::vector<double>(sum.begin(), sum.end()), guarantee_.expected_clients()),
            .next_clip = next_clip(guarantee_, clip_quantile_, setting_, within, count(collected_.back()))};
    }

private:
    // Behind the change: whether it was within the bound, and that there was one.
    static constexpr std::ptrdiff_t counts = 2;

    static std::uint64_t count(float of) { return static_cast<std::uint64_t>(std::lround(of)); }

    const privacy_guarantee& guarantee_;
    const double clip_quantile_;
    const aggregation_setting setting_;
    const changes changes_;
    std::vector<float> change_; // of one client, and its counts
    double clip_ = 0;
    std::unique_ptr<slot_sum> sum_;
    std::span<const float> collected_;
};

class private_mean_rule final : public aggregation_rule {
public:
    explicit private_mean_rule(const config::run_config& config)
        : guarantee_(config), clip_quantile_(config.privacy.clip_quantile) {}

    std::unique_ptr<aggregation> start(const aggregation_setting& setting, transport& ranks) const override {
        return std::make_unique<private_mean>(guarantee_, clip_quantile_, setting, ranks);
    }
    int least_updates(int) const override { return 0; }

private:
    privacy_guarantee guarantee_;
    double clip_quantile_;
};

} // namespace

std::unique_ptr<aggregation_rule> make_private_mean(const config::run_config& config) {
    return std::make_unique<private_mean_rule>(config);
}

} // namespace feddip::fl
