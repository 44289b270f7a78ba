// The datasets of a checkpoint, and how a fuzzer's bytes change those of a good one. Again and again
//   u8  which dataset, u8  how many values (255: the dataset is left out), the values
#pragma once

#include "base/error.hpp"
#include "hdf5/file.hpp"
#include "io/checkpoint_codec.hpp"
#include "io/columns.hpp"
#include "require.hpp"
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
    require(model.mask.count() == model.mask.count(0, model.mask.size()), "a mask reaches past its end");
    require(!c.state.protection || c.state.protection->clip > 0, "a bound of 0 or less was accepted");
    for (const auto& recent : c.state.recent_masks) {
        require(recent.mask.size() == model.mask.size(), "a mask of another size was accepted");
    }
}

} // namespace feddip::fuzz
