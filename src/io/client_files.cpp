#include "io/client_files.hpp"

#include "base/error.hpp"
#include "io/files.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace feddip::io {

namespace {

constexpr std::string_view suffix = ".residual";

std::uint64_t checksum(std::span<const std::byte> content) {
    return XXH3_64bits(content.data(), content.size());
}

} // namespace

client_files::client_files(std::filesystem::path stem, int horizon)
    : stem_(std::move(stem)), horizon_(horizon) {}

std::vector<float> client_files::load(int client, int round) {
    const auto path = path_of(client, round);
    const auto content = read_file(path);
    std::uint64_t expected = 0;
    const bool whole =
        content.size() >= sizeof expected && (content.size() - sizeof expected) % sizeof(float) == 0;
    const auto values = std::span(content).subspan(whole ? sizeof expected : content.size());
    std::memcpy(&expected, content.data(), whole ? sizeof expected : 0);
    if (!whole || checksum(values) != expected) {
        throw error("damaged residual of a client", path.string(),
                    "its checksum is wrong; start the run anew, or from a copy of its files");
    }
    std::vector<float> residual(values.size() / sizeof(float));
    std::memcpy(residual.data(), values.data(), values.size());
    return residual;
}

void client_files::save(int client, int round, std::span<const float> residual) {
    const auto values = std::as_bytes(residual);
    const std::uint64_t sum = checksum(values);
    std::vector<std::byte> content(sizeof sum + values.size());
    std::memcpy(content.data(), &sum, sizeof sum);
    std::ranges::copy(values, content.begin() + sizeof sum);
    replace_file(path_of(client, round), content);
    forget_what_no_checkpoint_needs(client, round);
}

std::filesystem::path client_files::path_of(int client, int round) const {
    return fmt::format("{}.client-{}-{}{}", stem_.string(), client, round, suffix);
}

std::vector<int> client_files::rounds_of(int client) const {
    const auto prefix = fmt::format("{}.client-{}-", stem_.filename().string(), client);
    const auto folder = stem_.has_parent_path() ? stem_.parent_path() : std::filesystem::path(".");
    std::vector<int> rounds;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        const auto name = entry.path().filename().string();
        int round = 0;
        if (name.starts_with(prefix) && name.ends_with(suffix)) {
            std::from_chars(name.data() + prefix.size(), name.data() + name.size() - suffix.size(), round);
            rounds.push_back(round);
        }
    }
    std::ranges::sort(rounds);
    return rounds;
}

// A checkpoint after round t - horizon or later needs the newest version of that time, and those since.
void client_files::forget_what_no_checkpoint_needs(int client, int round) const {
    const auto rounds = rounds_of(client);
    for (std::size_t i = 0; i + 1 < rounds.size() && rounds[i + 1] <= round - horizon_; ++i) {
        std::filesystem::remove(path_of(client, rounds[i]));
    }
}

} // namespace feddip::io
