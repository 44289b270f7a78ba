#include "config/config.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

namespace feddip::config {
namespace {

std::vector<std::filesystem::path> shipped_configs() {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(FEDDIP_CONFIGS)) {
        if (entry.path().extension() == ".toml") {
            files.push_back(entry.path());
        }
    }
    return files;
}

TEST(shipped_configs, are_all_accepted) {
    const auto files = shipped_configs();

    ASSERT_FALSE(files.empty());
    for (const auto& file : files) {
        EXPECT_NO_THROW(load(file, {})) << file;
    }
}

} // namespace
} // namespace feddip::config
