// Each method against what defines it.
#include "data/drift.hpp"
#include "fl/first_client.hpp"
#include "fl/first_look.hpp"
#include "fl/method.hpp"
#include "sparse/magnitude.hpp"
#include "sparse/start.hpp"
#include "unit/fl/federation.hpp"
#include "unit/fl/masks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

using namespace feddip;
using namespace feddip::fl;

namespace {

parameter weights_of(const std::string& name, std::int64_t size) {
    return {name, role::weight, {size, 1}, 0, 0, 1};
}
const parameter_layout three_layers({weights_of("a.weight", 2),
                                     weights_of("b.weight", 6),
                                     weights_of("c.weight", 2),
                                     {"c.bias", role::bias, {1}, 0, 0, 1}});

config::run_config config_of(const std::string& method) {
    config::run_config c;
    c.method.name = method;
    return c;
}

// Client 0 of a small federation before the first round.
struct before_the_first_round {
    test::small_federation what;
    nn::network network{{.kernels = config::kernel_kind::dense}};
    local_trainer trainer{what.config, what.data, network};
    first_client client{trainer, network.layout(), what.shares.train[0]};
    std::vector<float> state = std::vector<float>(network.layout().size());

    before_the_first_round() { initialize(network.layout(), what.config.federation.seed, state); }

    // |w dL/dw|, one minibatch and one weight after the other.
    std::vector<float> saliency_at(const std::vector<float>& weights) {
        random_stream stream(what.config.federation.seed, 0, 0, purpose::probing);
        auto augmentation = stream;
        auto dropout = stream;
        data::training_batches loader(what.data, what.shares.train[0], what.config.federation.batch_size);
        loader.start_epoch(stream);
        network.use_mask(nullptr, nn::gradient_scope::all);
        std::ranges::copy(weights, network.state().begin());
        network.train(loader.next(augmentation), dropout);
        std::vector<float> saliency;
        for (std::size_t i = 0; i < network.layout().prunable_size(); ++i) {
            saliency.push_back(std::abs(weights[i] * network.gradients()[i]));
        }
        return saliency;
    }
};

class every_method : public testing::TestWithParam<std::string> {};

// What a method's clients do and get in whole runs.
class whole_run : public testing::TestWithParam<std::string> {};

const std::string readjusting_flash = "flash_readjusting";

void use(const std::string& method, test::small_federation& federation) {
    federation.config.flash.readjust = method == readjusting_flash;
    federation.config.method.name = method == readjusting_flash ? "flash" : method;
}

} // namespace

TEST_P(every_method, decays_weights_and_the_learning_rate_as_configured) {
    auto c = config_of(GetParam());
    EXPECT_EQ(make_method(c)->plan(5).sgd.weight_decay, 5e-4F);
    c.optimizer = {.learning_rate = 0.5, .decay = 0.5, .weight_decay = 0.25};
    const auto sgd = make_method(c)->plan(3).sgd;
    EXPECT_EQ(sgd.weight_decay, 0.25F);
    EXPECT_EQ(sgd.learning_rate, 0.0625F);
}

INSTANTIATE_TEST_SUITE_P(methods, every_method,
                         testing::Values("dadpfl", "dispfl", "fedavg", "feddip", "feddst", "fedprox", "flash",
                                         "prunefl", "prunetrain", "snip"));

TEST(fedprox, has_no_term_in_the_authors_variant) {
    auto c = config_of("fedprox");
    EXPECT_EQ(make_method(c)->plan(3).proximal, 0.01F);
    c.method.variant = config::variant_kind::authors;
    EXPECT_EQ(make_method(c)->plan(3).proximal, 0.0F);
}

TEST(snip, keeps_the_weights_of_greatest_saliency_where_training_starts) {
    before_the_first_round at;
    at.what.config.method.name = "snip";
    const auto start = at.state;

    const auto mask = make_method(at.what.config)->look(at.client, at.state);

    EXPECT_EQ(at.state, start);
    EXPECT_EQ(mask, sparse::prune_smallest_reference(at.saliency_at(start), 0.9));
}

TEST(snip, ranks_xavier_normal_weights_in_the_authors_variant) {
    before_the_first_round at;
    at.what.config.method = {"snip", config::variant_kind::authors};
    const auto& layout = at.network.layout();
    const auto start = at.state;

    const auto mask = make_method(at.what.config)->look(at.client, at.state);

    EXPECT_EQ(at.state, start);
    std::vector<float> drawn = start;
    std::uint32_t index = 0;
    for (const auto& p : layout.weights()) {
        random_stream random(at.what.config.federation.seed, 0, index++, purpose::probing);
        const double positions = p.shape.size() == 4 ? static_cast<double>(p.shape[2] * p.shape[3]) : 1.0;
        const double fan_in = static_cast<double>(p.shape[1]) * positions;
        const double fan_out = static_cast<double>(p.shape[0]) * positions;
        for (std::size_t i = p.offset; i < p.offset + p.size; ++i) {
            drawn[i] = static_cast<float>(std::sqrt(2 / (fan_in + fan_out)) * random.normal());
        }
    }
    EXPECT_EQ(mask, sparse::prune_smallest_reference(at.saliency_at(drawn), 0.9));
}

