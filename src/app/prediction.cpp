#include "app/prediction.hpp"

#include "app/expected_positions.hpp"
#include "app/experiment.hpp"
#include "base/error.hpp"
#include "data/dataset.hpp"
#include "fl/accounting.hpp"
#include "fl/aggregation/aggregation.hpp"
#include "fl/aggregation/secure_words.hpp"
#include "fl/evaluation.hpp"
#include "fl/faults.hpp"
#include "fl/first_client.hpp"
#include "fl/first_look.hpp"
#include "fl/link_model.hpp"
#include "fl/message.hpp"
#include "fl/neighbourhood.hpp"
#include "fl/privacy_guarantee.hpp"
#include "fl/roster.hpp"
#include "nn/kernel_choice.hpp"
#include "nn/models/registry.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace feddip::app {

namespace {

nn::model_spec spec_of(const config::run_config& config) {
    const auto facts = data::facts_of(config.data);
    return nn::model_of(config.model, facts.shape, facts.classes);
}

// The mask of w'_0; where data decide on it, one as sparse.
sparse::mask expected_start(const fl::method& method, const parameter_layout& layout) {
    if (method.looks_first() == fl::first_look::none) {
        return method.start_mask(layout);
    }
    const auto size = layout.prunable_size();
    const auto alive = method.alive(method.plan(0), layout);
    sparse::mask some(size, false);
    for (std::size_t i = 0; i < alive; ++i) {
        some.set(i * size / alive, true);
    }
    return some;
}

// Whether the first client has the mask of w'_0 already.
bool chooses_mask(fl::first_look look) {
    return look != fl::first_look::none && look != fl::first_look::densities;
}

// Of a message without weights: the header and what is never pruned.
double bytes_without_weights(const parameter_layout& layout) {
    return static_cast<double>(fl::header_bytes + sizeof(float) * (layout.size() - layout.prunable_size()));
}

// Without a server: all messages are alike, and it is known who sends how many (fl/peers.cpp). Where clients
// prune further, when training has it so, these are the most that there may be.
std::vector<round_traffic> predict_exchange(const config::run_config& config, const fl::method& method,
                                            const parameter_layout& layout, const images_in_round& images) {
    const auto& f = config.federation;
    const auto mask = method.personal_mask(layout, 0);
    const double positions = expected_positions(layout, mask, 1, false).of_model();
    const double message =
        bytes_without_weights(layout) + sizeof(float) * static_cast<double>(mask.count()) + positions;
    const fl::link_model links(config);
    const fl::fault_model faults(config.faults, f.seed);

    std::vector<round_traffic> rounds;
    for (int t = 0; t < f.rounds; ++t) {
        auto sampled = fl::sampled_in(t, f, faults);
        fl::introduce(sampled, method, t, f.seed);
        std::vector<fl::client_work> works;
        round_traffic r{.sparsity = mask.sparsity()};
        for (const auto& p : sampled) {
            works.push_back(fl::work_of(p, images(p.client, t), config));
            r.dropped_out += p.answers ? 0 : 1;
        }
        for (std::size_t i = 0; i < sampled.size(); ++i) {
            for (const int peer : sampled[i].senders) {
                works[i].bytes_down += message;
                std::ranges::find(works, peer, &fl::client_work::client)->bytes_up += message;
                r.down += message;
                r.positions += positions;
            }
        }
        r.up = r.down;
        r.positions_up = r.positions;
        fl::wait_for_peers(sampled, links, works);
        r.seconds = links.round_seconds(works);
        rounds.push_back(r);
    }
    return rounds;
}

template <typename Passes>
std::vector<double> flops_of_layers(const config::run_config& config, Passes passes) {
    const auto spec = spec_of(config);
    std::vector<double> flops;
    for (const auto& layer : spec.layers()) {
        const auto input = spec.shape(layer.inputs.front());
        const double outputs = static_cast<double>(layer.output.size());
        if (layer.kind == nn::layer_kind::convolution) {
            flops.push_back(2 * outputs * input.channels * layer.kernel * layer.kernel * passes(layer));
        } else if (layer.kind == nn::layer_kind::fully_connected) {
            flops.push_back(2 * outputs * static_cast<double>(input.size()) * passes(layer));
        }
    }
    return flops;
}

// The largest share of weights in a mask that clients may train with, masks of all weights excepted.
double densest_mask(const config::run_config& config, const parameter_layout& layout,
                    const std::vector<round_traffic>& rounds) {
    double densest = 0, whole = 0;
    const auto add = [&](double density) { densest = density < 1 ? std::max(densest, density) : densest; };
    for (const auto& r : rounds) {
        add(1 - r.sparsity);
        whole = std::max(whole, 1 - r.sparsity);
    }
    const auto method = fl::make_method(config);
    if (const auto own = method->client_mask(method->plan(0), layout, 0)) {
        add(1 - own->sparsity());
    }
    if (config.adaptation.answer == config::answer_kind::relax) {
        add(1 - config.adaptation.relaxed_sparsity);
    }
    using config::budget_kind;
    if (const auto mode = config.budget.mode; mode != budget_kind::none && mode != budget_kind::drop) {
        for (const double part : config.budget.density) {
            if (part < 1 || mode != budget_kind::fixed) { // which alone has no smaller parts
                densest = std::max(densest, std::min(part, whole));
            }
        }
    }
    return densest;
}

} // namespace

