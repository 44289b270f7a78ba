#include "base/error.hpp"
#include "config/config.hpp"
#include "config/keys.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <bit>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <set>

namespace feddip::config {
namespace {

using testing::HasSubstr;

run_config parse_text(const std::string& toml, const std::vector<std::string>& overrides = {}) {
    return parse(toml, "test.toml", overrides);
}

model_section one_layer() {
    model_section model{model_name::custom};
    layer_section& layer = model.layers.emplace_back();
    layer.kind = layer_word::fully_connected;
    layer.name = "only";
    return model;
}

// No value is a default one.
run_config unusual_config() {
    run_config c;
    c.data = {dataset_name::cifar_100, "/data/\"quoted\" \\ tab\t and ünïcode", partition_kind::dirichlet, 17,
              0.1};
    c.model = one_layer();
    c.federation = {1000, 31, 77, 3, 20, 9'007'199'254'740'993, false, 5};
    c.method = {"fedprox", variant_kind::authors};
    c.fedprox = {0.1};
    c.prunefl = {50, 0.125};
    c.prunetrain = {0.02};
    c.feddst = {0.25};
    c.dispfl = {3, 0.75};
    c.dadpfl = {4, 0.625, 2, 0.02, 1.5};
    c.flash = {true};
    c.sparsity = {0.123456789012345678,
                  0.98,
                  20,
                  false,
                  start_kind::uniform,
                  start_mask_kind::per_client,
                  start_scale_kind::density,
                  0.25,
                  0.01,
                  score_kind::lamp};
    c.regularization = {2.0 / 3000, 20, staircase_kind::code};
    c.optimizer = {1.0, 1.0, 1e-300};
    c.communication = {upload_kind::dense, value_kind::bf16, reconfiguration_upload_kind::topk_residual};
    c.aggregation = {.rule = "median", .hostile = 1, .clip = 1.5};
    c.attack = {"alie", 3, 1.25, attack_sight::all};
    c.budget = {.mode = budget_kind::bytes,
                .density = {0.5, 1e-3},
                .deadline_s = 0.5,
                .times = times_kind::measured,
                .bytes_per_round = 12345,
                .rotate = true,
                .ranking = ranking_kind::rolling_width,
                .layer_floor = 1,
                .ranked_every = 7,
                .feedback = {.adaptive = false, .fixed = 0.25}};
    c.drift = {drift_kind::noise, drift_pattern::gradual, {3, 70}, 0.1, 0.3, 9};
    c.adaptation = {answer_kind::relax, detector_kind::adwin, 7, 0.6, 0.97, 0, 0.7, 1e-5};
    c.compute = {64, kernel_kind::sparse, precision_kind::bf16};
    c.checkpoint = {"kept here", 0, 7.5, 9};
    c.links = {{0.75, 0.25}, link_order::in_order, {10.5, 100}, {50, 0}, {20.0}, {0, 0.125}};
    c.faults = {0.0625, 1.0, 1.5};
    c.analysis = {25, 50, true, true};
    c.output = {"out\nwith a line break.h5"};
    return c;
}

// What contradicts some of that: no value of these is a default one.
run_config private_config() {
    run_config c;
    c.data.dataset = dataset_name::cifar_100;
    c.model = model_name::resnet18;
    c.model.norm = norm_kind::group;
    c.privacy = {1.5, 0.75, 1.25, 3, 1e-6, sampling_kind::poisson, true};
    return c;
}

// Whose values differ from the default in one of the two.
std::size_t keys_tested_by(const run_config& one, const run_config& other) {
    std::set<std::string> names;
    for (const run_config* c : {&one, &other}) {
        for (const difference& d : differences(*c, run_config{})) {
            names.insert(d.key);
        }
    }
    return names.size();
}

TEST(parse, of_nothing_gives_the_defaults) {
    EXPECT_EQ(parse_text(""), run_config{});
}

TEST(parse, reads_every_key) {
    const run_config c = parse_text(R"(
[data]
dataset = "cifar-100"
path = "somewhere"
partition = "pathological"
classes_per_client = 20
dirichlet_alpha = 0.25
[model]
name = "custom"
layers = [{kind = "fully_connected", name = "only"}]
[federation]
clients = 20
clients_per_round = 4
rounds = 600
local_epochs = 2
batch_size = 64
seed = 7
rank0_trains = false
evaluate_every = 10
[method]
name = "fedavg"
variant = "authors"
[fedprox]
mu = 1
[prunefl]
initial_rounds = 2
removable_share = 0.25
[prunetrain]
group_lasso = 0
[feddst]
readjusted_share = 1
[dispfl]
neighbours = 2
readjusted_share = 0.25
[dadpfl]
neighbours = 3
readjusted_share = 0.125
waits = 1
pruning_threshold = 0.5
pruning_pace = 4
[flash]
readjust = true
[sparsity]
initial = 0.25
target = 0.95
horizon = 20
regrow = false
start = "uniform"
start_mask = "per_client"
start_scale = "density"
final_rounds = 100
layer_floor = 0.05
score = "lamp"
[regularization]
maximum = 2e-3
steps = 20
staircase = "code"
[optimizer]
learning_rate = 0.05
decay = 0.99
weight_decay = 0
[communication]
upload = "dense"
value_type = "bf16"
reconfiguration_upload = "topk"
[aggregation]
rule = "median"
hostile = 1
clip = 1.5
[attack]
kind = "alie"
clients = 3
strength = 1.25
sees = "all"
[budget]
mode = "deadline"
density = [1.0, 0.25]
deadline_s = 2.5
times = "measured"
bytes_per_round = 1e6
rotate = true
ranking = "width"
layer_floor = 0
ranked_every = 2
feedback = 1
[drift]
kind = "blur"
pattern = "recurring"
at = [10, 20]
strength = 1.5
clients = 0.5
samples_per_round = 64
[adaptation]
answer = "regrow"
detector = "adwin"
rounds = 30
regrown_share = 0.2
relaxed_sparsity = 0.7
tolerance = 0.02
threshold = 1
confidence = 0.01
[compute]
threads = 3
kernels = "sparse"
precision = "bf16"
[checkpoint]
path = "kept"
every_rounds = 0
every_minutes = 30
keep = 5
[links]
shares = [0.8, 0.2]
order = "in_order"
uplink_mbit = [10, 100]
downlink_mbit = [50, 1e3]
latency_ms = 20
train_ms_per_image = [0.5, 0.1]
[faults]
drop_probability = 0.1
slow_probability = 0.2
slow_factor = 4
[analysis]
convergence_every = 10
layer_norms_every = 20
mask_history = true
class_accuracy = true
[output]
path = "run.h5"
)");

    run_config expected;
    expected.data = {dataset_name::cifar_100, "somewhere", partition_kind::pathological, 20, 0.25};
    expected.model = one_layer();
    expected.federation = {20, 4, 600, 2, 64, 7, false, 10};
    expected.method = {"fedavg", variant_kind::authors};
    expected.fedprox = {1};
    expected.prunefl = {2, 0.25};
    expected.prunetrain = {0};
    expected.feddst = {1};
    expected.dispfl = {2, 0.25};
    expected.dadpfl = {3, 0.125, 1, 0.5, 4};
    expected.flash = {true};
    expected.sparsity = {0.25,
                         0.95,
                         20,
                         false,
                         start_kind::uniform,
                         start_mask_kind::per_client,
                         start_scale_kind::density,
                         100,
                         0.05,
                         score_kind::lamp};
    expected.regularization = {2e-3, 20, staircase_kind::code};
    expected.optimizer = {0.05, 0.99, 0};
    expected.communication = {upload_kind::dense, value_kind::bf16, reconfiguration_upload_kind::topk};
    expected.aggregation = {.rule = "median", .hostile = 1, .clip = 1.5};
    expected.attack = {"alie", 3, 1.25, attack_sight::all};
    expected.budget = {.mode = budget_kind::deadline,
                       .density = {1, 0.25},
                       .deadline_s = 2.5,
                       .times = times_kind::measured,
                       .bytes_per_round = 1e6,
                       .rotate = true,
                       .ranking = ranking_kind::width,
                       .layer_floor = 0,
                       .ranked_every = 2,
                       .feedback = {.adaptive = false, .fixed = 1}};
    expected.drift = {drift_kind::blur, drift_pattern::recurring, {10, 20}, 1.5, 0.5, 64};
    expected.adaptation = {answer_kind::regrow, detector_kind::adwin, 30, 0.2, 0.7, 0.02, 1, 0.01};
    expected.compute = {3, kernel_kind::sparse, precision_kind::bf16};
    expected.checkpoint = {"kept", 0, 30, 5};
    expected.links = {{0.8, 0.2}, link_order::in_order, {10, 100}, {50, 1000}, {20.0}, {0.5, 0.1}};
    expected.faults = {0.1, 0.2, 4};
    expected.analysis = {10, 20, true, true};
    expected.output = {"run.h5"};
    EXPECT_EQ(c, expected);

    const run_config other = parse_text(R"(
[data]
dataset = "cifar-100"
[model]
name = "resnet18"
norm = "group"
[privacy]
clip = 1.5
clip_quantile = 0.75
noise_multiplier = 1.25
epsilon = 3
delta = 1e-6
sampling = "poisson"
secure_sum = true
)");
    EXPECT_EQ(other, private_config());
    EXPECT_EQ(keys_tested_by(c, other), keys().size()) << "the examples leave a default untested";
}

TEST(parse, knows_every_choice) {
    const std::pair<const char*, std::vector<const char*>> choices[] = {
        {"attack.sees", {"own", "all"}},
        {"data.partition", {"iid", "pathological", "dirichlet"}},
        {"method.variant", {"paper", "authors"}},
        {"budget.mode", {"none", "fixed"}},
        {"budget.times", {"simulated", "measured"}},
        {"sparsity.start", {"erk", "uniform"}},
        {"sparsity.start_mask", {"global", "per_client"}},
        {"sparsity.start_scale", {"dense", "density"}},
        {"sparsity.score", {"magnitude", "lamp"}},
        {"communication.upload", {"sparse", "dense"}},
        {"communication.value_type", {"f32", "bf16"}},
        {"communication.reconfiguration_upload", {"dense", "topk", "topk_residual"}},
        {"compute.kernels", {"auto", "dense", "sparse"}},
        {"compute.precision", {"f32", "bf16"}},
    };
    for (const auto& [name, values] : choices) {
        std::set<std::string> dumps;
        for (const std::string value : values) {
            dumps.insert(to_toml(parse_text("", {name + ("=" + value)})));
        }
        EXPECT_EQ(dumps.size(), values.size()) << name;
    }
    EXPECT_EQ(parse_text("compute.kernels = \"auto\"").compute.kernels, kernel_kind::automatic);
}

TEST(parse, takes_an_integer_where_a_number_is_wanted) {
    EXPECT_EQ(parse_text("[optimizer]\nlearning_rate = 1").optimizer.learning_rate, 1.0);
}

TEST(final_rounds, are_a_number_or_a_share_of_the_rounds) {
    const auto rounds_of = [](const char* wanted) {
        return final_rounds_of(
            parse_text("[federation]\nrounds = 40", {std::string("sparsity.final_rounds=") + wanted}));
    };
    EXPECT_EQ(rounds_of("0"), 0);
    EXPECT_EQ(rounds_of("1"), 1);
    EXPECT_EQ(rounds_of("39"), 39);
    EXPECT_EQ(rounds_of("0.25"), 10);
    EXPECT_EQ(rounds_of("0.001"), 1);
}

TEST(overrides, come_after_the_file_and_in_order) {
    const run_config c = parse_text("[federation]\nrounds = 10\nseed = 3",
                                    {"federation.rounds=20", "federation.rounds = 30 "});

    EXPECT_EQ(c.federation.rounds, 30);
    EXPECT_EQ(c.federation.seed, 3U);
}

TEST(overrides, take_toml_values_and_bare_words) {
    const run_config c = parse_text(
        "", {"data.partition=dirichlet", "data.dirichlet_alpha=1e-1", "sparsity.regrow=false",
             "method.name=\"fedavg\"", "output.path=results/run 1.h5", "checkpoint.path=a=b", "data.path="});

    EXPECT_EQ(c.data.partition, partition_kind::dirichlet);
    EXPECT_EQ(c.data.dirichlet_alpha, 0.1);
    EXPECT_FALSE(c.sparsity.regrow);
    EXPECT_EQ(c.method.name, "fedavg");
    EXPECT_EQ(c.output.path, "results/run 1.h5");
    EXPECT_EQ(c.checkpoint.path, "a=b");
    EXPECT_EQ(c.data.path, "");
}

TEST(overrides, can_make_a_config_whole_that_the_file_leaves_contradictory) {
    const run_config c = parse_text("[data]\ndataset = \"cifar-10\"", {"model.name=alexnet"});

    EXPECT_EQ(c.model.name, model_name::alexnet);
}

TEST(to_toml, reads_back_to_an_equal_config) {
    EXPECT_EQ(parse_text(to_toml(run_config{})), run_config{});
    EXPECT_EQ(parse_text(to_toml(unusual_config())), unusual_config());
    EXPECT_EQ(parse_text(to_toml(private_config())), private_config());
    EXPECT_EQ(keys_tested_by(unusual_config(), private_config()), keys().size())
        << "a default is left untested";
}

TEST(to_toml, keeps_every_bit_of_a_number) {
    std::mt19937_64 random(1);
    const auto any_double = [&] {
        // Any positive finite number, subnormal ones among them.
        return std::bit_cast<double>(random() %
                                     std::bit_cast<std::uint64_t>(std::numeric_limits<double>::infinity()));
    };
    for (int i = 0; i < 2000; ++i) {
        run_config c;
        c.optimizer.weight_decay = any_double();
        c.optimizer.learning_rate = any_double() + std::numeric_limits<double>::denorm_min();
        c.sparsity.target = 0.5 + static_cast<double>(random() >> 12) * 0x1p-53;

        ASSERT_EQ(parse_text(to_toml(c)), c) << to_toml(c);
    }
}

TEST(to_toml, writes_short_numbers_shortly) {
    const std::string text = to_toml(run_config{});

    for (const char* line :
         {"decay = 0.998\n", "maximum = 0.001\n", "weight_decay = 0.0005\n", "kernels = \"auto\"\n",
          "[federation]\n", "dataset = \"fashion-mnist\"\n", "rank0_trains = true\n"}) {
        EXPECT_THAT(text, HasSubstr(line));
    }
}

TEST(differences, name_the_key_and_both_values) {
    run_config left, right;
    right.federation.rounds = 20;
    right.method.name = "fedavg";

    EXPECT_EQ(differences(left, right),
              (std::vector<difference>{{"federation.rounds", "1000", "20"},
                                       {"method.name", "\"feddip\"", "\"fedavg\""}}));
    EXPECT_TRUE(differences(left, left).empty());
}

TEST(keys, have_names_of_their_own) {
    std::set<std::string> names;
    for (const key& k : keys()) {
        EXPECT_TRUE(names.insert(k.full_name()).second) << k.full_name();
    }
}

TEST(load, reads_a_file) {
    const auto file =
        std::filesystem::temp_directory_path() / ("feddip-config-" + std::to_string(getpid()) + ".toml");
    std::ofstream(file) << "[federation]\nrounds = 12\n";

    const run_config c = load(file, {"federation.seed=5"});
    std::filesystem::remove(file);

    EXPECT_EQ(c.federation.rounds, 12);
    EXPECT_EQ(c.federation.seed, 5U);
}

} // namespace
} // namespace feddip::config