TEST(snip_and_flash, never_change_their_mask) {
    for (const char* name : {"snip", "flash"}) {
        const auto method = make_method(config_of(name));
        for (const int round : {0, 5, 999}) {
            EXPECT_FALSE(method->plan(round).reconfigures);
            EXPECT_EQ(method->plan(round).upload, upload_content::in_mask);
        }
    }
}

TEST(flash, gives_layers_densities_of_their_own_and_draws_a_mask_of_these) {
    before_the_first_round at;
    at.what.config.method.name = "flash";
    at.what.config.sparsity.target = 0.8;
    const auto start = at.state;

    const auto mask = make_method(at.what.config)->look(at.client, at.state);

    EXPECT_EQ(at.state, start) << "training begins at w_0";
    const auto& layout = at.network.layout();
    EXPECT_EQ(mask.count(), static_cast<std::size_t>(std::llround(0.2 * static_cast<double>(mask.size()))));
    EXPECT_EQ(mask, make_method(at.what.config)->look(at.client, at.state));
    // Weights begin the larger the fewer inputs a neuron has, which brings weights to the first layer.
    const auto densities = sparse::layer_densities(mask, layout);
    EXPECT_GT(densities.front(), 0.3);
    EXPECT_LT(std::ranges::min(densities), 0.2);
}

TEST(flash, readjusts_in_the_first_of_R_rounds_where_it_is_told_to) {
    auto c = config_of("flash");
    c.federation.rounds = 20;
    c.flash.readjust = true;
    c.sparsity.final_rounds = 8;
    for (int round = 0; round < 20; ++round) {
        const auto plan = make_method(c)->plan(round);
        const bool expected = round == 0 || round == 5 || round == 10;
        EXPECT_EQ(plan.reconfigures, expected) << round;
        EXPECT_EQ(plan.readjusts_in_training, expected) << round;
        EXPECT_EQ(plan.averages_senders, expected) << round;
        EXPECT_EQ(plan.upload, expected ? upload_content::own_mask : upload_content::in_mask) << round;
    }
}

// A quarter at first, none at last; the smallest go, and as many come, the more to the layer of larger
// weights.
TEST(flash, drops_a_falling_share_and_regrows_at_random_where_weights_are_large) {
    const parameter_layout two({weights_of("a.weight", 400), weights_of("b.weight", 400)});
    sparse::mask mask(800, false);
    std::vector<float> weights(800, 0.0F);
    for (std::size_t i = 0; i < 800; i += 2) {
        mask.set(i, true);
        weights[i] = i < 400 ? 3.0F + static_cast<float>(i) : 1.0F + 1e-3F * static_cast<float>(i);
    }
    const auto flash = make_method(config_of("flash"));
    for (const double done : {0.0, 0.2, 0.6}) {
        random_stream random(1, 0, 0, purpose::regrowing), same(1, 0, 0, purpose::regrowing);
        const auto own = flash->mask_in_training({two, weights, mask, done, random});
        EXPECT_EQ(own, flash->mask_in_training({two, weights, mask, done, same}));
        EXPECT_NE(own, flash->mask_in_training({two, weights, mask, done, same})) << "the stream goes on";
        EXPECT_EQ(own.count(), 400U);
        const auto gone = static_cast<std::size_t>(std::lround(0.25 * (1 - done) * 200));
        std::size_t large = 0;
        for (std::size_t i = 0; i < 800; ++i) {
            large += own[i] && mask[i] && i % 400 >= 2 * gone ? 1 : 0;
        }
        EXPECT_EQ(large, 400 - 2 * gone) << "the largest stay";
        // Of the mean magnitudes b's is less than a hundredth.
        EXPECT_LE(own.count(400, 400), 200 - gone + 2) << "the smallest go, and come back to a";
    }
}

// What a client did not send stays with it: always what bf16 rounded away, of weights that were not among the
// largest only with topk_residual, whose residual ordinary rounds must not add.
TEST(feddip, keeps_a_residual_of_what_is_to_be_sent_later) {
    using upload = config::reconfiguration_upload_kind;
    using value = config::value_kind;
    struct {
        upload sent;
        value values;
        bool reconfiguring, ordinary;
    } const expected[] = {
        {upload::dense, value::f32, false, false},        {upload::dense, value::bf16, true, true},
        {upload::topk, value::f32, false, false},         {upload::topk, value::bf16, false, true},
        {upload::topk_residual, value::f32, true, false}, {upload::topk_residual, value::bf16, true, false}};
    for (const auto& e : expected) {
        auto c = config_of("feddip");
        c.sparsity.regrow = true;
        c.communication.reconfiguration_upload = e.sent;
        c.communication.value_type = e.values;
        const auto method = make_method(c);
        const int horizon = c.sparsity.horizon;
        ASSERT_TRUE(method->plan(horizon).reconfigures);
        ASSERT_FALSE(method->plan(horizon + 1).reconfigures);
        EXPECT_EQ(method->plan(horizon).keeps_residual, e.reconfiguring) << static_cast<int>(e.sent);
        EXPECT_EQ(method->plan(horizon + 1).keeps_residual, e.ordinary) << static_cast<int>(e.sent);
    }
}

