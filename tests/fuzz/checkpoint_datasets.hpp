// The datasets of a checkpoint, and how a fuzzer's bytes change those of a good one. Again and again
//   u8  which dataset, u8  how many values (255: the dataset is left out), the values
#pragma once

#include "base/error.hpp"
#include "base/layout.hpp"
#include "hdf5/file.hpp"
#include "io/checkpoint_codec.hpp"
#include "io/columns.hpp"
#include "require.hpp"
#include "sparse/foreign_mask.hpp"
#include "unit/io/example_run.hpp"

#include <algorithm>
#include <cstring>
#include <variant>

namespace feddip::fuzz {

using values = std::variant<std::vector<std::uint8_t>, std::vector<std::int32_t>, std::vector<std::uint32_t>,
                            std::vector<std::uint64_t>, std::vector<float>, std::vector<double>>;

struct dataset {
    std::string path;
    values content;
    bool present = true;
};

inline constexpr std::size_t preface_size = 512;
inline constexpr std::uint8_t left_out = 255;

template <typename T>
dataset copied(const h5::file& file, const std::string& path) {
    return {path, file.read<T>(path)};
}

template <typename Record>
void copy_columns(const h5::file& file, const std::string& group, std::span<const io::column<Record>> columns,
                  std::vector<dataset>& into) {
    for (const auto& c : columns) {
        std::visit([&]<typename T>(T Record::*) { into.push_back(copied<T>(file, group + c.name)); },
                   c.member);
    }
}

inline std::vector<dataset> good_checkpoint() {
    auto state = io::testing::example_state(3, 70, 5);
    state.protection = {.key = {}, .clip = 1.5};
    const parameter_layout one_tensor({{"a.weight", role::weight, {7, 10}, 0, 0, 10}});
    state.ladder = {one_tensor, state.model.mask, std::span(state.model.state).first(70), 0.1};
    state.ladder_version = state.model.mask_version;
    state.client_part.resize(state.client_mask_version.size());
    state.client_part[2] = {{.level = 250, .turn = 3}, 1};
    const auto bytes = io::encode_checkpoint("[federation]\nrounds = 3\n", state);
    const auto file = h5::file::open(std::span(bytes).subspan(preface_size), "good");
    std::vector<dataset> all{copied<std::uint8_t>(file, "/config_toml"),
                             copied<std::int32_t>(file, "/rounds_done"),
                             copied<std::uint64_t>(file, "/model/prunable"),
                             copied<std::uint32_t>(file, "/model/mask_version"),
                             copied<std::uint64_t>(file, "/model/mask"),
                             copied<float>(file, "/model/weights"),
                             copied<float>(file, "/model/tail"),
                             copied<std::uint32_t>(file, "/client_mask_version"),
                             copied<std::int32_t>(file, "/client_residual_round"),
                             copied<std::uint32_t>(file, "/recent_masks/version"),
                             copied<std::uint64_t>(file, "/recent_masks/mask"),
                             copied<std::uint32_t>(file, "/history/layer_density_per_round"),
                             copied<double>(file, "/history/layer_density"),
                             copied<std::uint32_t>(file, "/history/clients_per_round")};
    copy_columns<fl::round_record>(file, "/history/", io::round_columns, all);
    copy_columns<fl::client_record>(file, "/history/clients/", io::client_columns, all);
    all.push_back(copied<std::uint8_t>(file, "/protection/key"));
    all.push_back(copied<double>(file, "/protection/clip"));
    for (const char* path :
         {"/client_part/level", "/client_part/turn", "/client_part/ranked_in", "/ladder/round"}) {
        all.push_back(copied<std::int32_t>(file, path));
    }
    for (const char* path : {"/ladder/mask_version", "/ladder/rung"}) {
        all.push_back(copied<std::uint32_t>(file, path));
    }
    for (const char* path : {"/mask_history/ever_alive", "/mask_history/reference"}) {
        all.push_back(copied<std::uint64_t>(file, path));
    }
    for (const auto& c : io::list_columns) {
        const std::string path = std::string("/history/") + c.history;
        if (c.when && file.has(path)) {
            all.push_back(copied<std::uint32_t>(file, path + "_per_round"));
            all.push_back(copied<double>(file, path));
        }
    }
    return all;
}

inline void edit(std::vector<dataset>& all, std::span<const std::uint8_t> edits) {
    while (edits.size() >= 2) {
        dataset& chosen = all[edits[0] % all.size()];
        const std::size_t count = edits[1];
        edits = edits.subspan(2);
        chosen.present = count != left_out;
        if (!chosen.present) {
            continue;
        }
        std::visit(
            [&]<typename T>(std::vector<T>& content) {
                content.assign(count, T{});
                const std::size_t bytes = std::min(edits.size(), count * sizeof(T));
                if (bytes > 0) {
                    std::memcpy(content.data(), edits.data(), bytes);
                }
                edits = edits.subspan(bytes);
            },
            chosen.content);
    }
}

// What holds of everything that the reader accepts.
inline void require_whole(const io::checkpoint& c) {
    const auto& model = c.state.model;
    require(c.state.rounds_done >= 0, "a negative number of rounds was accepted");
    require(c.state.history.size() == static_cast<std::size_t>(c.state.rounds_done),
            "a history of another length was accepted");
    require(model.state.size() >= model.mask.size(), "the model is smaller than its mask");
    require(!sparse::reaches_past_end(model.mask), "a mask reaches past its end");
    require(!c.state.protection || c.state.protection->clip > 0, "a bound of 0 or less was accepted");
    for (const auto& recent : c.state.recent_masks) {
        require(recent.mask.size() == model.mask.size() && !sparse::reaches_past_end(recent.mask),
                "a mask of another size was accepted");
    }
    const auto& clients = c.state.client_part;
    require(clients.empty() || clients.size() == c.state.client_mask_version.size(),
            "parts of other clients were accepted");
    for (const auto& [part, ranked_in] : clients) {
        require(part.level >= 1 && part.level <= sparse::ladder_part::unlimited && part.turn >= -1,
                "an impossible part of a mask was accepted");
    }
    const auto& ladder = c.state.ladder;
    if (!ladder.rung_of().empty()) {
        require(ladder.rung_of().size() == model.mask.size(), "a ranking of another size was accepted");
        for (const auto& [part, ranked_in] : clients) {
            require(!part.limited() || ladder.part(part).count() == ladder.count(part),
                    "a part of a mask is not what it counts");
        }
    }
    for (const auto* seen : {&c.state.masks.ever_alive, &c.state.masks.reference}) {
        require((seen->size() == 0 || seen->size() == model.mask.size()) && !sparse::reaches_past_end(*seen),
                "a mask of the past of another size was accepted");
    }
}

} // namespace feddip::fuzz
