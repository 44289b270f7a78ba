#include "config/validate.hpp"

#include "base/error.hpp"
#include "config/names.hpp"

#include <fmt/format.h>

#include <utility>
#include <vector>

namespace feddip::config {

namespace {

// Where the authors' staircase of the regularization begins.
constexpr double staircase_bottom = 5e-4;
constexpr double rounding = 1e-9; // a floor of 0.1 is no more than 1 - 0.9 leaves

template <typename... Args>
void require(bool holds, const std::string& where, fmt::format_string<Args...> why, Args&&... args) {
    if (!holds) {
        throw input_error("impossible combination", where, fmt::format(why, std::forward<Args>(args)...));
    }
}

bool fits(model_name model, dataset_name dataset) {
    return dataset == dataset_name::file || model == model_name::custom || // shapes that are not known yet
           (model == model_name::lenet5) == (dataset == dataset_name::fashion_mnist);
}

bool has_norms(model_name model) {
    return model == model_name::resnet18 || model == model_name::resnet50;
}

// What shows something of a client that no noise has covered, or can't be accounted for.
void validate_privacy(const run_config& c, const std::string& where) {
    const auto& p = c.privacy;
    if (p.clip == 0) {
        require(p.clip_quantile == 0 && p.noise_multiplier == 0 && p.epsilon == 0 &&
                    p.sampling == sampling_kind::fixed,
                where,
                "differential privacy needs privacy.clip, the longest update that a client may send; the "
                "other keys of [privacy] do nothing without it");
        return;
    }
    require(c.aggregation.rule == "mean", where,
            "aggregation.rule = \"{}\" with privacy.clip: nobody knows by how much one client can change "
            "its result; take \"mean\", in which clipping bounds what hostile clients do too",
            c.aggregation.rule);
    require(c.communication.value_type == value_kind::f32, where,
            "communication.value_type = \"{}\" with privacy.clip: rounding makes clipped updates longer; "
            "take \"f32\"",
            name_of(c.communication.value_type));
    require(c.communication.reconfiguration_upload == reconfiguration_upload_kind::dense, where,
            "communication.reconfiguration_upload = \"{}\" with privacy.clip: which weights are a client's "
            "largest says something about its data; take \"dense\"",
            name_of(c.communication.reconfiguration_upload));
    require(c.analysis.convergence_every == 0 && c.analysis.layer_norms_every == 0, where,
            "analysis.convergence_every and analysis.layer_norms_every look at clients' data without "
            "noise; with privacy.clip they must be 0");
    require(c.checkpoint.every_rounds == 1, where,
            "checkpoint.every_rounds = {} with privacy.clip: a round is shown only once its noise and its "
            "cost are on the disk; take 1",
            c.checkpoint.every_rounds);
}

void validate_drift(const run_config& c, const std::string& where) {
    const auto& d = c.drift;
    if (d.kind == drift_kind::none) {
        return;
    }
    const auto kind = name_of(d.kind);
    require(d.strength > 0, where, "drift.kind = \"{}\" with drift.strength = 0 changes nothing", kind);
    const bool is_share = d.kind == drift_kind::label_shift || d.kind == drift_kind::contrast;
    require(!is_share || d.strength <= 1, where,
            "drift.strength = {} is more than drift.kind = \"{}\" can take away, which is 1", d.strength,
            kind);
    require(!d.at.empty(), where, "drift.kind = \"{}\" never happens; say in which rounds in drift.at", kind);
    require(d.pattern != drift_pattern::gradual || d.at.size() == 2, where,
            "drift.pattern = \"gradual\" goes from one round to another, and drift.at has {} values",
            d.at.size());
    require(d.at.back() <= c.federation.rounds, where,
            "drift.at names round {}, which is after the last one, federation.rounds = {}", d.at.back(),
            c.federation.rounds);
}

} // namespace

void validate(const run_config& c, const std::string& where) {
    require(fits(c.model.name, c.data.dataset), where,
            "model.name = \"{}\" does not take data.dataset = \"{}\"; lenet5 takes fashion-mnist, alexnet, "
            "vgg11, resnet18 and resnet50 take cifar-10 and cifar-100",
            name_of(c.model.name), name_of(c.data.dataset));
    require((c.model.name == model_name::custom) == !c.model.layers.empty(), where, "model.name = \"{}\" {}",
            name_of(c.model.name),
            c.model.layers.empty() ? "needs [[model.layers]]"
                                   : "has its own layers; take \"custom\" for [[model.layers]]");
    require(
        c.model.norm == norm_kind::batch || has_norms(c.model.name), where,
        "model.norm = \"{}\" is for resnet18 and resnet50, which have norms; in [[model.layers]] it is the "
        "kind \"group_norm\"",
        name_of(c.model.norm));
    require(c.federation.clients_per_round <= c.federation.clients, where,
            "federation.clients_per_round = {} is more than federation.clients = {}",
            c.federation.clients_per_round, c.federation.clients);
    require(
        c.aggregation.hostile <= (c.federation.clients_per_round - 1) / 2, where,
        "aggregation.hostile = {} is no minority of federation.clients_per_round = {}; no rule withstands "
        "more than {}",
        c.aggregation.hostile, c.federation.clients_per_round, (c.federation.clients_per_round - 1) / 2);
    require(c.attack.clients <= c.federation.clients, where,
            "attack.clients = {} is more than federation.clients = {}", c.attack.clients,
            c.federation.clients);
    require(c.attack.kind == "none" || c.attack.clients > 0, where,
            "attack.kind = \"{}\" has no clients; say how many in attack.clients", c.attack.kind);
    require(c.data.dataset != dataset_name::file || !c.data.path.empty(), where,
            "data.dataset = \"file\" needs data.path, the name of an HDF5 file; data/import.py makes one");
    require(c.data.partition != partition_kind::given || c.data.dataset == dataset_name::file, where,
            "data.partition = \"given\" needs client identifiers, which data.dataset = \"{}\" does not have; "
            "data.dataset = \"file\" can",
            name_of(c.data.dataset));
    require(c.data.dataset == dataset_name::file || c.data.classes_per_client <= classes_of(c.data.dataset),
            where, "data.classes_per_client = {} is more than the {} classes of {}",
            c.data.classes_per_client, classes_of(c.data.dataset), name_of(c.data.dataset));
    require(c.sparsity.initial <= c.sparsity.target, where,
            "sparsity.initial = {} is more than sparsity.target = {}; sparsity only grows",
            c.sparsity.initial, c.sparsity.target);
    require(
        final_rounds_of(c) < c.federation.rounds, where,
        "sparsity.final_rounds = {} leaves none of the federation.rounds = {} in which the mask could change",
        c.sparsity.final_rounds, c.federation.rounds);
    require(c.sparsity.layer_floor <= 1 - c.sparsity.target + rounding, where,
            "sparsity.layer_floor = {} is more than what sparsity.target = {} leaves alive",
            c.sparsity.layer_floor, c.sparsity.target);
    require(c.regularization.staircase == staircase_kind::paper || c.regularization.maximum == 0 ||
                c.regularization.maximum >= staircase_bottom,
            where,
            "regularization.maximum = {} is below {}, where staircase = \"code\" begins; take more, or 0, or "
            "staircase = \"paper\"",
            c.regularization.maximum, staircase_bottom);
    validate_privacy(c, where);
    require(c.budget.density.size() == 1 || c.budget.density.size() == c.links.shares.size(), where,
            "budget.density has {} values where links.shares has {}; give one per class, or one for all",
            c.budget.density.size(), c.links.shares.size());
    require(!c.budget.has_deadline() || c.budget.deadline_s > 0, where,
            "budget.mode = \"{}\" needs budget.deadline_s, the seconds of a client's round",
            name_of(c.budget.mode));
    require(c.budget.mode != budget_kind::bytes || c.budget.bytes_per_round > 0, where,
            "budget.mode = \"bytes\" needs budget.bytes_per_round, down and up together");
    validate_drift(c, where);
    require(c.adaptation.answer != answer_kind::relax || c.adaptation.relaxed_sparsity < c.sparsity.target,
            where, "adaptation.relaxed_sparsity = {} is not below sparsity.target = {}",
            c.adaptation.relaxed_sparsity, c.sparsity.target);
    const std::pair<const char*, const std::vector<double>&> links[] = {
        {"uplink_mbit", c.links.uplink_mbit},
        {"downlink_mbit", c.links.downlink_mbit},
        {"latency_ms", c.links.latency_ms},
        {"train_ms_per_image", c.links.train_ms_per_image}};
    for (const auto& [name, values] : links) {
        require(values.size() == 1 || values.size() == c.links.shares.size(), where,
                "links.{} has {} values where links.shares has {}; give one per class, or one for all", name,
                values.size(), c.links.shares.size());
    }
}

} // namespace feddip::config