// Of a, 90 % full, a tenth goes and not a quarter, for its weights are the larger ones.
TEST(flash, spares_layers_that_are_nearly_full) {
    const parameter_layout two({weights_of("a.weight", 200), weights_of("b.weight", 200)});
    sparse::mask mask(400, true);
    std::vector<float> weights(400);
    for (std::size_t i = 0; i < 400; ++i) {
        mask.set(i, i % 10 != 0);
        weights[i] = mask[i] ? (i < 200 ? 100.0F : 1.0F) + static_cast<float>(i) / 400 : 0.0F;
    }
    const auto flash = make_method(config_of("flash"));
    random_stream random(1, 0, 0, purpose::regrowing);
    const auto own = flash->mask_in_training({two, weights, mask, 0, random});
    std::size_t kept[2]{};
    for (std::size_t i = 0; i < 400; ++i) {
        const bool large = i % 200 >= (i < 200 ? 20 : 50);
        kept[i / 200] += mask[i] && own[i] && large ? 1 : 0;
    }
    EXPECT_EQ(kept[0], 162U);
    EXPECT_EQ(kept[1], 135U);
    EXPECT_EQ(own.count(), 360U);
    EXPECT_LT(own.count(200, 200), 180U) << "of b a quarter went, and more came to a";
}

namespace {

// The server's next mask, from what clients have sent.
sparse::mask kept_by_flash(const parameter_layout& layout, const std::vector<float>& weights,
                           const std::vector<float>& senders, const sparse::mask& current) {
    const auto flash = make_method(config_of("flash"));
    return flash->reconfigure(flash->plan(0), {layout, weights, {}, senders}, current);
}

} // namespace

TEST(flash, keeps_a_mask_that_nobody_has_changed) {
    const parameter_layout two({weights_of("a.weight", 100), weights_of("b.weight", 50)});
    sparse::mask mask(150, false);
    std::vector<float> weights(150), senders(150);
    for (std::size_t i = 0; i < 150; ++i) {
        mask.set(i, i < 71 || i >= 121);
        weights[i] = senders[i] = mask[i] ? 1.0F : 0.0F;
    }
    EXPECT_EQ(kept_by_flash(two, weights, senders, mask), mask);
}

TEST(flash, prefers_among_weights_that_are_0_those_that_most_clients_sent) {
    const std::vector<float> weights(10, 0.0F);
    const std::vector<float> senders{0, 0, 1, 0.5F, 0, 1, 0, 0.5F, 0, 0};
    const auto mask =
        kept_by_flash(three_layers, weights, senders, test::mask_of({0, 0, 1, 1, 0, 1, 0, 0, 0, 0}));
    EXPECT_EQ(mask, test::mask_of({0, 0, 1, 0, 0, 1, 0, 1, 0, 0}));
}

// Of two clients one has two of a's weights and two of b's, the other none and four: 1 and 3 on average.
TEST(flash, keeps_in_each_layer_as_many_weights_as_clients_had_there_on_average) {
    const std::vector<float> weights{1, -2, 0.5F, 3, 0, 0.25F, -4, 0, 0, 0};
    const std::vector<float> senders{0.5F, 0.5F, 1, 0.5F, 0, 1, 0.5F, 0, 0, 0};
    const auto mask =
        kept_by_flash(three_layers, weights, senders, test::mask_of({1, 1, 1, 1, 0, 0, 0, 0, 0, 0}));
    EXPECT_EQ(mask, test::mask_of({0, 1, 1, 1, 0, 0, 1, 0, 0, 0}));
}

// In b half of four active weights go: the smallest, at 2 and 5; of the free ones 3, 6, 2 and 5 those with
// the largest gradients come, 6 and 2. In a and c, one of two goes and the one with the larger gradient
// comes.
TEST(feddst, drops_the_smallest_and_regrows_where_gradients_are_largest) {
    auto c = config_of("feddst");
    c.feddst.readjusted_share = 0.5;
    const auto feddst = make_method(c);
    const std::vector<float> weights{1, -2, 0.1F, 0, -0.3F, 0.2F, 0, 4, 1, -3, 7};
    const std::vector<float> gradient{5, 0, -4, 1, 9, 2, 6, 9, 0, 0, 9};
    const auto mask = test::mask_of({1, 1, 1, 0, 1, 1, 0, 1, 1, 1});
    auto plan = feddst->plan(0);

    const auto own = feddst->own_mask(plan, {three_layers, weights, mask, [&] { return gradient; }});

    EXPECT_EQ(own, test::mask_of({1, 1, 1, 0, 1, 0, 1, 1, 1, 1}));
}

// Over half of the 1000 rounds, or over all of them.
TEST(feddst, readjusts_less_and_less) {
    const parameter_layout one({weights_of("a.weight", 1000)});
    std::vector<float> weights(1000), gradient(1000);
    sparse::mask mask(1000, false);
    for (std::size_t i = 0; i < 1000; ++i) {
        mask.set(i, i < 500);
        weights[i] = static_cast<float>(i + 1);
        gradient[i] = static_cast<float>(i);
    }
    auto c = config_of("feddst");
    for (const auto variant : {config::variant_kind::paper, config::variant_kind::authors}) {
        c.method.variant = variant;
        const auto feddst = make_method(c);
        const int end = variant == config::variant_kind::paper ? 500 : 1000;
        for (const int round : {0, end / 4, end / 2, end - 1}) {
            const auto own =
                feddst->own_mask(feddst->plan(round), {one, weights, mask, [&] { return gradient; }});
            EXPECT_EQ(own.count(), 500U);
            const double share = 0.25 * (1 + std::cos(std::acos(-1.0) * round / end));
            EXPECT_NEAR(static_cast<double>(own.count(500, 500)), 500 * share, 0.51) << round;
        }
    }
}

