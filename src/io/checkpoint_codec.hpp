// Checkpoints: all that a run needs to go on bit for bit, in HDF5.
//
// The file is a preface (io/preface.hpp), and then
//     /config_toml            UTF-8 bytes
//     /data_checksum          where data.dataset = "file": 16 digits (data/checksum.hpp)
//     /rounds_done
//     /model/mask             bits of the mask, in 64-bit words
//     /model/mask_version, /model/prunable
//     /model/weights          alive weights in mask order (all weights, should a pruned one not be 0)
//     /model/tail             biases, norms and running statistics
//     /client_mask_version    one per client
//     /client_residual_round  one per client
//     /recent_masks/version, /recent_masks/mask    [masks], [masks, words]
//     /client_part/level, /client_part/turn, /client_part/ranked_in    with budgets: what each client holds,
//     /ladder/mask_version, /ladder/round, /ladder/rung                and the ranking of a mask's weights
//     /protection/key, /protection/clip            where clients are protected: the key of all noise
//     /mask_history/ever_alive, /mask_history/reference    on request (fl/mask_memory.hpp)
//     /history/<column of /rounds>, /history/layer_density, /history/clients/<column of /clients>
// Layer densities and client records lie one round after the other; *_per_round says how many each round has.
#pragma once

#include "fl/state.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace feddip::h5 {
class dataset_source;
}

namespace feddip::io {

struct checkpoint {
    std::string config_toml;
    fl::run_state state;
    std::string data_checksum; // empty: not known
};

std::vector<std::byte> encode_checkpoint(const std::string& config_toml, const fl::run_state& state,
                                         const std::string& data_checksum = "");
// Throws error when the bytes are damaged, of another format, or contradict each other. `name` is for
// messages.
checkpoint decode_checkpoint(std::span<const std::byte> bytes, const std::string& name);
// The same for the HDF5 part alone, whose checksum is known to be right.
checkpoint decode_checkpoint_content(std::span<const std::byte> content, const std::string& name);

checkpoint decode_checkpoint_content(const h5::dataset_source& content);

// Whether the bytes, damaged or not, claim to be a checkpoint.
bool looks_like_checkpoint(std::span<const std::byte> bytes);

} // namespace feddip::io
