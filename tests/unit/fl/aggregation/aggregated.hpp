// What a rule of aggregation makes of some clients' uploads of the tiny model, on one rank.
#pragma once

#include "fl/aggregation/aggregation.hpp"
#include "fl/in_process_transport.hpp"
#include "fl/roster.hpp"
#include "unit/fl/small_uploads.hpp"

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

namespace feddip::test {

struct client {
    std::vector<float> weights;
    std::uint32_t samples;
    std::vector<float> squared_gradients = {};
    sparse::mask own_mask = {};
    sparse::ladder_part part = {};
};

struct aggregated_round {
    fl::aggregate all;
    std::vector<int> left_out;
};

inline aggregated_round round_of(const config::aggregation_section& settings, const fl::round_plan& plan,
                                 const std::vector<client>& clients, const sparse::ladder* ladder = nullptr) {
    config::run_config config;
    config.federation.clients_per_round = 2 * settings.hostile + 3;
    config.aggregation = settings;
    fl::in_process_transport ranks;
    const auto model = model_of_first_two();
    const std::vector<int> owners(clients.size(), 0);
    const auto rule = fl::make_aggregation_rule(config);
    std::vector<sparse::ladder_part> parts;
    std::ranges::transform(clients, std::back_inserter(parts), &client::part);
    const auto round = rule->start({.plan = plan,
                                    .layout = tiny_layout,
                                    .model = model,
                                    .owner_of_slot = owners,
                                    .ladder = ladder,
                                    .part_of_slot = parts},
                                   ranks);
    std::uint64_t samples = 0;
    for (std::size_t s = 0; s < clients.size(); ++s) {
        auto record = client_with(clients[s].samples);
        const auto& c = clients[s];
        const auto its_plan = fl::plan_for({.part = c.part}, plan);
        const bool has_own = its_plan.upload == fl::upload_content::own_mask || c.part.limited();
        round->add(static_cast<int>(s), fl::make_upload(its_plan, tiny_layout, model,
                                                        {.weights = c.weights,
                                                         .squared_gradients = c.squared_gradients,
                                                         .own_mask = has_own ? &c.own_mask : nullptr},
                                                        record));
        samples += record.included != 0 ? record.samples : 0;
    }
    round->collect();
    return {round->result(samples), round->left_out()};
}

inline fl::aggregate aggregated(const std::string& rule, const fl::round_plan& plan,
                                const std::vector<client>& clients, const sparse::ladder* ladder = nullptr) {
    return round_of({.rule = rule}, plan, clients, ladder).all;
}

} // namespace feddip::test