std::vector<round_traffic> predict_traffic(const config::run_config& config, const fl::method& method,
                                           const parameter_layout& layout, const images_in_round& images,
                                           int alarm) {
    if (method.neighbours() > 0) {
        return predict_exchange(config, method, layout, images);
    }
    const auto size = static_cast<double>(layout.prunable_size());
    const double without_weights = bytes_without_weights(layout);
    const double clients = config.federation.clients_per_round;
    const auto start = expected_start(method, layout);
    auto alive = static_cast<double>(start.count());
    expected_positions positions(layout, start, config.federation.clients, method.nests_masks());
    if (chooses_mask(method.looks_first())) {
        positions.charge(fl::first_client::id); // which need not be sent it
    }

    const fl::link_model links(config);
    const fl::fault_model faults(config.faults, config.federation.seed);
    const auto guarantee = fl::guarantee_of(config);
    const int count = guarantee ? guarantee->rounds() : config.federation.rounds;
    const int least_updates = std::max(1, fl::make_aggregation_rule(config)->least_updates(0));

    std::vector<round_traffic> rounds;
    for (int t = 0; t < count; ++t) {
        const bool answers = alarm >= 0 && t > alarm && t - alarm <= config::answer_rounds_of(config, alarm);
        const auto plan = answers ? method.plan_after_alarm(t, t - alarm) : method.plan(t);
        const auto sampled =
            guarantee ? std::vector<fl::participant>{} : fl::sampled_in(t, config.federation, faults);
        const auto target = static_cast<double>(method.alive(plan, layout));
        round_traffic r;
        r.dropped_out = static_cast<double>(std::ranges::count(sampled, false, &fl::participant::answers));
        r.all_weights = plan.trains_all_weights();
        r.sparsity = 1 - alive / size;
        for (const auto& p : sampled) {
            r.positions += positions.charge(p.client);
        }
        if (guarantee) {
            r.dropped_out = clients * config.faults.drop_probability;
            r.positions = alive < size ? clients * positions.of_model() : 0;
        }
        r.down = clients * (without_weights + sizeof(float) * alive) + r.positions;
        const double uploads = clients - r.dropped_out;
        double sent = r.all_weights ? size : alive;
        if (plan.upload == fl::upload_content::largest || plan.upload == fl::upload_content::own_mask) {
            sent = target;
            r.positions_up = uploads * positions.of_upload(sent);
        }
        const double uploaded = static_cast<double>(fl::bytes_per_value(plan.values)) * sent +
                                (plan.squared_gradients ? sizeof(float) * size : 0);
        r.up = uploads * (without_weights + uploaded) + r.positions_up;
        if (config.privacy.secure_sum) {
            const auto values = static_cast<std::size_t>(sent) + layout.size() - layout.prunable_size();
            const auto own = fl::secure_traffic(config, t, values, 1 - uploads / clients);
            r.down += own.down;
            r.up = uploads * static_cast<double>(fl::header_bytes) + own.up;
        }
        std::vector<fl::client_work> works;
        for (const auto& p : sampled) {
            works.push_back(fl::work_of(p, images(p.client, t), config));
            works.back().bytes_down = r.down / clients;
            works.back().bytes_up = p.answers ? r.up / uploads : 0;
        }
        r.seconds = guarantee ? fl::not_measured : links.round_seconds(works);
        r.values = sent + static_cast<double>(layout.size() - layout.prunable_size());
        if (t == 0) {
            auto first = fl::cost_of(method.looks_first(), layout, start.count(),
                                     static_cast<std::uint64_t>(positions.of_model()));
            first.images =
                fl::expected_images_of_look(config, method.looks_first(), images(fl::first_client::id, 0));
            r.seconds += first.any() ? links.seconds(fl::work_of(first)) : 0;
            r.down += static_cast<double>(first.bytes_down);
            r.up += static_cast<double>(first.bytes_up);
            r.positions_up += static_cast<double>(first.positions);
        }
        rounds.push_back(r);
        if (plan.reconfigures && (guarantee || uploads >= least_updates)) {
            alive = target;
            positions.reconfigure(alive);
        }
    }
    return rounds;
}