TEST(feddst, readjusts_in_the_first_of_R_rounds_until_half_of_them_are_done) {
    auto c = config_of("feddst");
    c.federation.rounds = 40;
    const auto reconfigures = [&](int round) { return make_method(c)->plan(round).reconfigures; };
    for (int round = 0; round < 40; ++round) {
        c.method.variant = config::variant_kind::paper;
        c.sparsity.final_rounds = 0;
        EXPECT_EQ(reconfigures(round), round > 0 && round < 20 && round % 5 == 0) << round;
        c.sparsity.final_rounds = 16; // half of the others are 12
        EXPECT_EQ(reconfigures(round), round == 5 || round == 10) << round;
        c.method.variant = config::variant_kind::authors;
        EXPECT_EQ(reconfigures(round), round < 24 && round % 5 == 4) << round;
    }
}

// Of b, 0.3 of ERK: weights that no one sent stay dead; among those that are 0 more senders come first.
TEST(feddst, prunes_each_layer_to_its_density_and_prefers_what_most_clients_regrew) {
    auto c = config_of("feddst");
    c.sparsity.target = 0.5;
    c.sparsity.start = config::start_kind::uniform;
    const auto feddst = make_method(c);
    const std::vector<float> weights{1, -2, 0.5F, 0, 0, 0, 0, -1, 3, 0};
    const std::vector<float> senders{1, 1, 1, 0, 0.2F, 0.6F, 0.4F, 1, 1, 0.2F};

    const auto mask =
        feddst->reconfigure(feddst->plan(5), {.layout = three_layers, .weights = weights, .senders = senders},
                            test::mask_of({1, 1, 1, 1, 1, 1, 1, 1, 1, 1}));

    EXPECT_EQ(mask, test::mask_of({0, 1, 1, 0, 0, 1, 0, 1, 1, 0}));
}

TEST(feddst, keeps_the_density_of_each_layer_throughout) {
    test::small_federation federation;
    federation.config.method.name = "feddst";
    federation.config.federation.rounds = 14;
    federation.run();
    const auto layout = nn::layout_of(config::model_name::lenet5, {1, 28, 28}, 10);
    const auto expected = sparse::alive_per_layer(layout, sparse::erk_densities(layout, 0.9));

    for (const auto& state : federation.seen.states) {
        EXPECT_EQ(test::alive_in(state.model.mask, layout), expected);
        const auto& record = state.history.back();
        EXPECT_EQ(record.mask_change > 0, record.round == 3 || record.round == 5 || record.round == 7)
            << record.round;
    }
}

TEST(prunetrain, prunes_all_layers_but_the_first_and_the_last_at_clients_and_server) {
    auto c = config_of("prunetrain");
    c.sparsity = {.initial = 0.5, .target = 0.5};
    const auto prunetrain = make_method(c);
    const std::vector<float> weights{0.1F, 0.2F, 6, -5, 4, 3, -2, 1, 0.3F, 0.1F, 9};
    const auto expected = test::mask_of({1, 1, 1, 1, 1, 0, 0, 0, 1, 1});
    const auto plan = prunetrain->plan(3);

    EXPECT_EQ(prunetrain->own_mask(plan, {three_layers, weights, expected, {}}), expected);
    EXPECT_EQ(prunetrain->reconfigure(plan, {three_layers, std::span(weights).first(10)}, expected),
              expected);
    EXPECT_EQ(prunetrain->alive(plan, three_layers), 7U);
}

TEST(prunetrain, regularizes_from_the_start_and_trains_all_weights) {
    const auto prunetrain = make_method(config_of("prunetrain"));
    const auto plan = prunetrain->plan(0);
    EXPECT_EQ(plan.sgd.regularization, 0.01F);
    EXPECT_TRUE(plan.sgd.spares_ends);
    EXPECT_EQ(prunetrain->client_mask(plan, three_layers, 3)->sparsity(), 0.0);
}

TEST(prunetrain, trains_within_its_last_mask_in_the_final_rounds) {
    auto c = config_of("prunetrain");
    c.federation.rounds = 10;
    c.sparsity.final_rounds = 4;
    const auto prunetrain = make_method(c);
    for (int round = 0; round < 10; ++round) {
        const auto plan = prunetrain->plan(round);
        EXPECT_EQ(plan.reconfigures, round < 6) << round;
        EXPECT_EQ(plan.upload == upload_content::in_mask, round >= 6) << round;
        EXPECT_EQ(prunetrain->client_mask(plan, three_layers, 3).has_value(), round < 6) << round;
        EXPECT_EQ(plan.sgd.regularization, 0.01F);
        EXPECT_EQ(plan.target_sparsity == 0.9, round >= 5) << round;
    }
}

