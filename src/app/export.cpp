#include "app/commands.hpp"
#include "app/format.hpp"
#include "app/resume.hpp"
#include "base/error.hpp"
#include "data/dataset.hpp"
#include "fl/method.hpp"
#include "io/checkpoint_codec.hpp"
#include "io/files.hpp"
#include "io/npz.hpp"
#include "io/onnx.hpp"
#include "nn/models/registry.hpp"
#include "sparse/codec.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

namespace feddip::app {

namespace {

struct trained {
    config::run_config config;
    data::dataset_facts facts;
    nn::model_spec model;
    fl::run_state state;
};

// The run's config, whose model no other setting describes.
config::run_config config_of(const io::checkpoint& c, const export_command& command) {
    const auto config = config::parse(c.config_toml, command.checkpoint.string(), command.overrides);
    const auto before = config::parse(c.config_toml, command.checkpoint.string(), {});
    for (const auto& [key, left, right] : config::differences(before, config)) {
        if (key != "data.path") {
            throw input_error("can't export another configuration", key,
                              fmt::format("it was {} in training and is {} now; only data.path may be "
                                          "another",
                                          left, right));
        }
    }
    return config;
}

trained load(const export_command& command) {
    io::checkpoint c;
    try {
        c = io::decode_checkpoint(io::read_file(command.checkpoint), command.checkpoint.string());
    } catch (const error& e) {
        throw input_error("can't export", command.checkpoint.string(),
                          fmt::format("it is no whole checkpoint: {}", e.what()));
    }
    const auto config = config_of(c, command);
    if (fl::make_method(config)->neighbours() > 0) {
        throw input_error(
            "can't export", "method.name",
            fmt::format("with {} every client has a model of its own, and there is no common one",
                        config.method.name));
    }
    const auto facts = data::facts_of(config.data);
    ensure_still_same_data(c.data_checksum, config.data, command.checkpoint);
    return {config, facts, nn::model_of(config.model, facts.shape, facts.classes), std::move(c.state)};
}

std::vector<std::byte> encode_arrays(const trained& t, const parameter_layout& layout) {
    // What PyTorch's batch norms hold besides, and ask for when a state is loaded.
    static constexpr std::int64_t batches_tracked = 0;
    const std::span<const float> state = t.state.model.state;
    std::vector<io::named_array> arrays;
    for (const parameter& p : layout.parameters()) {
        arrays.push_back({p.name, "<f4", p.shape, std::as_bytes(state.subspan(p.offset, p.size))});
        if (p.what == role::running_mean) {
            arrays.push_back({p.name.substr(0, p.name.rfind('.')) + ".num_batches_tracked",
                              "<i8",
                              {},
                              std::as_bytes(std::span(&batches_tracked, 1))});
        }
    }
    return io::encode_npz(arrays);
}

std::vector<std::byte> encode_graph(const trained& t, const parameter_layout& layout) {
    std::vector<std::pair<std::string, std::string>> notes{
        {"dataset", to_string(t.config.data.dataset)},
        {"model", to_string(t.config.model.name)},
        {"method", t.config.method.name},
        {"rounds", fmt::format("{}", t.state.rounds_done)},
        {"pixels", t.facts.pixels == data::pixel_kind::bytes ? "0 to 255, divided by 255" : "as they are"}};
    if (!t.facts.mean.empty()) {
        notes.emplace_back("mean", fmt::format("{}", fmt::join(t.facts.mean, " ")));
        notes.emplace_back("deviation", fmt::format("{}", fmt::join(t.facts.deviation, " ")));
    }
    if (!t.facts.class_names.empty()) {
        notes.emplace_back("classes", fmt::format("{}", fmt::join(t.facts.class_names, "\n")));
    }
    return io::encode_onnx(t.model, layout, t.state.model.state, notes);
}

void print_sizes(const trained& t, const parameter_layout& layout, const export_command& command,
                 std::size_t stored) {
    const auto& mask = t.state.model.mask;
    const double values = sizeof(float) * static_cast<double>(layout.size());
    const double alive =
        sizeof(float) * static_cast<double>(mask.count() + layout.size() - layout.prunable_size());
    const double positions = static_cast<double>(sparse::encode(mask, layout).size());
    fmt::print("{}: {} after {} rounds, {} of {} prunable weights alive\n"
               "  this file             {:>9}\n"
               "  all values            {:>9}\n"
               "  alive values          {:>9}  {} of them and of what is never pruned, and {} of positions\n",
               command.out.string(), to_string(t.config.model.name), t.state.rounds_done, mask.count(),
               mask.size(), format_bytes(static_cast<double>(stored)), format_bytes(values),
               format_bytes(alive + positions), format_bytes(alive), format_bytes(positions));
}

} // namespace

exit_code export_model(const export_command& command) {
    const auto kind = command.out.extension();
    if (kind != ".onnx" && kind != ".npz") {
        throw input_error("can't export", command.out.string(), "the name must end in .onnx or .npz");
    }
    io::ensure_writable(command.out, true);
    const trained t = load(command);
    const auto layout = t.model.layout();
    if (layout.size() != t.state.model.state.size() || layout.prunable_size() != t.state.model.mask.size()) {
        throw input_error("can't export", command.checkpoint.string(),
                          "its model has another number of parameters than its configuration");
    }
    const auto bytes = kind == ".onnx" ? encode_graph(t, layout) : encode_arrays(t, layout);
    io::replace_file(command.out, bytes);
    print_sizes(t, layout, command, bytes.size());
    return exit_code::done;
}

} // namespace feddip::app
