#include "io/checkpoint_codec.hpp"

#include "base/error.hpp"
#include "hdf5/file.hpp"
#include "io/columns.hpp"
#include "io/preface.hpp"
#include "sparse/foreign_mask.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <string_view>

namespace feddip::io {

namespace {

constexpr auto data_checksum_path = "/data_checksum";
constexpr auto ever_alive_path = "/mask_history/ever_alive";
constexpr auto reference_path = "/mask_history/reference";

// The HDF5 part of a checkpoint that is whole.
std::span<const std::byte> content_of(std::span<const std::byte> bytes, const std::string& name) {
    constexpr auto what_cannot = "can't read checkpoint";
    if (!looks_like_checkpoint(bytes)) {
        const bool hdf5 = begins_with_hdf5(bytes) || has_preface(results_title, bytes);
        throw error(what_cannot, name,
                    hdf5 ? "it has no checkpoint's preface; of a run's results the model is in "
                           "RESULTS.ckpt-ROUND.h5 beside them"
                         : "it is not a checkpoint of this version of feddip");
    }
    return verified_content(checkpoint_title, bytes, what_cannot, name);
}

void write_text(h5::file& file, const std::string& path, const std::string& text) {
    file.write(path, std::vector<std::uint8_t>(text.begin(), text.end()));
}

std::string read_text(const h5::dataset_source& file, const std::string& path) {
    const auto bytes = file.read<std::uint8_t>(path);
    return {bytes.begin(), bytes.end()};
}

template <typename T>
void write_scalar(h5::file& file, const std::string& path, T value) {
    file.write(path, std::span<const T>(&value, 1), {});
}

template <typename T>
T read_scalar(const h5::dataset_source& file, const std::string& path) {
    const std::vector<T> values = file.read<T>(path);
    if (values.size() != 1) {
        throw error("can't read dataset", file.name() + ":" + path, "it does not hold one value");
    }
    return values.front();
}

void require(bool holds, const h5::dataset_source& file, const char* why) {
    if (!holds) {
        throw error("can't read checkpoint", file.name(), why);
    }
}

std::size_t words_of(std::size_t mask_size) {
    return mask_size / 64 + (mask_size % 64 != 0 ? 1 : 0);
}

// -0 is one, so that what is left out because it isn't comes back with the same bits.
std::ptrdiff_t nonzero(std::span<const float> values) {
    return std::ranges::count_if(values, [](float v) { return std::bit_cast<std::uint32_t>(v) != 0; });
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
    std::vector<float> alive(model.mask.count());
    const bool prunes = alive.size() < prunable;
    if (prunes) {
        sparse::pack(model.mask, weights, alive);
    }
    if (prunes && nonzero(alive) == nonzero(weights)) {
        file.write("/model/weights", alive);
    } else {
        file.write("/model/weights", weights, {weights.size()});
    }
}

sparse::mask mask_of(std::size_t size, std::span<const std::uint64_t> words, const h5::dataset_source& file) {
    require(words.size() == words_of(size), file, "a mask has another size than the model");
    sparse::mask m(size, false);
    std::copy(words.begin(), words.end(), m.words().begin());
    require(!sparse::reaches_past_end(m), file, "a mask reaches past the model");
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

std::vector<fl::versioned_mask> read_recent_masks(const h5::dataset_source& file, std::size_t prunable) {
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

// Nothing, where no client has a budget.
void write_parts(h5::file& file, std::span<const fl::held_part> client_part, const sparse::ladder& ladder,
                 std::uint32_t ladder_version, std::int32_t ladder_round) {
    if (ladder.rung_of().empty()) {
        return;
    }
    std::vector<std::int32_t> levels, turns, ranked_in;
    for (const auto& held : client_part) {
        levels.push_back(held.part.level);
        turns.push_back(held.part.turn);
        ranked_in.push_back(held.ranked_in);
    }
    file.write("/client_part/level", levels);
    file.write("/client_part/turn", turns);
    file.write("/client_part/ranked_in", ranked_in);
    write_scalar(file, "/ladder/mask_version", ladder_version);
    write_scalar(file, "/ladder/round", ladder_round);
    file.write("/ladder/rung", std::vector<std::uint32_t>(ladder.rung_of().begin(), ladder.rung_of().end()));
}

void read_parts(const h5::dataset_source& file, fl::run_state& state) {
    if (!file.has("/ladder/rung")) {
        return;
    }
    const auto levels = file.read<std::int32_t>("/client_part/level");
    const auto turns = file.read<std::int32_t>("/client_part/turn");
    const bool says_when = file.has("/ladder/round"); // else all of it is by the ranking that there is
    const auto ranked_in = says_when ? file.read<std::int32_t>("/client_part/ranked_in")
                                     : std::vector<std::int32_t>(levels.size());
    require(levels.size() == turns.size() && levels.size() == ranked_in.size() &&
                (levels.empty() || levels.size() == state.client_mask_version.size()),
            file, "what clients hold is incomplete");
    for (std::size_t c = 0; c < levels.size(); ++c) {
        require(levels[c] >= 1 && levels[c] <= sparse::ladder_part::unlimited && turns[c] >= -1, file,
                "a client holds an impossible part of a mask");
        state.client_part.push_back({{.level = levels[c], .turn = turns[c]}, ranked_in[c]});
    }
    state.ladder_version = read_scalar<std::uint32_t>(file, "/ladder/mask_version");
    state.ladder_round = says_when ? read_scalar<std::int32_t>(file, "/ladder/round") : 0;
    const auto rungs = file.read<std::uint32_t>("/ladder/rung");
    require(rungs.size() == state.model.mask.size() &&
                std::ranges::all_of(rungs, [](std::uint32_t r) { return r <= sparse::rungs; }),
            file, "the ranking is not one of the model's mask");
    state.ladder = sparse::ladder(std::vector<std::uint16_t>(rungs.begin(), rungs.end()));
}

void write_mask_history(h5::file& file, const fl::mask_history& masks) {
    for (const auto& [path, mask] :
         {std::pair{ever_alive_path, &masks.ever_alive}, {reference_path, &masks.reference}}) {
        if (mask->size() > 0) {
            file.write(path, mask->words(), {mask->words().size()});
        }
    }
}

// Checkpoints of runs that remember no masks have none.
fl::mask_history read_mask_history(const h5::dataset_source& file, std::size_t prunable) {
    fl::mask_history masks;
    if (file.has(ever_alive_path)) {
        masks.ever_alive = mask_of(prunable, file.read<std::uint64_t>(ever_alive_path), file);
        masks.reference = mask_of(prunable, file.read<std::uint64_t>(reference_path), file);
    }
    return masks;
}

fl::global_model read_model(const h5::dataset_source& file) {
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

fl::protection_state read_protection(const h5::dataset_source& file) {
    const auto key = file.read<std::uint8_t>("/protection/key");
    require(key.size() == privacy::secret::size, file, "the key of the noise has another length");
    const double clip = read_scalar<double>(file, "/protection/clip");
    require(clip > 0 && std::isfinite(clip), file, "the bound of updates is no positive number");
    return {.key = privacy::secret(std::span<const std::uint8_t, privacy::secret::size>(key)), .clip = clip};
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
    for (const list_column& c : list_columns) {
        const auto lists = join(rounds, c.member);
        if (!c.when || !lists.values.empty()) {
            file.write(fmt::format("/history/{}_per_round", c.history), lists.per_round);
            file.write(fmt::format("/history/{}", c.history), lists.values);
        }
    }
    const auto clients = join(rounds, &fl::round_record::clients);
    file.write("/history/clients_per_round", clients.per_round);
    for (const client_column& c : client_columns) {
        write_column(file, std::string("/history/clients/") + c.name, c,
                     std::span<const fl::client_record>(clients.values), {clients.values.size()});
    }
}

std::vector<fl::round_record> read_history(const h5::dataset_source& file) {
    std::vector<fl::round_record> rounds(file.read<int>("/history/round").size());
    for (const round_column& c : round_columns) {
        read_column(file, std::string("/history/") + c.name, c, std::span(rounds));
    }
    for (const list_column& c : list_columns) {
        const auto path = fmt::format("/history/{}", c.history);
        if (c.when && !file.has(path)) {
            continue;
        }
        const joined_lists<double> lists{file.read<std::uint32_t>(path + "_per_round"),
                                         file.read<double>(path)};
        require(lists.per_round.size() == rounds.size() && total(lists.per_round) == lists.values.size(),
                file, "the values of layers or classes are incomplete");
        split(lists, std::span(rounds), c.member);
    }

    joined_lists<fl::client_record> clients{file.read<std::uint32_t>("/history/clients_per_round"), {}};
    require(clients.per_round.size() == rounds.size(), file, "the client records are incomplete");
    clients.values.resize(file.read<int>("/history/clients/id").size());
    require(total(clients.per_round) == clients.values.size(), file, "the client records are incomplete");
    for (const client_column& c : client_columns) {
        read_column(file, std::string("/history/clients/") + c.name, c, std::span(clients.values));
    }
    split(clients, std::span(rounds), &fl::round_record::clients);
    return rounds;
}

} // namespace

std::vector<std::byte> encode_checkpoint(const std::string& config_toml, const fl::run_state& state,
                                         const std::string& data_checksum) {
    h5::file file = h5::file::create("checkpoint");
    write_text(file, "/config_toml", config_toml);
    if (!data_checksum.empty()) {
        write_text(file, data_checksum_path, data_checksum);
    }
    const auto& [rounds_done, model, client_mask_version, client_kept_in, client_part, ladder, ladder_version,
                 ladder_round, recent_masks, protection, masks, history] = state; // all there is
    write_scalar(file, "/rounds_done", rounds_done);
    write_model(file, model);
    file.write("/client_mask_version", client_mask_version);
    file.write("/client_residual_round", client_kept_in);
    write_parts(file, client_part, ladder, ladder_version, ladder_round);
    write_recent_masks(file, recent_masks, model.mask.size());
    if (protection) {
        file.write("/protection/key", std::span<const std::uint8_t>(protection->key.bytes()),
                   {privacy::secret::size});
        write_scalar(file, "/protection/clip", protection->clip);
    }
    write_mask_history(file, masks);
    write_history(file, history);

    std::vector<std::byte> bytes = file.image(preface_size);
    write_preface(checkpoint_title, bytes);
    return bytes;
}

checkpoint decode_checkpoint(std::span<const std::byte> bytes, const std::string& name) {
    return decode_checkpoint_content(content_of(bytes, name), name);
}

checkpoint decode_checkpoint_content(std::span<const std::byte> content, const std::string& name) {
    return decode_checkpoint_content(h5::file::open(content, name));
}

checkpoint decode_checkpoint_content(const h5::dataset_source& file) {
    checkpoint c;
    c.config_toml = read_text(file, "/config_toml");
    if (file.has(data_checksum_path)) {
        c.data_checksum = read_text(file, data_checksum_path);
    }
    c.state.rounds_done = read_scalar<int>(file, "/rounds_done");
    require(c.state.rounds_done >= 0, file, "the number of rounds is negative");
    c.state.model = read_model(file);
    c.state.client_mask_version = file.read<std::uint32_t>("/client_mask_version");
    c.state.client_kept_in = file.read<std::int32_t>("/client_residual_round");
    read_parts(file, c.state);
    c.state.recent_masks = read_recent_masks(file, c.state.model.mask.size());
    if (file.has("/protection/key")) {
        c.state.protection = read_protection(file);
    }
    c.state.masks = read_mask_history(file, c.state.model.mask.size());
    c.state.history = read_history(file);
    require(c.state.history.size() == static_cast<std::size_t>(c.state.rounds_done), file,
            "its history is of another number of rounds than it has done");
    return c;
}

bool looks_like_checkpoint(std::span<const std::byte> bytes) {
    return has_preface(checkpoint_title, bytes);
}

} // namespace feddip::io