TEST(dadpfl, prunes_each_layer_by_its_pq_index_before_it_readjusts) {
    auto c = config_of("dadpfl");
    c.sparsity.target = 0.9;
    c.dadpfl.readjusted_share = 0;
    const std::vector<float> weights{9, 0, /*b*/ 1, 16, 0, 0, 5, 5, /*c*/ 3, 3, /*bias*/ 0};
    const auto mask = test::mask_of({1, 1, /*b*/ 1, 1, 1, 0, 0, 0, /*c*/ 1, 1});
    const trained_client client{three_layers, weights, mask, [&] { return std::vector<float>(11, 1.0F); }};
    const auto dadpfl = make_method(c);

    auto plan = dadpfl->plan(3);
    EXPECT_EQ(dadpfl->own_mask(plan, client), mask);
    plan.prunes_further = true;
    // a: 1 of 2; b: ceil(25/17) = 2 of 3; c: both
    EXPECT_EQ(dadpfl->own_mask(plan, client), test::mask_of({1, 0, /*b*/ 1, 1, 0, 0, 0, 0, /*c*/ 1, 1}));

    c.sparsity.target = 0.3; // at which it is
    c.sparsity.initial = 0.2;
    EXPECT_EQ(make_method(c)->own_mask(plan, client), mask);
}

TEST(dadpfl, never_prunes_further_where_there_is_no_room) {
    auto c = config_of("dadpfl");
    EXPECT_EQ(make_method(c)->further_pruning().threshold, 0.01);
    c.sparsity.initial = c.sparsity.target;
    EXPECT_EQ(make_method(c)->further_pruning().threshold, 0);
}

TEST(dispfl, keeps_its_masks_in_the_final_rounds) {
    auto c = config_of("dispfl");
    c.federation.rounds = 10;
    c.sparsity.final_rounds = 4;
    const auto dispfl = make_method(c);
    const std::vector<float> weights{1, -2, 0.1F, 0, -0.3F, 0.2F, 0, 4, 1, -3, 7};
    const std::vector<float> gradient{5, 0, -4, 1, 9, 2, 6, 9, 0, 0, 9};
    const auto mask = test::mask_of({1, 1, 1, 0, 1, 1, 0, 1, 1, 1});
    const trained_client client{three_layers, weights, mask, [&] { return gradient; }};

    EXPECT_NE(dispfl->own_mask(dispfl->plan(0), client), mask);
    EXPECT_EQ(dispfl->own_mask(dispfl->plan(6), client), mask);
    EXPECT_EQ(dispfl->own_mask(dispfl->plan(9), client), mask);
}

// LeNet-5 whose weights grow with their position in a layer; the last 100 of the first fully connected one
// are pruned.
class prunefl_on_lenet5 : public testing::Test {
protected:
    prunefl_on_lenet5()
        : layout(nn::layout_of(config::model_name::lenet5, {1, 28, 28}, 10)), weights(layout.prunable_size()),
          squares(layout.prunable_size()), current(layout.prunable_size(), true) {
        for (const auto& p : layout.weights()) {
            std::iota(weights.begin() + static_cast<std::ptrdiff_t>(p.offset),
                      weights.begin() + static_cast<std::ptrdiff_t>(p.offset + p.size), 1.0F);
        }
        for (std::size_t i = 0; i < 100; ++i) {
            current.set(pruned_from + i, false);
            weights[pruned_from + i] = 0;
        }
    }

    // In round 5 of 1000, for `alive` weights.
    sparse::mask reconfigured(config::variant_kind variant, std::size_t alive) const {
        config::run_config c = config_of("prunefl");
        c.method.variant = variant;
        const auto prunefl = make_method(c);
        auto plan = prunefl->plan(5);
        plan.target_sparsity = 1 - static_cast<double>(alive) / static_cast<double>(weights.size());
        return prunefl->reconfigure(
            plan, {.layout = layout, .weights = weights, .squared_gradients = squares}, current);
    }

    static constexpr std::size_t pruned_from = 150 + 2400 + 47900;
    parameter_layout layout;
    std::vector<float> weights, squares;
    sparse::mask current;
};

// 0.3 * 2^(-5/1000) = 0.29896 of 150, 2400, 47900, 10080 and 840 weights are 44, 717, 14320, 3013 and 251.
TEST_F(prunefl_on_lenet5, drops_no_more_than_a_share_of_each_layer_however_low_the_schedule) {
    std::ranges::fill(std::span(squares).last(840), 1.0F);

    const auto mask = reconfigured(config::variant_kind::paper, 1000);

    EXPECT_THAT(test::alive_in(mask, layout), testing::ElementsAre(106, 1683, 33580, 7067, 589));
    for (const auto& p : layout.weights()) {
        EXPECT_FALSE(mask[p.offset]) << p.name; // the smallest
    }
}

