#include "io/checkpoint.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "io/columns.hpp"
#include "io/config_text.hpp"
#include "io/files.hpp"
#include "io/hdf5.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <string_view>

namespace feddip::io {

namespace {

namespace fs = std::filesystem;

// The least size and alignment that HDF5 allows for a user block.
constexpr std::size_t preface_size = 512;
constexpr std::string_view preface_title = "feddip checkpoint 1\n";

std::string preface_for(std::span<const std::byte> content) {
    return fmt::format("{}bytes {}\nxxh3_64 {:016x}\n", preface_title, content.size(),
                       XXH3_64bits(content.data(), content.size()));
}

std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The HDF5 part of a checkpoint that is whole.
std::span<const std::byte> verified_content(std::span<const std::byte> bytes, const std::string& name) {
    if (!looks_like_checkpoint(bytes)) {
        throw error("can't read checkpoint", name, "it is not a checkpoint of this version of feddip");
    }
    if (bytes.size() < preface_size) {
        throw error("can't read checkpoint", name, "it is cut off");
    }
    const std::span<const std::byte> content = bytes.subspan(preface_size);
    std::string expected = preface_for(content);
    expected.resize(preface_size, '\0');
    if (text_of(bytes.first(preface_size)) != expected) {
        throw error("can't read checkpoint", name, "it is damaged: size or checksum does not match");
    }
    return content;
}

template <typename T>
void write_scalar(h5::file& file, const std::string& path, T value) {
    file.write(path, std::span<const T>(&value, 1), {});
}

template <typename T>
T read_scalar(const h5::file& file, const std::string& path) {
    const std::vector<T> values = file.read<T>(path);
    if (values.size() != 1) {
        throw error("can't read dataset", file.name() + ":" + path, "it does not hold one value");
    }
    return values.front();
}

void require(bool holds, const h5::file& file, const char* why) {
    if (!holds) {
        throw error("can't read checkpoint", file.name(), why);
    }
}

std::size_t words_of(std::size_t mask_size) {
    return mask_size / 64 + (mask_size % 64 != 0 ? 1 : 0);
}

// Whether unpacking the alive weights gives the same bits again.
bool pruned_are_zero(const sparse::mask& m, std::span<const float> weights) {
    for (std::size_t i = 0; i < weights.size(); ++i) {
        if (!m[i] && std::bit_cast<std::uint32_t>(weights[i]) != 0) {
            return false;
        }
    }
    return true;
}

void write_model(h5::file& file, const fl::global_model& model) {
    const std::size_t prunable = model.mask.size();
    if (model.state.size() < prunable) {
        throw error("can't write checkpoint", "model", "the mask is larger than the model");
    }
    const auto weights = std::span<const float>(model.state).first(prunable);
    write_scalar<std::uint64_t>(file, "/model/prunable", prunable);
    write_scalar(file, "/model/mask_version", model.mask_version);
    file.write("/model/mask", model.mask.words(), {model.mask.words().size()});
    file.write("/model/tail", std::span<const float>(model.state).subspan(prunable),
               {model.state.size() - prunable});
    if (pruned_are_zero(model.mask, weights)) {
        std::vector<float> alive(model.mask.count());
        sparse::pack(model.mask, weights, alive);
        file.write("/model/weights", alive);
    } else {
        file.write("/model/weights", weights, {weights.size()});
    }
}

sparse::mask mask_of(std::size_t size, std::span<const std::uint64_t> words, const h5::file& file) {
    const std::size_t last_bits = size % 64;
    require(words.size() == words_of(size), file, "a mask has another size than the model");
    require(last_bits == 0 || words.back() >> last_bits == 0, file, "a mask reaches past the model");
    sparse::mask m(size, false);
    std::copy(words.begin(), words.end(), m.words().begin());
    return m;
}

void write_recent_masks(h5::file& file, std::span<const fl::versioned_mask> masks, std::size_t prunable) {
    std::vector<std::uint32_t> versions;
    std::vector<std::uint64_t> words;
    words.reserve(masks.size() * words_of(prunable));
    for (const auto& [version, mask] : masks) {
        if (mask.size() != prunable) {
            throw error("can't write checkpoint", "recent masks", "one has another size than the model");
        }
        versions.push_back(version);
        words.insert(words.end(), mask.words().begin(), mask.words().end());
    }
    file.write("/recent_masks/version", versions);
    file.write("/recent_masks/mask", std::span<const std::uint64_t>(words),
               {masks.size(), words_of(prunable)});
}

std::vector<fl::versioned_mask> read_recent_masks(const h5::file& file, std::size_t prunable) {
    const std::vector<std::uint32_t> versions = file.read<std::uint32_t>("/recent_masks/version");
    const std::vector<std::uint64_t> words = file.read<std::uint64_t>("/recent_masks/mask");
    const std::size_t stride = words_of(prunable);
    require(words.size() == versions.size() * stride, file, "the recent masks are incomplete");
    std::vector<fl::versioned_mask> masks;
    for (std::size_t i = 0; i < versions.size(); ++i) {
        masks.push_back({versions[i], mask_of(prunable, std::span(words).subspan(i * stride, stride), file)});
    }
    return masks;
}

fl::global_model read_model(const h5::file& file) {
    fl::global_model model;
    model.mask = mask_of(read_scalar<std::uint64_t>(file, "/model/prunable"),
                         file.read<std::uint64_t>("/model/mask"), file);
    model.mask_version = read_scalar<std::uint32_t>(file, "/model/mask_version");
    const std::vector<float> weights = file.read<float>("/model/weights");
    const std::vector<float> tail = file.read<float>("/model/tail");
    model.state.resize(model.mask.size() + tail.size());
    const std::span<float> all(model.state);
    if (weights.size() == model.mask.size()) {
        std::copy(weights.begin(), weights.end(), all.begin());
    } else {
        require(weights.size() == model.mask.count(), file, "the weights do not match the mask");
        sparse::unpack(model.mask, weights, all.first(model.mask.size()));
    }
    std::copy(tail.begin(), tail.end(), all.begin() + static_cast<std::ptrdiff_t>(model.mask.size()));
    return model;
}

// A list per round, one list after the other.
template <typename T>
struct joined_lists {
    std::vector<std::uint32_t> per_round;
    std::vector<T> values;
};

template <typename T>
joined_lists<T> join(std::span<const fl::round_record> rounds, std::vector<T> fl::round_record::*list) {
    joined_lists<T> joined;
    for (const fl::round_record& r : rounds) {
        joined.per_round.push_back(static_cast<std::uint32_t>((r.*list).size()));
        joined.values.insert(joined.values.end(), (r.*list).begin(), (r.*list).end());
    }
    return joined;
}

template <typename T>
void split(const joined_lists<T>& joined, std::span<fl::round_record> rounds,
           std::vector<T> fl::round_record::*list) {
    auto next = joined.values.begin();
    for (std::size_t t = 0; t < rounds.size(); ++t) {
        const auto end = next + joined.per_round[t];
        (rounds[t].*list).assign(next, end);
        next = end;
    }
}

std::size_t total(const std::vector<std::uint32_t>& per_round) {
    std::size_t sum = 0;
    for (const std::uint32_t n : per_round) {
        sum += n;
    }
    return sum;
}

void write_history(h5::file& file, std::span<const fl::round_record> rounds) {
    for (const round_column& c : round_columns) {
        write_column(file, std::string("/history/") + c.name, c, rounds, {rounds.size()});
    }
    const auto densities = join(rounds, &fl::round_record::layer_density);
    file.write("/history/layer_density_per_round", densities.per_round);
    file.write("/history/layer_density", densities.values);
    const auto clients = join(rounds, &fl::round_record::clients);
    file.write("/history/clients_per_round", clients.per_round);
    for (const client_column& c : client_columns) {
        write_column(file, std::string("/history/clients/") + c.name, c,
                     std::span<const fl::client_record>(clients.values), {clients.values.size()});
    }
}

std::vector<fl::round_record> read_history(const h5::file& file, std::size_t rounds_done) {
    std::vector<fl::round_record> rounds(file.shape_of("/history/round").at(0));
    require(rounds.size() == rounds_done, file, "its history is not as long as the run");
    for (const round_column& c : round_columns) {
        read_column(file, std::string("/history/") + c.name, c, std::span(rounds));
    }
    const joined_lists<double> densities{file.read<std::uint32_t>("/history/layer_density_per_round"),
                                         file.read<double>("/history/layer_density")};
    require(densities.per_round.size() == rounds.size() &&
                total(densities.per_round) == densities.values.size(),
            file, "the layer densities are incomplete");
    split(densities, std::span(rounds), &fl::round_record::layer_density);

    joined_lists<fl::client_record> clients{file.read<std::uint32_t>("/history/clients_per_round"), {}};
    require(clients.per_round.size() == rounds.size(), file, "the client records are incomplete");
    clients.values.resize(file.shape_of("/history/clients/id").at(0));
    require(total(clients.per_round) == clients.values.size(), file, "the client records are incomplete");
    for (const client_column& c : client_columns) {
        read_column(file, std::string("/history/clients/") + c.name, c, std::span(clients.values));
    }
    split(clients, std::span(rounds), &fl::round_record::clients);
    return rounds;
}

fs::path checkpoint_path(const fs::path& stem, int round) {
    return fmt::format("{}.ckpt-{}.h5", stem.string(), round);
}

// ROUND of a file name of this stem.
std::optional<int> round_in(std::string_view file_name, const fs::path& stem) {
    const std::string before = stem.filename().string() + ".ckpt-";
    constexpr std::string_view after = ".h5";
    if (file_name.size() <= before.size() + after.size() || !file_name.starts_with(before) ||
        !file_name.ends_with(after)) {
        return std::nullopt;
    }
    const std::string_view digits =
        file_name.substr(before.size(), file_name.size() - before.size() - after.size());
    int round = 0;
    const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), round);
    if (failure != std::errc() || end != digits.data() + digits.size() || round < 0) {
        return std::nullopt;
    }
    return round;
}

