// Everything that a run depends on, as plain structs with the paper's values as defaults.
// The names are those of the TOML file: [data] partition = "iid" is config.data.partition.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace feddip::config {

enum class dataset_name { fashion_mnist, cifar_10, cifar_100, file };
enum class partition_kind { iid, pathological, dirichlet, given };
enum class model_name { lenet5, alexnet, vgg11, resnet18, resnet50, custom };
enum class norm_kind { batch, group };
// As in nn/models/model.hpp.
enum class layer_word {
    convolution,
    fully_connected,
    batch_norm,
    relu,
    max_pool,
    global_average_pool,
    dropout,
    add,
    group_norm,
};
enum class variant_kind { paper, authors };
enum class start_kind { erk, uniform };
enum class start_mask_kind { global, per_client };
enum class start_scale_kind { dense, density };
enum class score_kind { magnitude, lamp };
enum class attack_sight { own, all };
enum class staircase_kind { paper, code };
enum class upload_kind { sparse, dense };
enum class value_kind { f32, bf16 };
enum class reconfiguration_upload_kind { dense, topk, topk_residual };
enum class kernel_kind { automatic, dense, sparse }; // "auto" in TOML
enum class budget_kind { none, fixed, deadline, bytes, drop };
enum class ranking_kind { magnitude, width, rolling_width };
enum class times_kind { simulated, measured };
enum class link_order { drawn, in_order };
enum class precision_kind { f32, bf16 };
enum class sampling_kind { fixed, poisson };
enum class drift_kind { none, label_shift, rotation, contrast, noise, blur };
enum class drift_pattern { sudden, gradual, recurring };
enum class answer_kind { none, regrow, relax };
enum class detector_kind { page_hinkley, adwin };

struct data_section {
    dataset_name dataset = dataset_name::fashion_mnist;
    std::string path; // empty: look in the usual places; with dataset_name::file the file
    partition_kind partition = partition_kind::iid;
    int classes_per_client = 2;
    double dirichlet_alpha = 0.5;

    bool operator==(const data_section&) const = default;
};

// One of [[model.layers]]. Each kind has its own keys (layers.cpp).
struct layer_section {
    layer_word kind = layer_word::relu;
    std::string name; // prefix of its parameters' names, and what others call its output
    std::string from; // the layer whose output it reads; empty: the one before
    std::string with; // of add, the other one
    int outputs = 0;  // channels of a convolution, values of a fully connected layer; there 0: the classes
    int kernel = 1, stride = 1, padding = 0;
    bool bias = true;
    int window = 2;
    double probability = 0.5;
    int groups = 32;

    bool operator==(const layer_section&) const = default;
};

struct model_section {
    // Not explicit: the name of a model stands for it.
    model_section(model_name named = model_name::lenet5) : name(named) {}

    model_name name;
    norm_kind norm = norm_kind::batch; // of the built-in models that have norms
    std::vector<layer_section> layers; // of model_name::custom

    bool operator==(const model_section&) const = default;
};

struct federation_section {
    int clients = 50;
    int clients_per_round = 5;
    int rounds = 1000;
    int local_epochs = 5;
    int batch_size = 128;
    std::uint64_t seed = 1;
    bool rank0_trains = true;
    int evaluate_every = 1;

    bool operator==(const federation_section&) const = default;
};

struct method_section {
    std::string name = "feddip"; // checked against fl's registry
    // As the method's own paper has it, or as the authors of FedDIP run it, where that is something else.
    variant_kind variant = variant_kind::paper;

    bool operator==(const method_section&) const = default;
};

// Each method reads its own section and takes no notice of the others'.
struct fedprox_section {
    double mu = 0.01; // of the proximal term (mu/2) ||w - w_t||^2

    bool operator==(const fedprox_section&) const = default;
};

struct prunefl_section {
    int initial_rounds = 5; // of local training at the first client, before it prunes
    // Of each layer's alive weights, the smallest, that one reconfiguration may remove; halves over the
    // rounds.
    double removable_share = 0.3;

    bool operator==(const prunefl_section&) const = default;
};

struct prunetrain_section {
    double group_lasso = 0.01; // times the sum over layers of ||w_l||

    bool operator==(const prunetrain_section&) const = default;
};

struct feddst_section {
    double readjusted_share = 0.5; // alpha: of a layer's alive weights, drops to 0 along a cosine

    bool operator==(const feddst_section&) const = default;
};

struct dispfl_section {
    int neighbours = 10;           // peers whose models a client gets in a round; all of them, where fewer
    double readjusted_share = 0.5; // as in feddst_section

    bool operator==(const dispfl_section&) const = default;
};

struct dadpfl_section {
    int neighbours = 10;           // as in dispfl_section
    double readjusted_share = 0.3; // as in feddst_section
    int waits = 5; // of its neighbours, those whose model of the same round a client waits for
    // The change of a model's distance from its start, relative to the first such distance, up to which the
    // model counts as settled; where half of them have, all are pruned further. 0: never.
    double pruning_threshold = 0.01;
    double pruning_pace = 2; // the rounds from one further pruning to the next become so many times fewer

    bool operator==(const dadpfl_section&) const = default;
};