// Behind those that stay come the pruned weights, with 50 / (1 + 1/32) = 48.5. In the first convolution
// sending alone costs time; in the second, whose weights are used 100 times, all in all 4.125.
TEST_F(prunefl_on_lenet5, adds_by_squared_gradient_over_time_cost) {
    std::ranges::fill(std::span(squares).subspan(pruned_from, 100), 50.0F);
    squares[0] = 48;
    squares[150] = 190;
    const std::size_t staying = 106 + 1683 + 33580 + 7067 + 589;

    const auto pruned_first = reconfigured(config::variant_kind::paper, staying + 100);
    EXPECT_EQ(pruned_first.count(), staying + 100);
    EXPECT_EQ(pruned_first.count(pruned_from, 100), 100U);
    EXPECT_FALSE(pruned_first[0]);
    EXPECT_FALSE(pruned_first[150]);

    EXPECT_TRUE(reconfigured(config::variant_kind::paper, staying + 101)[0]);
    squares[0] = 49;
    squares[150] = 210;
    const auto pruned_last = reconfigured(config::variant_kind::paper, staying + 100);
    EXPECT_TRUE(pruned_last[0]);
    EXPECT_TRUE(pruned_last[150]);
    EXPECT_EQ(pruned_last.count(pruned_from, 100), 98U);
}

TEST_F(prunefl_on_lenet5, exempts_the_first_layer_and_ranks_all_others_in_the_authors_variant) {
    std::ranges::fill(squares, 1.0F);
    EXPECT_THAT(test::alive_in(reconfigured(config::variant_kind::authors, weights.size() - 150), layout),
                testing::ElementsAre(150, 2250, 48000, 10080, 840));
    std::ranges::fill(std::span(squares).subspan(150, 2400), 1000.0F);
    EXPECT_THAT(test::alive_in(reconfigured(config::variant_kind::authors, 3390), layout),
                testing::ElementsAre(150, 2400, 0, 0, 840));
}

TEST(prunefl, halves_the_share_that_may_go_over_the_rounds) {
    auto c = config_of("prunefl");
    c.sparsity.initial = 0;
    c.sparsity.target = 0.99;
    c.federation.rounds = 10;
    const parameter_layout layout = nn::layout_of(config::model_name::lenet5, {1, 28, 28}, 10);
    const auto size = static_cast<double>(layout.prunable_size());
    const auto prunefl = make_method(c);
    EXPECT_NEAR(static_cast<double>(prunefl->alive(prunefl->plan(9), layout)),
                size * (1 - 0.3 * std::sqrt(0.5)), 1);
    c.federation.rounds = 1000; // then the schedule is the slower one
    const auto slower = make_method(c);
    EXPECT_NEAR(static_cast<double>(slower->alive(slower->plan(999), layout)),
                size * (1 - slower->plan(995).target_sparsity), 1);
}

TEST(prunefl, predicts_how_many_weights_its_masks_have) {
    test::small_federation federation;
    federation.config.method.name = "prunefl";
    federation.config.federation.rounds = 8;
    federation.run();
    const auto prunefl = make_method(federation.config);
    const auto layout = nn::layout_of(config::model_name::lenet5, {1, 28, 28}, 10);
    for (const auto& state : federation.seen.states) {
        const auto predicted =
            static_cast<double>(prunefl->alive(prunefl->plan(state.rounds_done - 1), layout));
        const auto tensors = static_cast<double>(layout.weights().size());
        EXPECT_NEAR(static_cast<double>(state.model.mask.count()), predicted, tensors * state.rounds_done);
    }
}

TEST(prunefl, sends_squared_gradients_when_it_reconfigures_and_never_before_the_horizon) {
    const auto prunefl = make_method(config_of("prunefl"));
    for (int round = 0; round < 20; ++round) {
        EXPECT_EQ(prunefl->plan(round).squared_gradients, round > 0 && round % 5 == 0);
        EXPECT_EQ(prunefl->plan(round).reconfigures, prunefl->plan(round).squared_gradients);
    }
    const auto of_authors = make_method([] {
        auto c = config_of("prunefl");
        c.method.variant = config::variant_kind::authors;
        return c;
    }());
    for (int round = 0; round < 20; ++round) {
        EXPECT_EQ(of_authors->plan(round).reconfigures, round % 5 == 4);
    }
}

TEST(prunefl, reconfigures_last_before_the_final_rounds) {
    auto c = config_of("prunefl");
    c.federation.rounds = 20;
    c.sparsity.final_rounds = 7;
    const auto prunefl = make_method(c);
    for (int round = 0; round < 20; ++round) {
        EXPECT_EQ(prunefl->plan(round).reconfigures, round == 5 || round == 10 || round == 12) << round;
        EXPECT_EQ(prunefl->plan(round).target_sparsity == 0.9, round >= 12) << round;
    }
}

TEST(prunefl, prunes_a_model_that_one_client_has_trained) {
    before_the_first_round at;
    at.what.config.method.name = "prunefl";
    const auto before = at.state;

    const auto mask = make_method(at.what.config)->look(at.client, at.state);

    EXPECT_NEAR(mask.sparsity(), 0.5, 1e-4);
    EXPECT_NE(at.state, before);
    for (const double d : sparse::layer_densities(mask, at.network.layout())) {
        EXPECT_GT(d, 0.48); // two steps, each of which leaves 0.7
    }
}

