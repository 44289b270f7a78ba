// Clients' residuals as files that all ranks see, beside the checkpoints.
#pragma once

#include "fl/client_store.hpp"

#include <filesystem>

namespace feddip::io {

enum class versions {
    all,   // until remove_residuals
    newest // where there are no checkpoints, which alone look back
};

// One file per client and round, `stem`.client-CLIENT-ROUND.residual: a checksum (XXH3-64) and the floats,
// little-endian; replaced atomically.
class client_files : public fl::client_store {
public:
    client_files(std::filesystem::path stem, versions kept);

    std::vector<float> load(int client, int round) override;
    void save(int client, int round, std::span<const float> residual) override;

private:
    std::filesystem::path path_of(int client, int round) const;

    std::filesystem::path stem_;
    versions kept_;
};

// Removes what neither a checkpoint after `rounds_done` rounds nor a later one needs: of each client all but
// the newest version that a round t < rounds_done wrote, and those of later rounds.
void remove_residuals(const std::filesystem::path& stem, int rounds_done);

} // namespace feddip::io
