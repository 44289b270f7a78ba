#include "io/preface.hpp"

#include "base/error.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>

namespace feddip::io {

namespace {

std::string preface_for(std::string_view title, std::span<const std::byte> content) {
    std::string text = fmt::format("{}bytes {}\nxxh3_64 {:016x}\n", title, content.size(),
                                   XXH3_64bits(content.data(), content.size()));
    text.resize(preface_size, '\0');
    return text;
}

std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

} // namespace

void write_preface(std::string_view title, std::span<std::byte> file) {
    std::ranges::transform(preface_for(title, file.subspan(preface_size)), file.begin(),
                           [](char c) { return static_cast<std::byte>(c); });
}

bool has_preface(std::string_view title, std::span<const std::byte> file) {
    return text_of(file).starts_with(title);
}

bool begins_with_hdf5(std::span<const std::byte> file) {
    return text_of(file).starts_with("\x89HDF\r\n");
}

std::span<const std::byte> verified_content(std::string_view title, std::span<const std::byte> file,
                                            const char* what_cannot, const std::string& name) {
    if (file.size() < preface_size) {
        throw error(what_cannot, name, "it is cut off");
    }
    const std::span<const std::byte> content = file.subspan(preface_size);
    if (text_of(file.first(preface_size)) != preface_for(title, content)) {
        throw error(what_cannot, name,
                    "it is damaged, or another program has changed it: size or checksum does not match");
    }
    return content;
}

} // namespace feddip::io