fs::path folder_of(const fs::path& path) {
    return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

// Keys in which runs may differ and still give the same bits.
bool leaves_results_alone(std::string_view key) {
    constexpr std::array<std::string_view, 2> exact = {"data.path", "federation.rank0_trains"};
    return key.starts_with("checkpoint.") || key.starts_with("output.") ||
           std::find(exact.begin(), exact.end(), key) != exact.end();
}

} // namespace

std::vector<std::byte> encode_checkpoint(const std::string& config_toml, const fl::run_state& state) {
    h5::file file = h5::file::create("checkpoint");
    file.write("/config_toml", std::vector<std::uint8_t>(config_toml.begin(), config_toml.end()));
    const auto& [rounds_done, model, client_mask_version, recent_masks, history] = state; // all there is
    write_scalar(file, "/rounds_done", rounds_done);
    write_model(file, model);
    file.write("/client_mask_version", client_mask_version);
    write_recent_masks(file, recent_masks, model.mask.size());
    write_history(file, history);

    std::vector<std::byte> bytes = file.image(preface_size);
    const std::string preface = preface_for(std::span(bytes).subspan(preface_size));
    std::transform(preface.begin(), preface.end(), bytes.begin(),
                   [](char c) { return static_cast<std::byte>(c); });
    return bytes;
}

