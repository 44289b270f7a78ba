#include "io/client_files.hpp"

#include "base/error.hpp"
#include "io/files.hpp"
#include "sparse/mask.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

namespace feddip::io {

namespace {

constexpr std::string_view suffix = ".residual";

std::uint64_t checksum(std::span<const std::byte> content) {
    return XXH3_64bits(content.data(), content.size());
}

} // namespace

client_files::client_files(std::filesystem::path stem, int horizon)
    : stem_(std::move(stem)), horizon_(horizon) {}

// A file: checksum of what follows (u64), floats (u64), one bit for each that isn't 0 (u64 words), those
// floats.
std::vector<float> client_files::load(int client, int round) {
    const auto path = path_of(client, round);
    const auto content = read_file(path);
    const auto damaged = [&] {
        return error("damaged residual of a client", path.string(),
                     "its checksum is wrong; start the run anew, or from a copy of its files");
    };
    std::array<std::uint64_t, 2> head{};
    if (content.size() < sizeof head) {
        throw damaged();
    }
    std::memcpy(head.data(), content.data(), sizeof head);
    const auto [expected, size] = head;
    if (checksum(std::span(content).subspan(sizeof expected)) != expected) {
        throw damaged();
    }

    sparse::mask kept(size, false);
    const auto bits = std::as_writable_bytes(kept.words());
    const auto rest = std::span(content).subspan(sizeof head);
    std::memcpy(bits.data(), rest.data(), bits.size());
    std::vector<float> values(kept.count());
    std::memcpy(values.data(), rest.data() + bits.size(), values.size() * sizeof(float));
    std::vector<float> residual(size);
    sparse::unpack(kept, values, residual);
    return residual;
}

void client_files::save(int client, int round, std::span<const float> residual) {
    sparse::mask kept(residual.size(), false);
    for (std::size_t i = 0; i < residual.size(); ++i) {
        kept.set(i, residual[i] != 0.0F);
    }
    std::vector<float> values(kept.count());
    sparse::pack(kept, residual, values);

    std::array<std::uint64_t, 2> head{0, residual.size()};
    const auto bits = std::as_bytes(std::span(std::as_const(kept).words()));
    std::vector<std::byte> content(sizeof head + bits.size() + values.size() * sizeof(float));
    std::ranges::copy(bits, content.begin() + sizeof head);
    std::memcpy(content.data() + sizeof head + bits.size(), values.data(), values.size() * sizeof(float));
    std::memcpy(content.data(), head.data(), sizeof head);
    head.front() = checksum(std::span(content).subspan(sizeof head.front()));
    std::memcpy(content.data(), head.data(), sizeof head.front());
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
