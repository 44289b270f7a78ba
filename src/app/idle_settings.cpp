#include "app/idle_settings.hpp"

#include "config/names.hpp"
#include "fl/method.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <map>
#include <span>
#include <string_view>

namespace feddip::app {

namespace {

using config::run_config;

// A key, or all of a section, which ends with a dot.
struct idle_keys {
    std::string_view name;
    std::string why;

    bool have(std::string_view key) const {
        return key == name || (name.ends_with('.') && key.starts_with(name));
    }
};

class idle_list {
public:
    void add(std::span<const std::string_view> names, const std::string& why) {
        for (const auto name : names) {
            all_.push_back({name, why});
        }
    }
    void add(std::initializer_list<std::string_view> names, const std::string& why) {
        add(std::span(names.begin(), names.size()), why);
    }
    void add_if(bool off, std::initializer_list<std::string_view> names, const std::string& why) {
        if (off) {
            add(names, why);
        }
    }
    const idle_keys* find(std::string_view key) const {
        const auto found = std::ranges::find_if(all_, [&](const idle_keys& k) { return k.have(key); });
        return found == all_.end() ? nullptr : &*found;
    }

private:
    std::vector<idle_keys> all_;
};

// Of [sparsity], for methods that prune in another way than FedDIP.
const std::map<std::string_view, std::vector<std::string_view>> unread_by{
    {"dadpfl", {"sparsity.horizon"}},
    {"dispfl", {"sparsity.initial", "sparsity.horizon"}},
    {"fedavg", {"sparsity."}},
    {"feddst", {"sparsity.initial"}},
    {"fedprox", {"sparsity."}},
    {"flash", {"sparsity.initial", "sparsity.start"}},
    {"prunefl", {"sparsity.start", "sparsity.start_scale"}},
    {"prunetrain", {"sparsity.horizon", "sparsity.start", "sparsity.start_scale"}},
    {"snip", {"sparsity.initial", "sparsity.horizon", "sparsity.start", "sparsity.final_rounds"}},
};

void add_of_method(const run_config& c, idle_list& off) {
    const auto why = fmt::format("method.name is \"{}\"", c.method.name);
    for (const std::string_view section :
         {"fedprox.", "prunefl.", "prunetrain.", "feddst.", "dispfl.", "dadpfl.", "flash."}) {
        off.add_if(!section.starts_with(c.method.name), {section}, why);
    }
    if (c.method.name == "feddip") {
        off.add_if(c.regularization.maximum == 0, {"regularization.steps", "regularization.staircase"},
                   "regularization.maximum is 0");
        return;
    }
    off.add_if(c.method.name == "flash" && !c.flash.readjust, {"sparsity.horizon", "sparsity.final_rounds"},
               "flash.readjust is false");
    const auto variant = fmt::format("{} and method.variant is \"authors\"", why);
    const bool authors = c.method.variant == config::variant_kind::authors;
    off.add_if(authors && c.method.name == "fedprox", {"fedprox.mu"}, variant);
    off.add_if(authors && c.method.name == "prunefl", {"prunefl.initial_rounds", "prunefl.removable_share"},
               variant);
    // Of a method that isn't named there, nothing is known.
    if (const auto found = unread_by.find(c.method.name); found != unread_by.end()) {
        off.add({"communication.upload", "communication.reconfiguration_upload", "regularization.",
                 "sparsity.regrow", "sparsity.start_mask", "sparsity.layer_floor", "sparsity.score"},
                why);
        off.add(found->second, why);
    }
}

void add_of_clients(const run_config& c, idle_list& off) {
    const auto partition = fmt::format("data.partition is \"{}\"", config::name_of(c.data.partition));
    off.add_if(c.data.partition != config::partition_kind::pathological, {"data.classes_per_client"},
               partition);
    off.add_if(c.data.partition != config::partition_kind::dirichlet, {"data.dirichlet_alpha"}, partition);
    off.add_if(c.links.shares.size() == 1, {"links.order"}, "links.shares has one class");
    off.add_if(c.faults.slow_probability == 0, {"faults.slow_factor"}, "faults.slow_probability is 0");
    off.add_if(c.drift.kind == config::drift_kind::none,
               {"drift.pattern", "drift.at", "drift.strength", "drift.clients"}, "drift.kind is \"none\"");
    off.add_if(c.adaptation.answer == config::answer_kind::none, {"adaptation."},
               "adaptation.answer is \"none\"");
    const auto detector =
        fmt::format("adaptation.detector is \"{}\"", config::name_of(c.adaptation.detector));
    off.add_if(c.adaptation.detector != config::detector_kind::page_hinkley, {"adaptation.tolerance"},
               detector);
    off.add_if(c.adaptation.detector != config::detector_kind::adwin, {"adaptation.confidence"}, detector);
    off.add_if(c.adaptation.answer == config::answer_kind::relax, {"adaptation.regrown_share"},
               "adaptation.answer is \"relax\"");
    off.add_if(c.adaptation.answer == config::answer_kind::regrow, {"adaptation.relaxed_sparsity"},
               "adaptation.answer is \"regrow\"");
}

void add_of_budgets(const run_config& c, idle_list& off) {
    using config::budget_kind;
    const auto mode = fmt::format("budget.mode is \"{}\"", config::name_of(c.budget.mode));
    off.add_if(c.budget.mode == budget_kind::none, {"budget."}, mode);
    off.add_if(!c.budget.has_deadline(), {"budget.deadline_s"}, mode);
    off.add_if(c.budget.mode != budget_kind::deadline, {"budget.times"}, mode);
    off.add_if(c.budget.mode != budget_kind::bytes, {"budget.bytes_per_round"}, mode);
    const std::initializer_list<std::string_view> of_parts = {
        "budget.feedback", "budget.rotate", "budget.ranking", "budget.layer_floor", "budget.ranked_every"};
    off.add_if(c.budget.mode == budget_kind::drop, of_parts, mode);
    const auto each_is = [&](auto condition) { return std::ranges::all_of(c.budget.density, condition); };
    off.add_if(c.budget.mode == budget_kind::fixed && each_is([](double d) { return d == 1; }), of_parts,
               "every client holds all, budget.density is 1");
    off.add_if(c.budget.ranking != config::ranking_kind::magnitude,
               {"budget.feedback", "budget.layer_floor", "budget.ranked_every"},
               fmt::format("budget.ranking is \"{}\"", config::name_of(c.budget.ranking)));
    off.add_if(each_is([](double d) { return d < 1; }), {"budget.feedback"},
               "every budget.density is below 1");
    // Rounded values have a residual, too.
    off.add_if(c.method.name != "feddip" && c.communication.value_type == config::value_kind::f32,
               {"budget.feedback"}, fmt::format("method.name is \"{}\"", c.method.name));
}

void add_of_protection(const run_config& c, idle_list& off) {
    off.add_if(c.attack.kind == "none", {"attack."}, "attack.kind is \"none\"");
    off.add_if(c.aggregation.rule != "norm_bound" && c.aggregation.rule != "centered_clipping",
               {"aggregation.clip"}, fmt::format("aggregation.rule is \"{}\"", c.aggregation.rule));
    off.add_if(c.privacy.clip == 0, {"privacy.delta"}, "privacy.clip is 0");
}

void add_of_kernels(const run_config& c, idle_list& off) {
    const bool whole_model = c.method.name == "fedavg" || c.method.name == "fedprox";
    const bool parts =
        c.budget.mode != config::budget_kind::none && c.budget.mode != config::budget_kind::drop;
    off.add_if(c.compute.kernels == config::kernel_kind::sparse && whole_model && !parts, {"compute.kernels"},
               "without masks the kernels are those that are faster");
}

bool readjusts_masks(const run_config& c) {
    const auto method = fl::make_method(c);
    for (int round = 0; round < c.federation.rounds; ++round) {
        if (method->plan(round).reconfigures) {
            return true;
        }
    }
    return false;
}

idle_list switched_off(const run_config& c) {
    idle_list off;
    add_of_method(c, off);
    add_of_clients(c, off);
    add_of_budgets(c, off);
    add_of_protection(c, off);
    add_of_kernels(c, off);
    return off;
}

} // namespace

std::vector<std::string> idle_settings(const config::run_config& config) {
    const auto off = switched_off(config);
    const config::run_config defaults;
    std::vector<std::string> sentences;
    for (const auto& [key, usual, now] : config::differences(defaults, config)) {
        if (const auto* found = off.find(key)) {
            sentences.push_back(fmt::format("{} = {} does nothing: {}", key, now, found->why));
        }
    }
    if (config.method.name == "feddst" && !readjusts_masks(config)) {
        sentences.push_back(
            fmt::format("method.name = \"feddst\" readjusts no mask: sparsity.horizon = {} leaves "
                        "no round for it before its share has fallen to 0",
                        config.sparsity.horizon));
    }
    return sentences;
}

} // namespace feddip::app
