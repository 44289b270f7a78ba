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
#include <iterator>
#include <map>
#include <utility>

namespace feddip::io {

namespace {

constexpr std::string_view suffix = ".residual";

std::uint64_t checksum(std::span<const std::byte> content) {
    return XXH3_64bits(content.data(), content.size());
}

using versions_of_client = std::map<int, std::filesystem::path>; // by round

// By client. What is called otherwise belongs to others.
std::map<int, versions_of_client> residuals_of(const std::filesystem::path& stem) {
    const auto prefix = stem.filename().string() + ".client-";
    const auto folder = stem.has_parent_path() ? stem.parent_path() : std::filesystem::path(".");
    std::map<int, versions_of_client> found;
    std::error_code failure; // what can't be listed can't be removed, and does no harm
    for (std::filesystem::directory_iterator entry(folder, failure), end_of_folder;
         !failure && entry != end_of_folder; entry.increment(failure)) {
        const auto name = entry->path().filename().string();
        if (!name.starts_with(prefix) || !name.ends_with(suffix)) {
            continue;
        }
        const char* const end = name.data() + name.size() - suffix.size();
        int client = 0, round = 0;
        const auto after_client = std::from_chars(name.data() + prefix.size(), end, client);
        if (after_client.ec != std::errc() || after_client.ptr == end || *after_client.ptr != '-') {
            continue;
        }
        const auto after_round = std::from_chars(after_client.ptr + 1, end, round);
        if (after_round.ec == std::errc() && after_round.ptr == end) {
            found[client][round] = entry->path();
        }
    }
    return found;
}

// One file too many does no harm.
void remove_all(versions_of_client::const_iterator first, versions_of_client::const_iterator last) {
    for (; first != last; ++first) {
        std::error_code ignored;
        std::filesystem::remove(first->second, ignored);
    }
}

} // namespace

client_files::client_files(std::filesystem::path stem, versions kept) : stem_(std::move(stem)), kept_(kept) {}

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

    const auto rest = std::span(content).subspan(sizeof head);
    if (size / 8 > rest.size()) {
        throw damaged();
    }
    sparse::mask kept(size, false);
    const auto bits = std::as_writable_bytes(kept.words());
    if (rest.size() < bits.size()) {
        throw damaged();
    }
    std::ranges::copy(rest.first(bits.size()), bits.begin());
    std::vector<float> values(kept.count());
    if (rest.size() != bits.size() + values.size() * sizeof(float)) {
        throw damaged();
    }
    std::ranges::copy(rest.subspan(bits.size()), std::as_writable_bytes(std::span(values)).begin());
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
    const auto behind_bits = std::ranges::copy(bits, content.begin() + sizeof head).out;
    std::ranges::copy(std::as_bytes(std::span(values)), behind_bits);
    std::memcpy(content.data(), head.data(), sizeof head);
    head.front() = checksum(std::span(content).subspan(sizeof head.front()));
    std::memcpy(content.data(), head.data(), sizeof head.front());
    replace_file(path_of(client, round), content);
    if (kept_ == versions::newest) {
        const auto all = residuals_of(stem_);
        if (const auto files = all.find(client); files != all.end()) {
            remove_all(files->second.begin(), files->second.lower_bound(round));
        }
    }
}

std::filesystem::path client_files::path_of(int client, int round) const {
    return fmt::format("{}.client-{}-{}{}", stem_.string(), client, round, suffix);
}

void remove_residuals(const std::filesystem::path& stem, int rounds_done) {
    for (const auto& [client, files] : residuals_of(stem)) {
        const auto later = files.lower_bound(rounds_done);
        if (later != files.begin()) {
            remove_all(files.begin(), std::prev(later));
        }
    }
}

} // namespace feddip::io
