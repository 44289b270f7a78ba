// Clients' residuals as files that all ranks see, beside the checkpoints.
#pragma once

#include "fl/client_store.hpp"

#include <filesystem>

namespace feddip::io {

// One file per client and round, `stem`.client-CLIENT-ROUND.residual: a checksum (XXH3-64) and the floats,
// little-endian; replaced atomically. Of each client those are kept that a checkpoint of the last `horizon`
// rounds may need.
class client_files : public fl::client_store {
public:
    client_files(std::filesystem::path stem, int horizon);

    std::vector<float> load(int client, int round) override;
    void save(int client, int round, std::span<const float> residual) override;

private:
    std::filesystem::path path_of(int client, int round) const;
    std::vector<int> rounds_of(int client) const; // ascending
    void forget_what_no_checkpoint_needs(int client, int round) const;

    std::filesystem::path stem_;
    int horizon_;
};

} // namespace feddip::io