TEST(prunefl, trains_one_client_until_it_is_better_than_chance_in_the_authors_variant) {
    before_the_first_round at;
    at.what.config.method = {"prunefl", config::variant_kind::authors};
    at.what.config.sparsity.initial = 0.9;

    const auto mask = make_method(at.what.config)->look(at.client, at.state);

    EXPECT_NEAR(mask.sparsity(), 0.9, 1e-4);
    EXPECT_EQ(mask.count(0, 150), 150U);
    EXPECT_GT(at.client.accuracy({mask.size(), true}, at.state), 0.11);
}

TEST(first_client, trains_on_as_many_images_as_foreseen) {
    for (const std::string method : {"snip", "flash", "prunefl"}) {
        before_the_first_round at;
        auto& c = at.what.config;
        c.method.name = method;
        c.federation.local_epochs = 2;
        c.sparsity.initial = 0.7;
        const auto how = make_method(c);
        how->look(at.client, at.state);
        const auto images = static_cast<double>(at.what.shares.train[0].size());
        EXPECT_EQ(at.client.images_trained(c.federation),
                  expected_images_of_look(c, how->looks_first(), images))
            << method;
        EXPECT_EQ(at.client.images_trained(c.federation) > 2 * images, method != "snip");
    }
}

TEST(first_client, measures_the_share_of_its_images_that_it_gets_right) {
    before_the_first_round at;
    const sparse::mask all(at.network.layout().prunable_size(), true);
    const auto& images = at.what.shares.train[0];
    data::evaluation_batches one_by_one(at.what.data, at.what.data.train, 1);
    at.client.train({.sgd = {0.1F, 0, 0}}, all, at.state);

    const double accuracy = at.client.accuracy(all, at.state);

    int right = 0;
    for (const auto image : images) {
        right += at.network.evaluate(one_by_one.load({&image, 1})).correct;
    }
    EXPECT_DOUBLE_EQ(accuracy, right / static_cast<double>(images.size()));
}

TEST(first_client, is_measured_on_its_images_as_they_drift) {
    before_the_first_round at;
    at.what.config.drift = {.kind = config::drift_kind::rotation,
                            .pattern = config::drift_pattern::sudden,
                            .at = {1},
                            .strength = 180};
    const data::drift drift(at.what.config.drift, at.what.data, at.what.shares, 1);
    local_trainer trainer(at.what.config, at.what.data, at.network, &drift);
    first_client client(trainer, at.network.layout(), at.what.shares.train[0]);
    const sparse::mask all(at.network.layout().prunable_size(), true);
    for (int training = 0; training < 20; ++training) {
        client.train({.sgd = {0.1F, 0, 0}}, all, at.state);
    }

    const double as_seen = client.accuracy(all, at.state);

    EXPECT_GT(as_seen, at.client.accuracy(all, at.state) + 0.2) << "on what it has not been trained on";
}

TEST(local_trainer, averages_the_squared_gradients_of_pruned_weights_too) {
    before_the_first_round at;
    at.what.config.federation.local_epochs = 1;
    sparse::mask mask(at.network.layout().prunable_size(), true);
    for (std::size_t i = 0; i < mask.size(); i += 3) {
        mask.set(i, false);
    }
    sparse::apply(mask, std::span(at.state).first(mask.size()));
    const global_model model{at.state, mask, 1};
    round_plan plan{.sgd = {.learning_rate = 0.1F, .weight_decay = 5e-4F, .regularization = 0}};
    at.trainer.train(model, mask, plan, 0, at.what.shares.train[0], [] {});
    const std::vector<float> trained(at.trainer.weights().begin(), at.trainer.weights().end());

    plan.squared_gradients = true;
    const auto record = at.trainer.train(model, mask, plan, 0, at.what.shares.train[0], [] {});

    EXPECT_EQ(std::vector<float>(at.trainer.weights().begin(), at.trainer.weights().end()), trained);
    // The first minibatch again; the others keep their sign: no weight's mean is below its share.
    random_stream shuffling(1, 0, 0, purpose::shuffling), augmentation(1, 0, 0, purpose::augmentation),
        dropout(1, 0, 0, purpose::dropout);
    data::training_batches loader(at.what.data, at.what.shares.train[0],
                                  at.what.config.federation.batch_size);
    loader.start_epoch(shuffling);
    std::ranges::copy(at.state, at.network.state().begin());
    std::vector<double> mean(mask.size());
    for (int b = 0; b < loader.batches(); ++b) {
        at.network.use_mask(&mask, nn::gradient_scope::all);
        at.network.train(loader.next(augmentation), dropout);
        for (std::size_t i = 0; i < mask.size(); ++i) {
            const double g = at.network.gradients()[i];
            mean[i] += g * g / loader.batches();
        }
        const auto gradients = at.network.gradients();
        nn::sgd_step_on_mask(at.network.layout(), plan.sgd, mask, gradients,
                             at.network.state().first(at.network.layout().trainable_size()));
    }
    ASSERT_EQ(at.trainer.squared_gradients().size(), mask.size());
    double of_pruned = 0;
    for (std::size_t i = 0; i < mask.size(); ++i) {
        ASSERT_NEAR(at.trainer.squared_gradients()[i], mean[i], 1e-7 + 1e-5 * mean[i]) << i;
        of_pruned += mask[i] ? 0 : mean[i];
    }
    EXPECT_GT(of_pruned, 0);
    EXPECT_EQ(record.included, 1);
}