checkpoint decode_checkpoint(std::span<const std::byte> bytes, const std::string& name) {
    const h5::file file = h5::file::open(verified_content(bytes, name), name);
    checkpoint c;
    const std::vector<std::uint8_t> config = file.read<std::uint8_t>("/config_toml");
    c.config_toml.assign(config.begin(), config.end());
    c.state.rounds_done = read_scalar<int>(file, "/rounds_done");
    require(c.state.rounds_done >= 0, file, "the number of rounds is negative");
    c.state.model = read_model(file);
    c.state.client_mask_version = file.read<std::uint32_t>("/client_mask_version");
    c.state.recent_masks = read_recent_masks(file, c.state.model.mask.size());
    c.state.history = read_history(file, static_cast<std::size_t>(c.state.rounds_done));
    return c;
}

bool looks_like_checkpoint(std::span<const std::byte> bytes) {
    return bytes.size() >= preface_title.size() &&
           text_of(bytes.first(preface_title.size())) == preface_title;
}

fs::path checkpoint_stem(const fs::path& results_file, const std::string& configured) {
    const fs::path folder = configured.empty() ? folder_of(results_file) : fs::path(configured);
    return folder / results_file.stem();
}

std::map<int, fs::path> checkpoints_of(const fs::path& stem) {
    std::map<int, fs::path> found;
    std::error_code failure;
    for (fs::directory_iterator entry(folder_of(stem), failure), end; !failure && entry != end;
         entry.increment(failure)) {
        if (const std::optional<int> round = round_in(entry->path().filename().string(), stem)) {
            found[*round] = entry->path();
        }
    }
    if (failure) {
        throw error("can't list checkpoints", folder_of(stem).string(), failure.message());
    }
    return found;
}