struct flash_section {
    // Every sparsity.horizon rounds clients readjust their masks while they train (JMWST); else the mask
    // rests (SPDST).
    bool readjust = false;

    bool operator==(const flash_section&) const = default;
};

struct sparsity_section {
    double initial = 0.5;
    double target = 0.9;
    int horizon = 5;
    bool regrow = true;
    start_kind start = start_kind::erk;
    start_mask_kind start_mask = start_mask_kind::global;
    // density: the drawn weights of a pruned layer are divided by the root of its density, so that a sparse
    // start has the scale of a dense one.
    start_scale_kind start_scale = start_scale_kind::dense;
    // At the end, in which the mask rests at `target`: a number of rounds, or a share of them below 1.
    double final_rounds = 0;
    // Least density of a layer when FedDIP ranks the weights of all layers at once.
    double layer_floor = 0;
    // By which it ranks them. lamp: magnitudes relative to the layer's (sparse/lamp.hpp).
    score_kind score = score_kind::magnitude;

    bool operator==(const sparsity_section&) const = default;
};

struct regularization_section {
    double maximum = 1e-3;
    int steps = 10;
    staircase_kind staircase = staircase_kind::paper;

    bool operator==(const regularization_section&) const = default;
};

struct optimizer_section {
    double learning_rate = 0.1;
    double decay = 0.998;
    double weight_decay = 5e-4;

    bool operator==(const optimizer_section&) const = default;
};

struct communication_section {
    upload_kind upload = upload_kind::sparse;
    value_kind value_type = value_kind::f32;
    reconfiguration_upload_kind reconfiguration_upload = reconfiguration_upload_kind::dense;

    bool operator==(const communication_section&) const = default;
};

// How the server makes one update of many.
struct aggregation_section {
    std::string rule = "mean"; // checked against fl's registry
    int hostile = 0;           // clients of a round that are assumed to be
    double clip = 0; // bound of norm_bound, radius of centered_clipping; 0: the median of the round's

    bool operator==(const aggregation_section&) const = default;
};

// What hostile clients do, simulated.
struct attack_section {
    std::string kind = "none"; // checked against fl's registry
    int clients = 0;           // of all, drawn by the seed
    double strength = 1;       // each attack says of what
    // Whose honest updates they know of a round: those that they have trained themselves, or all others'.
    attack_sight sees = attack_sight::own;

    bool operator==(const attack_section&) const = default;
};

// How clients are protected; src/privacy/README.md says against what.
struct privacy_section {
    double clip = 0; // longest update, the l2 norm of all that is sent; 0: no differential privacy
    // Of the clients' norms, the quantile that the bound follows, from `clip` on; 0: it stays.
    double clip_quantile = 0;
    double noise_multiplier = 0; // standard deviation of the noise on the sum, over the bound
    // With a noise multiplier the run ends before more is spent, without one it finds the noise; 0: neither.
    double epsilon = 0;
    double delta = 1e-5;
    // fixed: clients_per_round, without replacement; poisson: each client with that probability over all.
    sampling_kind sampling = sampling_kind::fixed;
    bool secure_sum = false;

    bool operator==(const privacy_section&) const = default;
};

// From 0 to 1, or found by the controller. At 0 nothing is kept but what bf16 rounds away, which comes back
// whole.
struct feedback_strength {
    bool adaptive = true;
    double fixed = 0;

    bool operator==(const feedback_strength&) const = default;
};

// What a client holds, trains and exchanges, where it isn't the whole model.
struct budget_section {
    budget_kind mode = budget_kind::none;
    // The largest share of the prunable weights that a client can hold: one per class of [links], or one for
    // all.
    std::vector<double> density = {1.0};
    double deadline_s = 0; // with mode = deadline: for a client's round, over the links of the config
    // With mode = deadline: what training takes, by [links] or by the clock, with which no two runs are
    // alike.
    times_kind times = times_kind::simulated;
    double bytes_per_round = 0; // with mode = bytes: that a client exchanges, down and up together
    bool rotate = false;        // small clients take turns at the small weights
    // Which weights a client holds who can't hold all.
    ranking_kind ranking = ranking_kind::magnitude;
    // With ranking = magnitude: a client with a share s of the mask has s x layer_floor of each layer at
    // least.
    double layer_floor = 0.1;
    // With ranking = magnitude: weights are ranked anew whenever the mask changes, and at every so many
    // rounds; 0: only where it changes.
    int ranked_every = 0;
    // How strongly what a client's link did not carry comes back; 0: it is forgotten.
    feedback_strength feedback;

    bool goes_by_the_clock() const { return mode == budget_kind::deadline && times == times_kind::measured; }
    bool has_deadline() const { return mode == budget_kind::deadline || mode == budget_kind::drop; }

    bool operator==(const budget_section&) const = default;
};

// How the data change over the rounds (data/drift.hpp), and how many of them a client sees in one.
struct drift_section {
    drift_kind kind = drift_kind::none;
    drift_pattern pattern = drift_pattern::sudden;
    std::vector<int> at;       // rounds, counted from 1: what happens there is the pattern's
    double strength = 0;       // of what, each kind says
    double clients = 1;        // share of all, drawn by the seed
    int samples_per_round = 0; // drawn anew from a client's images in each round; 0: all of them