TEST(local_trainer, looks_at_a_gradient_without_touching_what_it_has_trained) {
    before_the_first_round at;
    const global_model model{at.state, {at.network.layout().prunable_size(), true}, 0};
    at.trainer.train(model, model.mask, {.sgd = {0.1F, 0, 0}}, 0, at.what.shares.train[0], [] {});
    const std::vector<float> trained(at.trainer.weights().begin(), at.trainer.weights().end());

    const auto gradient = at.trainer.gradient(trained, 0, 0, at.what.shares.train[0]);

    EXPECT_EQ(std::vector<float>(at.trainer.weights().begin(), at.trainer.weights().end()), trained);
    EXPECT_EQ(gradient, at.trainer.gradient(trained, 0, 0, at.what.shares.train[0]));
}

TEST_P(whole_run, learns) {
    test::small_federation federation;
    use(GetParam(), federation);
    test::expect_that_it_learns(federation);
}

TEST_P(whole_run, resumed_anywhere_gives_the_bits_of_an_undisturbed_one) {
    test::small_federation undisturbed;
    use(GetParam(), undisturbed);
    const auto expected = undisturbed.run().state;
    for (int stop = 1; stop < 4; ++stop) {
        test::small_federation first, second;
        use(GetParam(), first);
        use(GetParam(), second);
        const auto resumed = second.run(first.run(std::nullopt, stop).state).state;
        EXPECT_EQ(resumed.model.state, expected.model.state) << stop;
        EXPECT_EQ(resumed.model.mask, expected.model.mask) << stop;
        for (std::size_t t = 0; t < expected.history.size(); ++t) {
            EXPECT_EQ(resumed.history[t].bytes_up, expected.history[t].bytes_up);
            EXPECT_EQ(resumed.history[t].bytes_down, expected.history[t].bytes_down);
        }
    }
}

TEST_P(whole_run, leaves_weights_outside_the_mask_at_zero) {
    test::small_federation federation;
    use(GetParam(), federation);
    federation.run();
    for (const auto& state : federation.seen.states) {
        for (std::size_t i = 0; i < state.model.mask.size(); ++i) {
            ASSERT_TRUE(state.model.mask[i] || state.model.state[i] == 0.0F);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(methods, whole_run,
                         testing::Values("fedavg", "fedprox", "flash", readjusting_flash, "snip", "feddst",
                                         "prunetrain", "prunefl"));

// w'_0 of a run with start_scale = "density" is that of a dense start, each layer over the root of its
// density.
TEST(start_scale, brings_a_sparse_start_to_the_scale_of_a_dense_one) {
    for (const char* name : {"feddip", "feddst", "flash", "snip"}) {
        test::small_federation plain, scaled;
        plain.config.method.name = scaled.config.method.name = name;
        plain.config.federation.rounds = scaled.config.federation.rounds = 1;
        scaled.config.sparsity.start_scale = config::start_scale_kind::density;
        plain.run();
        scaled.run();
        const auto& from = plain.seen.started_from.model;
        const auto& to = scaled.seen.started_from.model;
        const auto layout = nn::layout_of(config::model_name::lenet5, {1, 28, 28}, 10);
        const auto densities = sparse::layer_densities(from.mask, layout);
        EXPECT_EQ(to.mask, from.mask);
        for (std::size_t l = 0; l < densities.size(); ++l) {
            const auto& p = layout.weights()[l];
            for (std::size_t i = p.offset; i < p.offset + p.size; ++i) {
                ASSERT_FLOAT_EQ(to.state[i], from.state[i] / static_cast<float>(std::sqrt(densities[l])));
            }
        }
        EXPECT_TRUE(std::ranges::equal(std::span(to.state).subspan(layout.prunable_size()),
                                       std::span(from.state).subspan(layout.prunable_size())));
    }
}

TEST(final_rounds, let_the_masks_of_peers_rest_that_trained_last_before_them) {
    for (const char* name : {"dispfl", "dadpfl"}) {
        test::small_federation federation;
        federation.config.method.name = name;
        federation.config.federation.rounds = 14;
        federation.config.federation.clients_per_round = 2;
        federation.config.sparsity.final_rounds = 8;
        federation.run();
        double before = 0;
        for (const auto& record : federation.seen.states.back().history) {
            before += record.round <= 6 ? record.mask_change : 0;
            EXPECT_TRUE(record.round <= 6 || record.mask_change == 0) << name << ' ' << record.round;
        }
        EXPECT_GT(before, 0) << name;
    }
}

TEST(final_rounds, let_every_mask_rest) {
    for (const std::string& name : {std::string("feddip"), std::string("prunefl"), std::string("prunetrain"),
                                    std::string("feddst"), readjusting_flash}) {
        test::small_federation federation;
        use(name, federation);
        federation.config.federation.rounds = 14;
        federation.config.sparsity.target = 0.8;
        federation.config.sparsity.final_rounds = 4;
        federation.run();
        const auto& states = federation.seen.states;
        EXPECT_NE(states[9].model.mask, states.front().model.mask) << name;
        for (std::size_t round = 10; round < 14; ++round) {
            EXPECT_EQ(states[round].model.mask, states[9].model.mask) << name;
        }
    }
}
