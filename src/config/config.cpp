#include "config/config.hpp"

#include "base/error.hpp"
#include "config/keys.hpp"
#include "config/nearest.hpp"
#include "config/validate.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace feddip::config {

namespace {

// Far more than any config needs, and little enough to read a wrong file without harm.
constexpr std::size_t largest_file = std::size_t{1} << 20;

std::string place(const std::string& file, const toml::source_region& region) {
    return fmt::format("{}:{}", file, region.begin.line);
}

bool is_section(std::string_view name) {
    return std::ranges::count(keys(), name, &key::section) > 0;
}

std::vector<std::string_view> section_names() {
    std::vector<std::string_view> names;
    for (const key& k : keys()) {
        if (names.empty() || names.back() != k.section) {
            names.push_back(k.section);
        }
    }
    return names;
}

// "; batch_size belongs to [federation]" where a key of this name is known elsewhere.
std::string home_of(std::string_view name) {
    const auto known = std::ranges::find(keys(), name, &key::name);
    return known == keys().end() ? "" : fmt::format("; {} belongs to [{}]", name, known->section);
}

[[noreturn]] void unknown_section(std::string_view name, const std::string& where) {
    const auto allowed = section_names();
    throw input_error(fmt::format("unknown section [{}]", one_line(name)), where,
                      fmt::format("did you mean [{}]? The sections are {}{}", nearest(name, allowed),
                                  fmt::join(allowed, ", "), home_of(name)));
}

[[noreturn]] void unknown_key(std::string_view section, std::string_view name, const std::string& where) {
    std::vector<std::string_view> allowed;
    for (const key& k : keys()) {
        if (k.section == section) {
            allowed.push_back(k.name);
        }
    }
    throw input_error(fmt::format("unknown key {}.{}", section, one_line(name)), where,
                      fmt::format("did you mean {}.{}? The keys of [{}] are {}{}", section,
                                  nearest(name, allowed), section, fmt::join(allowed, ", "), home_of(name)));
}

const key& find_key(std::string_view section, std::string_view name, const std::string& where) {
    if (!is_section(section)) {
        unknown_section(section, where);
    }
    const auto found =
        std::ranges::find_if(keys(), [&](const key& k) { return k.section == section && k.name == name; });
    if (found == keys().end()) {
        unknown_key(section, name, where);
    }
    return *found;
}

void assign(run_config& c, const key& k, const toml::node& value, const std::string& where) {
    if (const std::string complaint = k.assign(c, value); !complaint.empty()) {
        throw input_error("bad value of " + k.full_name(), where, complaint);
    }
}

toml::table parse_table(std::string_view text, const std::string& where) {
    try {
        return toml::parse(text);
    } catch (const toml::parse_error& e) {
        throw input_error("cannot parse the config", place(where, e.source()), one_line(e.description()));
    }
}

void apply_file(run_config& c, const std::string& text, const std::string& file) {
    const toml::table parsed = parse_table(text, file);
    for (const auto& [section, content] : parsed) {
        const std::string where = place(file, section.source());
        if (!is_section(section.str())) {
            unknown_section(section.str(), where);
        }
        const toml::table* entries = content.as_table();
        if (entries == nullptr) {
            throw input_error(fmt::format("bad section {}", section.str()), where,
                              fmt::format("it must be a table, [{}] on a line of its own", section.str()));
        }
        for (const auto& [name, value] : *entries) {
            const std::string there = place(file, name.source());
            assign(c, find_key(section.str(), name.str(), there), value, there);
        }
    }
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    const auto last = text.find_last_not_of(" \t");
    return first == std::string_view::npos ? std::string_view{} : text.substr(first, last - first + 1);
}

// The table { value = TEXT }, or with TEXT as a string when it is not TOML.
toml::table parse_value(std::string_view text, const std::string& where) {
    try {
        toml::table parsed = toml::parse(fmt::format("value = {}", text));
        if (parsed.size() == 1 && parsed.contains("value")) {
            return parsed;
        }
    } catch (const toml::parse_error&) { // a bare word
    }
    return parse_table(fmt::format("value = {}", toml_string(text)), where);
}

void apply_override(run_config& c, const std::string& text) {
    const std::string where = "--set " + one_line(text);
    const auto equals = text.find('=');
    const std::string_view full_name = trimmed(std::string_view(text).substr(0, equals));
    const auto dot = full_name.find('.');
    if (equals == std::string::npos || dot == std::string_view::npos) {
        throw input_error("cannot understand an option", where,
                          "expected section.key=value, for example federation.rounds=100" +
                              home_of(full_name));
    }
    const key& k = find_key(trimmed(full_name.substr(0, dot)), trimmed(full_name.substr(dot + 1)), where);
    const toml::table parsed = parse_value(trimmed(std::string_view(text).substr(equals + 1)), where);
    assign(c, k, *parsed.get("value"), where);
}

std::string read_text(const std::filesystem::path& file) {
    std::error_code ignored;
    if (std::filesystem::is_directory(file, ignored)) {
        throw input_error("cannot read the config", file.string(), "it is a folder");
    }
    std::ifstream in(file, std::ios::binary);
    if (!in) {
        throw input_error("cannot read the config", file.string(), std::strerror(errno));
    }
    std::string text(largest_file + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (in.bad()) {
        throw input_error("cannot read the config", file.string(), std::strerror(errno));
    }
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (text.size() > largest_file) {
        throw input_error("cannot read the config", file.string(),
                          fmt::format("it has more than {} bytes, which no config needs", largest_file));
    }
    return text;
}

} // namespace

run_config load(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
    return parse(read_text(file), file.string(), overrides);
}

run_config parse(const std::string& toml, const std::string& where,
                 const std::vector<std::string>& overrides) {
    run_config c;
    apply_file(c, toml, where);
    for (const std::string& text : overrides) {
        apply_override(c, text);
    }
    validate(c, where);
    return c;
}

std::string to_toml(const run_config& c) {
    std::string text;
    std::string_view section;
    for (const key& k : keys()) {
        if (k.section != section) {
            text += fmt::format("{}[{}]\n", section.empty() ? "" : "\n", k.section);
            section = k.section;
        }
        text += fmt::format("{} = {}\n", k.name, k.show(c));
    }
    return text;
}

std::vector<difference> differences(const run_config& left, const run_config& right) {
    std::vector<difference> found;
    for (const key& k : keys()) {
        if (const std::string l = k.show(left), r = k.show(right); l != r) {
            found.push_back({k.full_name(), l, r});
        }
    }
    return found;
}

} // namespace feddip::config