void ensure_checkpoints_writable(const fs::path& stem, bool resume) {
    ensure_writable(checkpoint_path(stem, 0), true);
    if (!resume && !checkpoints_of(stem).empty()) {
        throw input_error(
            "can't start a new run", checkpoints_of(stem).rbegin()->second.string(),
            "checkpoints of an earlier run are there; continue it with --resume or remove them");
    }
}

std::optional<checkpoint> load_newest(const fs::path& stem) {
    const std::map<int, fs::path> found = checkpoints_of(stem);
    for (auto newest = found.rbegin(); newest != found.rend(); ++newest) {
        try {
            return decode_checkpoint(read_file(newest->second), newest->second.string());
        } catch (const error& damage) {
            log::warning("{}; going back to the checkpoint before it", damage.what());
        }
    }
    if (!found.empty()) {
        throw input_error("can't resume", stem.string(),
                          "none of its checkpoints can be read; remove them to start anew");
    }
    return std::nullopt;
}

std::vector<std::string> config_differences(const std::string& of_checkpoint, const std::string& now) {
    const std::map<std::string, std::string> before = config_keys(of_checkpoint);
    const std::map<std::string, std::string> after = config_keys(now);
    std::map<std::string, std::string> all = before;
    all.insert(after.begin(), after.end());
    const auto value_in = [](const std::map<std::string, std::string>& keys, const std::string& key) {
        const auto at = keys.find(key);
        return at == keys.end() ? std::string("not set") : at->second;
    };
    std::vector<std::string> differences;
    for (const auto& [key, value] : all) {
        if (!leaves_results_alone(key) && value_in(before, key) != value_in(after, key)) {
            differences.push_back(fmt::format("{} is {} in the checkpoint and {} now", key,
                                              value_in(before, key), value_in(after, key)));
        }
    }
    return differences;
}

void ensure_same_run(const checkpoint& c, const std::string& config_toml, const fs::path& stem) {
    const std::vector<std::string> differences = config_differences(c.config_toml, config_toml);
    if (!differences.empty()) {
        throw input_error("can't resume with another configuration", stem.string(),
                          fmt::format("{}", fmt::join(differences, "; ")));
    }
}

checkpoint_writer::checkpoint_writer(fs::path stem, int every_rounds, int keep)
    : stem_(std::move(stem)), every_rounds_(every_rounds), keep_(std::max(keep, 1)) {}

void checkpoint_writer::on_start(const fl::run_info& info, const fl::run_state& state) {
    config_toml_ = info.config_toml;
    last_written_ = state.rounds_done;
}

void checkpoint_writer::on_round(const fl::run_state& state) {
    if (every_rounds_ > 0 && state.rounds_done % every_rounds_ == 0) {
        write(state);
    }
}

void checkpoint_writer::on_finish(const fl::run_state& state, bool) {
    if (every_rounds_ > 0 && state.rounds_done != last_written_) {
        write(state);
    }
}

void checkpoint_writer::write(const fl::run_state& state) {
    replace_file(checkpoint_path(stem_, state.rounds_done), encode_checkpoint(config_toml_, state));
    last_written_ = state.rounds_done;
    remove_old(state.rounds_done);
}

// Those of later rounds are damaged, or the run would have gone on from them.
void checkpoint_writer::remove_old(int newest) const {
    const std::map<int, fs::path> found = checkpoints_of(stem_);
    int kept = 0;
    for (auto at = found.rbegin(); at != found.rend(); ++at) {
        if (at->first <= newest && kept < keep_) {
            ++kept;
            continue;
        }
        std::error_code ignored; // one file too many does no harm
        fs::remove(at->second, ignored);
    }
}

} // namespace feddip::io
