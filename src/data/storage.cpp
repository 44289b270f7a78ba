#include "data/storage.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

namespace feddip::data {

mutable_dataset divide(const dataset_facts& facts, std::span<std::byte> storage) {
    if (storage.size() != storage_size(facts)) {
        throw error("cannot lay out dataset " + to_string(facts.name), "storage",
                    fmt::format("it has {} bytes, expected {}", storage.size(), storage_size(facts)));
    }
    std::span<std::uint8_t> left{reinterpret_cast<std::uint8_t*>(storage.data()), storage.size()};
    const auto take = [&left](std::size_t size) {
        const auto taken = left.first(size);
        left = left.subspan(size);
        return taken;
    };
    mutable_dataset parts;
    if (facts.has_clients) {
        const auto take_clients = [&](std::size_t size) {
            return std::span(reinterpret_cast<std::int32_t*>(take(size * sizeof(std::int32_t)).data()), size);
        };
        parts.train.clients = take_clients(facts.train_size);
        parts.test.clients = take_clients(facts.test_size);
    }
    parts.train.pixels = take(facts.train_size * facts.image_bytes());
    parts.test.pixels = take(facts.test_size * facts.image_bytes());
    parts.train.labels = take(facts.train_size);
    parts.test.labels = take(facts.test_size);
    return parts;
}

} // namespace feddip::data
