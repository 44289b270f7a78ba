// Files as they were before some of the datasets of today were there.
#pragma once

#include "io/files.hpp"
#include "io/schema.hpp"
#include "unit/io/example_run.hpp"

#include <gtest/gtest.h>
#include <hdf5.h>

#include <span>
#include <string>
#include <vector>

namespace feddip::io::testing {

// An HDF5 file's bytes without the datasets at `paths`.
inline std::vector<std::byte> without(std::span<const std::byte> image,
                                      const std::vector<std::string>& paths) {
    const scratch_folder folder;
    const auto path = folder / "older.h5";
    replace_file(path, image);
    const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    for (const std::string& gone : paths) {
        EXPECT_GE(H5Ldelete(file, gone.c_str(), H5P_DEFAULT), 0) << gone;
    }
    EXPECT_GE(H5Fclose(file), 0);
    return read_file(path);
}

// The optional columns of both kinds.
inline std::vector<std::string> optional_paths(const std::string& rounds, const std::string& clients) {
    std::vector<std::string> paths;
    for (const round_column& c : round_columns) {
        if (c.optional) {
            paths.push_back(rounds + c.name);
        }
    }
    for (const client_column& c : client_columns) {
        if (c.optional) {
            paths.push_back(clients + c.name);
        }
    }
    return paths;
}

// What a reader then knows.
inline void forget_optional_columns(std::vector<fl::round_record>& history) {
    for (fl::round_record& r : history) {
        r.grad_norm_squared = r.gradient_divergence = r.simulated_seconds = r.coverage = fl::not_measured;
        r.hostile_included = r.alarm = 0;
        r.attack_success = r.epsilon = r.clip = fl::not_measured;
        r.drift = 0;
        r.ever_alive = r.mask_distance = fl::not_measured;
        for (fl::client_record& c : r.clients) {
            c.simulated_seconds = c.density = c.feedback = c.distance = fl::not_measured;
            c.seconds_train = fl::not_measured;
            c.deadline_met = c.link_class = -1;
            c.bytes_down = 0;
            c.dropped_out = c.sparse_kernels = c.hostile = 0;
            c.bytes_positions = 0; // there were no uploads that had any
        }
    }
}

} // namespace feddip::io::testing