round_traffic total(const std::vector<round_traffic>& rounds) {
    round_traffic sum;
    for (const auto& r : rounds) {
        sum.down += r.down;
        sum.up += r.up;
        sum.positions += r.positions;
        sum.positions_up += r.positions_up;
        sum.seconds += r.seconds;
        sum.dropped_out += r.dropped_out;
    }
    return sum;
}

std::vector<double> forward_flops(const config::run_config& config) {
    return flops_of_layers(config, [](const nn::layer_spec&) { return 1; });
}

std::vector<double> training_flops(const config::run_config& config) {
    return flops_of_layers(config, [](const nn::layer_spec& layer) {
        const bool reads_images = layer.inputs.front() == 0;
        return reads_images ? 2 : 3;
    });
}

memory_estimate estimate_memory(const config::run_config& config, const parameter_layout& layout,
                                const std::vector<round_traffic>& rounds, double largest_share) {
    const auto facts = data::facts_of(config.data);
    const auto spec = spec_of(config);
    // The model, the network's copy and its gradients, dense weights in training, the averaged ones at the
    // server; then partial sums and those on their way: a binary tree over the slots
    // (comm/mpi_transport.hpp).
    const auto slots = static_cast<unsigned>(config.federation.clients_per_round);
    const double copies = 5 + 2 * std::bit_width(slots - 1) + 2;
    // Rules that need all updates hold each as it was trained, and again in the slices of all ranks.
    const double updates_held = config.aggregation.rule == "mean" ? 0 : 2.0 * slots;
    // Each rank holds those that hostile clients look at as they arrive and as they were sent, and its own
    // once more.
    const bool looks = config.attack.kind != "none" && config.attack.sees == config::attack_sight::all;
    const double seen = looks ? 3.0 * slots : 0;
    // Training keeps each layer's values but those of ReLUs and additions, which take the place of their
    // input; of gradients, and where nothing is kept, a few live at once.
    double kept = static_cast<double>(spec.shape(0).size()), largest = kept;
    for (const auto& layer : spec.layers()) {
        const auto values = static_cast<double>(layer.output.size());
        const bool in_place = layer.kind == nn::layer_kind::relu || layer.kind == nn::layer_kind::add;
        kept += in_place ? 0 : values;
        largest = std::max(largest, values);
    }
    const int batch = fl::largest_batch(config.federation, facts);
    const double values =
        std::max(std::min<double>(config.federation.batch_size, largest_share) * (kept + 3 * largest),
                 fl::evaluation_batch * 4 * largest);
    const auto compiled = nn::memory_of_sparse_kernels({.model = config.model,
                                                        .input = facts.shape,
                                                        .classes = facts.classes,
                                                        .max_batch = batch,
                                                        .kernels = config.compute.kernels,
                                                        .precision = config.compute.precision},
                                                       densest_mask(config, layout, rounds));
    return {.dataset = static_cast<double>(data::storage_size(facts)),
            .parameters = copies * static_cast<double>(layout.size()) * sizeof(float),
            .activations = values * sizeof(float),
            .kernels = compiled.bytes,
            .compiled = compiled.density,
            .updates = updates_held * static_cast<double>(layout.size()) * sizeof(float),
            .seen = seen * static_cast<double>(layout.size()) * sizeof(float)};
}

} // namespace feddip::app
