#include "io/client_files.hpp"

#include "base/error.hpp"
#include "io/files.hpp"
#include "io/residual_codec.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <iterator>
#include <map>
#include <utility>

namespace feddip::io {

namespace {

constexpr std::string_view residual_suffix = ".residual";
constexpr std::string_view model_suffix = ".model";

std::uint64_t checksum(std::span<const std::byte> content) {
    return XXH3_64bits(content.data(), content.size());
}

error damaged(const std::filesystem::path& path) {
    return {"damaged file of a client", path.string(),
            "its checksum is wrong; start the run anew, or from a copy of its files"};
}

using versions_of_client = std::map<int, std::filesystem::path>; // by round

// By client. What is called otherwise belongs to others.
std::map<int, versions_of_client> files_of(const std::filesystem::path& stem, std::string_view suffix) {
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

client_files::client_files(std::filesystem::path stem, versions kept, int checkpointed)
    : stem_(std::move(stem)), kept_(kept), checkpointed_(checkpointed) {}

std::vector<float> client_files::load(int client, int round) {
    const auto path = path_of(client, round, residual_suffix);
    return decode_residual(checked_content(path), path.string());
}

void client_files::save(int client, int round, std::span<const float> residual) {
    put(client, round, residual_suffix, encode_residual(residual));
}

std::vector<std::byte> client_files::load_model(int client, int round) {
    return checked_content(path_of(client, round, model_suffix));
}

void client_files::save_model(int client, int round, std::span<const std::byte> message) {
    put(client, round, model_suffix, message);
}

std::vector<std::byte> client_files::checked_content(const std::filesystem::path& path) const {
    auto content = read_file(path);
    std::uint64_t expected = 0;
    if (content.size() < sizeof expected) {
        throw damaged(path);
    }
    std::memcpy(&expected, content.data(), sizeof expected);
    content.erase(content.begin(), content.begin() + sizeof expected);
    if (checksum(content) != expected) {
        throw damaged(path);
    }
    return content;
}

void client_files::put(int client, int round, std::string_view suffix, std::span<const std::byte> content) {
    const std::uint64_t sum = checksum(content);
    std::vector<std::byte> bytes(sizeof sum + content.size());
    std::memcpy(bytes.data(), &sum, sizeof sum);
    std::ranges::copy(content, bytes.begin() + sizeof sum);
    replace_file(path_of(client, round, suffix), bytes);
    if (kept_ == versions::newest) {
        const auto all = files_of(stem_, suffix);
        if (const auto files = all.find(client); files != all.end()) {
            auto first_kept = files->second.lower_bound(round);
            if (suffix == model_suffix && first_kept != files->second.begin()) {
                --first_kept;
            }
            const auto first = files->second.lower_bound(checkpointed_);
            if (first != files->second.end() && first_kept != files->second.end() &&
                first->first < first_kept->first) {
                remove_all(first, first_kept);
            }
        }
    }
}

std::filesystem::path client_files::path_of(int client, int round, std::string_view suffix) const {
    return fmt::format("{}.client-{}-{}{}", stem_.string(), client, round, suffix);
}

void remove_client_files(const std::filesystem::path& stem, int rounds_done) {
    for (const auto suffix : {residual_suffix, model_suffix}) {
        for (const auto& [client, files] : files_of(stem, suffix)) {
            const auto later = files.lower_bound(rounds_done);
            if (later != files.begin()) {
                remove_all(files.begin(), std::prev(later));
            }
        }
    }
}

void remove_later_client_files(const std::filesystem::path& stem, int rounds_done) {
    for (const auto suffix : {residual_suffix, model_suffix}) {
        for (const auto& [client, files] : files_of(stem, suffix)) {
            remove_all(files.lower_bound(rounds_done), files.end());
        }
    }
}

} // namespace feddip::io
