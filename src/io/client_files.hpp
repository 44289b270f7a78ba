// What clients keep as files that all ranks see, beside the checkpoints.
#pragma once

#include "fl/client_store.hpp"

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace feddip::io {

enum class versions {
    all,   // until remove_client_files
    newest // and of models the one before; where there are no new checkpoints, which alone look back further
};

// One file per client and round, `stem`.client-CLIENT-ROUND.residual or .model: a checksum (XXH3-64) and the
// residual (residual_codec.hpp) or the message; replaced atomically.
class client_files : public fl::client_store {
public:
    // What the first `checkpointed` rounds left stays, for that checkpoint may be gone back to.
    client_files(std::filesystem::path stem, versions kept, int checkpointed = 0);

    std::vector<float> load(int client, int round) override;
    void save(int client, int round, std::span<const float> residual) override;
    std::vector<std::byte> load_model(int client, int round) override;
    void save_model(int client, int round, std::span<const std::byte> message) override;

private:
    std::filesystem::path path_of(int client, int round, std::string_view suffix) const;
    std::vector<std::byte> checked_content(const std::filesystem::path& path) const;
    void put(int client, int round, std::string_view suffix, std::span<const std::byte> content);

    std::filesystem::path stem_;
    versions kept_;
    int checkpointed_;
};

// Removes what neither a checkpoint after `rounds_done` rounds nor a later one needs: of each client all but
// the newest version that a round t < rounds_done wrote, and those of later rounds.
void remove_client_files(const std::filesystem::path& stem, int rounds_done);

// Before a run starts or goes on after `rounds_done` rounds: removes the files of rounds that it hasn't done,
// which an earlier run of the same name has left.
void remove_later_client_files(const std::filesystem::path& stem, int rounds_done);

} // namespace feddip::io
