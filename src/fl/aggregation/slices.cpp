#include "fl/aggregation/slices.hpp"

#include "base/error.hpp"
#include "fl/packing.hpp"
#include "sparse/foreign_mask.hpp"

#include <algorithm>
#include <limits>

namespace feddip::fl {

namespace {

// Before a slice's support and values in a message.
struct slice_header {
    std::uint32_t slot, samples;
    std::uint64_t values;
};

// In place of the number of values, with nothing behind the header: the update was not finite.
constexpr auto none_finite = std::numeric_limits<std::uint64_t>::max();

sparse::mask cut(const sparse::mask& whole, coordinate_range range) {
    sparse::mask part(range.size(), false);
    for (std::size_t i = 0; i < part.size(); ++i) {
        part.set(i, whole[range.first + i]);
    }
    return part;
}

} // namespace

slicer::slicer(const aggregation_setting& setting, transport& ranks)
    : ranks_(ranks), model_(setting.model),
      coordinates_(setting.layout.size() +
                   (setting.plan.squared_gradients ? setting.layout.prunable_size() : 0)),
      dropped_by_all_(setting.plan.averages_senders ? setting.layout.prunable_size() : 0) {}

coordinate_range slicer::range_of(int rank) const {
    const auto ranks = static_cast<std::size_t>(ranks_.size());
    const auto r = static_cast<std::size_t>(rank);
    const std::size_t blocks = (coordinates_ + block - 1) / block;
    const auto boundary = [&](std::size_t part) {
        return std::min(coordinates_, block * (blocks * part / ranks));
    };
    return {boundary(r), boundary(r + 1)};
}

void slicer::add(int slot, const upload& sent) {
    if (!sent.included) {
        ++not_finite_;
        return;
    }
    update_slice whole{.slot = static_cast<std::uint32_t>(slot),
                       .samples = sent.samples,
                       .sent = {.support = {coordinates_, true}, .values = sent.weights.values}};
    const auto& support = sent.weights.support;
    for (std::size_t i = 0; i < support.size(); ++i) {
        whole.sent.support.set(i, support[i]);
    }
    auto& values = whole.sent.values;
    values.insert(values.end(), sent.tail.begin(), sent.tail.end());
    values.insert(values.end(), sent.squared_gradients.begin(), sent.squared_gradients.end());
    added_.push_back(std::move(whole));
}

std::vector<std::byte> slicer::packed_for(int rank) const {
    const auto range = range_of(rank);
    std::vector<std::byte> message;
    const std::vector<slice_header> empty(static_cast<std::size_t>(not_finite_), {0, 0, none_finite});
    append(message, std::span<const slice_header>(empty));
    for (const auto& whole : added_) {
        const auto part = cut(whole.sent.support, range);
        const auto values =
            std::span(whole.sent.values).subspan(whole.sent.support.count(0, range.first), part.count());
        const slice_header head{whole.slot, whole.samples, values.size()};
        append(message, std::span<const slice_header>(&head, 1));
        append(message, std::span<const std::uint64_t>(part.words()));
        append(message, std::span<const float>(values));
    }
    return message;
}

unpacked_slices unpack_slices(std::span<const std::byte> message, std::size_t coordinates) {
    unpacked_slices slices;
    while (!message.empty()) {
        const auto head = take_one<slice_header>(message);
        if (head.values == none_finite) {
            ++slices.not_finite;
            continue;
        }
        update_slice slice{.slot = head.slot,
                           .samples = head.samples,
                           .sent = {.support = {coordinates, false}, .values = {}}};
        auto& support = slice.sent.support;
        std::ranges::copy(take<std::uint64_t>(message, support.words().size()), support.words().begin());
        if (sparse::reaches_past_end(support) || support.count() != head.values) {
            throw error("damaged slice of an update", "ranks", "it has more or fewer values than positions");
        }
        slice.sent.values = take<float>(message, head.values);
        slices.finite.push_back(std::move(slice));
    }
    return slices;
}

std::vector<update_slice> slicer::exchange() {
    std::vector<std::vector<std::byte>> messages;
    for (int rank = 0; rank < ranks_.size(); ++rank) {
        messages.push_back(packed_for(rank));
    }
    added_.clear();
    not_finite_ = 0;
    std::vector<update_slice> slices;
    for (const auto& message : ranks_.exchange(std::move(messages))) {
        auto theirs = unpack_slices(message, range_of(ranks_.rank()).size());
        std::ranges::move(theirs.finite, std::back_inserter(slices));
        not_finite_ += theirs.not_finite;
    }
    std::ranges::sort(slices, {}, &update_slice::slot);
    return slices;
}

std::vector<float> slicer::join(std::span<const float> mine) {
    std::vector<float> all;
    for (const auto& part : ranks_.gather(std::as_bytes(mine))) {
        std::ranges::copy(take_rest<float>(part), std::back_inserter(all));
    }
    return all;
}

aggregate slicer::split(std::span<const float> joined) const {
    const auto squares = joined.begin() + static_cast<std::ptrdiff_t>(weights());
    return {.state = {joined.begin(), squares}, .squared_gradients = {squares, joined.end()}, .senders = {}};
}

} // namespace feddip::fl
