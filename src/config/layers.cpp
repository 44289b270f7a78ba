#include "config/layers.hpp"

#include "config/keys.hpp"
#include "config/names.hpp"
#include "config/nearest.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

namespace feddip::config {

namespace {

constexpr std::size_t most_layers = 1000;

struct layer_key {
    using member_type = std::variant<std::string layer_section::*, int layer_section::*,
                                     bool layer_section::*, double layer_section::*>;
    std::string_view name;
    member_type member;
    std::int64_t least = 0, most = 0; // of an int
    std::vector<layer_word> kinds;    // empty: all
};

std::span<const layer_key> layer_keys() {
    using enum layer_word;
    static const std::vector<layer_key> table{
        {"name", &layer_section::name, 0, 0, {}},
        {"from", &layer_section::from, 0, 0, {convolution}},
        {"with", &layer_section::with, 0, 0, {add}},
        {"outputs", &layer_section::outputs, 1, 1 << 20, {convolution, fully_connected}},
        {"kernel", &layer_section::kernel, 1, 255, {convolution}},
        {"stride", &layer_section::stride, 1, 255, {convolution}},
        {"padding", &layer_section::padding, 0, 254, {convolution}},
        {"bias", &layer_section::bias, 0, 0, {convolution}},
        {"window", &layer_section::window, 1, 15, {max_pool}},
        {"probability", &layer_section::probability, 0, 0, {dropout}},
        {"groups", &layer_section::groups, 1, 1 << 20, {group_norm}},
    };
    return table;
}

bool belongs(const layer_key& key, layer_word kind) {
    return key.kinds.empty() || std::ranges::count(key.kinds, kind) > 0;
}

std::string assign(const layer_key& key, const toml::node& node, layer_section& layer) {
    return std::visit(
        [&]<typename T>(T layer_section::*member) -> std::string {
            if constexpr (std::is_same_v<T, int>) {
                const auto number = node.value_exact<std::int64_t>();
                if (!number || *number < key.least || *number > key.most) {
                    return fmt::format("{} must be an integer from {} to {}", key.name, key.least, key.most);
                }
                layer.*member = static_cast<int>(*number);
            } else if constexpr (std::is_same_v<T, double>) {
                const auto number = node.is_number() ? node.value<double>() : std::nullopt;
                if (!number || !(*number >= 0) || !(*number < 1)) {
                    return fmt::format("{} must be at least 0 and less than 1", key.name);
                }
                layer.*member = *number;
            } else {
                const auto found = node.value_exact<T>();
                if (!found) {
                    return fmt::format("{} must be {}", key.name,
                                       std::is_same_v<T, bool> ? "true or false" : "a string");
                }
                layer.*member = *found;
            }
            return {};
        },
        key.member);
}

// Names go into files and messages.
bool is_plain(const std::string& name) {
    return name.size() <= 100 && std::ranges::all_of(name, [](unsigned char c) {
               return std::isalnum(c) != 0 || c == '_' || c == '.';
           });
}

std::string read_kind(const toml::table& table, layer_section& layer) {
    std::vector<std::string_view> kinds;
    for (const auto& [kind, name] : names<layer_word>) {
        kinds.push_back(name);
        if (const auto given = table["kind"].value_exact<std::string>(); given && *given == name) {
            layer.kind = kind;
            return {};
        }
    }
    return fmt::format("its kind must be one of \"{}\"", fmt::join(kinds, "\", \""));
}

std::string read_layer(const toml::table& table, layer_section& layer) {
    if (std::string complaint = read_kind(table, layer); !complaint.empty()) {
        return complaint;
    }
    for (const auto& [name, node] : table) {
        if (name == "kind") {
            continue;
        }
        std::vector<std::string_view> allowed{"kind"};
        const layer_key* found = nullptr;
        for (const layer_key& key : layer_keys()) {
            if (belongs(key, layer.kind)) {
                allowed.push_back(key.name);
                found = key.name == name.str() ? &key : found;
            }
        }
        if (found == nullptr) {
            return fmt::format("unknown key {}, did you mean {}? A {} has {}", one_line(name.str()),
                               nearest(name.str(), allowed), name_of(layer.kind), fmt::join(allowed, ", "));
        }
        if (std::string complaint = assign(*found, node, layer); !complaint.empty()) {
            return complaint;
        }
    }
    if (!is_plain(layer.name) || !is_plain(layer.from) || !is_plain(layer.with)) {
        return "a name may have letters, digits, _ and ., at most 100 of them";
    }
    return {};
}

} // namespace

std::string convert(const toml::node& node, std::vector<layer_section>& layers) {
    if (!node.is_array() || node.as_array()->size() > most_layers) {
        return fmt::format("expected at most {} tables, each a [[model.layers]]", most_layers);
    }
    for (const toml::node& element : *node.as_array()) {
        layer_section& layer = layers.emplace_back();
        const std::string complaint =
            element.is_table() ? read_layer(*element.as_table(), layer) : "it must be a table";
        if (!complaint.empty()) {
            return fmt::format("layer {}: {}", layers.size(), complaint);
        }
    }
    return {};
}

std::string show(const std::vector<layer_section>& layers) {
    std::vector<std::string> shown;
    for (const layer_section& layer : layers) {
        std::string entries = fmt::format("kind = \"{}\"", name_of(layer.kind));
        for (const layer_key& key : layer_keys()) {
            if (!belongs(key, layer.kind)) {
                continue;
            }
            const auto write = [&](std::string_view value) {
                entries += fmt::format(", {} = {}", key.name, value);
            };
            std::visit(
                [&]<typename T>(T layer_section::*member) {
                    const T& value = layer.*member;
                    if constexpr (std::is_same_v<T, std::string>) {
                        if (!value.empty()) {
                            write(toml_string(value));
                        }
                    } else if constexpr (std::is_same_v<T, int>) {
                        // 0 outputs are the classes, which can't be written.
                        if (value >= key.least || value != layer_section{}.*member) {
                            write(fmt::format("{}", value));
                        }
                    } else {
                        write(fmt::format("{}", value));
                    }
                },
                key.member);
        }
        shown.push_back(fmt::format("{{{}}}", entries));
    }
    return fmt::format("[{}]", fmt::join(shown, ", "));
}

} // namespace feddip::config