    bool operator==(const drift_section&) const = default;
};

// What is done when the clients' loss has risen (fl/adaptation.hpp).
struct adaptation_section {
    answer_kind answer = answer_kind::none;
    detector_kind detector = detector_kind::page_hinkley;
    int rounds = 50;               // that an answer lasts
    double regrown_share = 0.3;    // regrow: of the alive weights, those exchanged at first
    double relaxed_sparsity = 0.8; // relax: to begin with
    // Of a loss in units of that of a guess, log(classes).
    double tolerance = 0.01;   // page_hinkley: rise of the mean that is not looked for
    double threshold = 0.3;    // page_hinkley: sum of rises beyond it that gives an alarm
    double confidence = 0.002; // adwin: probability of an alarm without a reason

    bool operator==(const adaptation_section&) const = default;
};

struct compute_section {
    int threads = 1;
    kernel_kind kernels = kernel_kind::automatic;
    precision_kind precision = precision_kind::f32;

    bool operator==(const compute_section&) const = default;
};

struct checkpoint_section {
    std::string path;         // empty: beside the results file
    int every_rounds = 1;     // 0: not by rounds
    double every_minutes = 0; // since the last one; 0: not by time
    int keep = 2;

    bool none() const { return every_rounds == 0 && every_minutes == 0; }

    bool operator==(const checkpoint_section&) const = default;
};

// What clients would be connected by in a real federation, for the predicted and simulated times; it changes
// no other result. Each list has one value per class of clients, or one for all of them. 0: takes no time.
struct links_section {
    std::vector<double> shares = {1.0};   // of clients in each class; they sum to 1
    link_order order = link_order::drawn; // in_order: the first clients are in the first class, and so on
    std::vector<double> uplink_mbit = {0.0}, downlink_mbit = {0.0}; // 10^6 bits per second
    std::vector<double> latency_ms = {0.0};                         // one way
    std::vector<double> train_ms_per_image = {0.0};                 // forward and backward

    bool operator==(const links_section&) const = default;
};

// What goes wrong with sampled clients, each drawn anew for every client and round. Slowness changes the
// simulated times alone.
struct faults_section {
    double drop_probability = 0; // that a client gets the model, and trains and sends nothing
    double slow_probability = 0; // that its links and its training take `slow_factor` times as long
    double slow_factor = 10;

    bool operator==(const faults_section&) const = default;
};

// What is measured beside the training, which it changes nothing of.
struct analysis_section {
    int convergence_every = 0;   // rounds between measurements of the global gradient; 0: never
    int layer_norms_every = 0;   // of how large each layer's weights and gradient are; 0: never
    bool mask_history = false;   // which weights were ever alive, and how far the mask has moved
    bool class_accuracy = false; // of the images of each class

    bool operator==(const analysis_section&) const = default;
};

struct output_section {
    std::string path; // empty: what --out says

    bool operator==(const output_section&) const = default;
};

struct run_config {
    data_section data;
    model_section model;
    federation_section federation;
    method_section method;
    fedprox_section fedprox;
    prunefl_section prunefl;
    prunetrain_section prunetrain;
    feddst_section feddst;
    dispfl_section dispfl;
    dadpfl_section dadpfl;
    flash_section flash;
    sparsity_section sparsity;
    regularization_section regularization;
    optimizer_section optimizer;
    communication_section communication;
    aggregation_section aggregation;
    attack_section attack;
    privacy_section privacy;
    budget_section budget;
    drift_section drift;
    adaptation_section adaptation;
    compute_section compute;
    checkpoint_section checkpoint;
    links_section links;
    faults_section faults;
    analysis_section analysis;
    output_section output;

    bool operator==(const run_config&) const = default;
};

// Reads a TOML file, then applies `section.key=value` overrides in order. Throws input_error for a file that
// can't be read or parsed, an unknown section or key (naming the nearest allowed one), a value of the wrong
// type or out of range, or values that contradict each other.
run_config load(const std::filesystem::path& file, const std::vector<std::string>& overrides);
run_config parse(const std::string& toml, const std::string& where,
                 const std::vector<std::string>& overrides);

// Every key with its resolved value, as TOML that `parse` reads back to an equal config.
std::string to_toml(const run_config& c);

// The keys in which two configs differ, with their values as TOML.
struct difference {
    std::string key, left, right; // "federation.rounds", "1000", "100"

    bool operator==(const difference&) const = default;
};
std::vector<difference> differences(const run_config& left, const run_config& right);

int classes_of(dataset_name v); // 0: the file will tell

// sparsity.final_rounds as a number of rounds; a share above 0 is at least one.
int final_rounds_of(const run_config& c);

// For how many rounds an alarm in round `alarm` (counted from 0) is answered: adaptation.rounds, or what is
// left.
int answer_rounds_of(const run_config& c, int alarm);

// The names used in TOML, "fashion-mnist" and so on.
std::string to_string(dataset_name v);
std::string to_string(partition_kind v);
std::string to_string(model_name v);

} // namespace feddip::config
