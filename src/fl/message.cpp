#include "fl/message.hpp"

#include "base/error.hpp"
#include "sparse/codec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace feddip::fl {

namespace {

enum class mask_part : std::uint32_t { absent, whole, difference };

struct header {
    std::uint32_t round = 0;
    std::uint32_t mask_version = 0;
    std::uint32_t base_version = 0; // of the mask that the coded one is a difference to
    mask_part part = mask_part::absent;
    std::uint32_t mask_bytes = 0;
};
static_assert(sizeof(header) == header_bytes);

std::span<const float> tail(std::span<const float> state, const parameter_layout& layout) {
    return state.subspan(layout.prunable_size());
}
std::span<float> tail(std::span<float> state, const parameter_layout& layout) {
    return state.subspan(layout.prunable_size());
}

} // namespace

std::vector<std::byte> encode(const global_model& model, const parameter_layout& layout, int round,
                              const versioned_mask* known) {
    header head{.round = static_cast<std::uint32_t>(round), .mask_version = model.mask_version};
    std::vector<std::byte> mask_code;
    if (known == nullptr) {
        mask_code = sparse::encode(model.mask, layout, nullptr);
        head.part = mask_part::whole;
    } else if (known->version != model.mask_version) {
        mask_code = sparse::encode(model.mask, layout, &known->mask);
        head.part = mask_part::difference;
        head.base_version = known->version;
    }
    if (!mask_code.empty()) {
        head.mask_bytes = static_cast<std::uint32_t>(mask_code.size());
    }
    std::vector<float> values(upload_length(layout, model.mask, false));
    pack_upload(layout, model.mask, false, model.state, values);

    std::vector<std::byte> message(sizeof head + mask_code.size() + values.size() * sizeof(float));
    auto* end = message.data();
    for (const auto part :
         {std::as_bytes(std::span<const header>(&head, 1)), std::span<const std::byte>(mask_code),
          std::as_bytes(std::span<const float>(values))}) {
        end = std::ranges::copy(part, end).out;
    }
    return message;
}

void decode(std::span<const std::byte> message, const parameter_layout& layout, global_model& model) {
    const auto damaged = [&](const std::string& why) {
        return error("damaged model message", "broadcast", why);
    };
    header head;
    if (message.size() < sizeof head) {
        throw damaged(fmt::format("{} bytes are less than its header", message.size()));
    }
    std::memcpy(&head, message.data(), sizeof head);
    if (head.part > mask_part::difference) {
        throw damaged(
            fmt::format("its mask is of the unknown kind {}", static_cast<std::uint32_t>(head.part)));
    }
    auto rest = message.subspan(sizeof head);
    if (head.mask_bytes > rest.size()) {
        throw damaged(fmt::format("its mask of {} bytes is longer than what is left", head.mask_bytes));
    }
    if (head.part == mask_part::absent && head.mask_bytes > 0) {
        throw damaged(fmt::format("it has {} bytes of a mask, and says that there is none", head.mask_bytes));
    }
    const std::uint32_t presupposed = head.part == mask_part::absent ? head.mask_version : head.base_version;
    const bool holds_it = model.mask.size() == layout.prunable_size() && model.mask_version == presupposed;
    if (head.part != mask_part::whole && !holds_it) {
        throw damaged(fmt::format("it presupposes mask {}, which this rank doesn't hold", presupposed));
    }
    if (head.part != mask_part::absent) {
        const auto* base = head.part == mask_part::difference ? &model.mask : nullptr;
        model.mask = sparse::decode(rest.first(head.mask_bytes), layout, base);
        model.mask_version = head.mask_version;
    }
    rest = rest.subspan(head.mask_bytes);

    std::vector<float> values(upload_length(layout, model.mask, false));
    if (rest.size() != values.size() * sizeof(float)) {
        throw damaged(fmt::format("{} bytes of values where {} were expected", rest.size(),
                                  values.size() * sizeof(float)));
    }
    std::memcpy(values.data(), rest.data(), rest.size());
    model.state.resize(layout.size());
    unpack_upload(layout, model.mask, false, values, model.state);
}

std::size_t upload_length(const parameter_layout& layout, const sparse::mask& m, bool all_weights) {
    return all_weights ? layout.size() : m.count() + layout.size() - layout.prunable_size();
}

void pack_upload(const parameter_layout& layout, const sparse::mask& m, bool all_weights,
                 std::span<const float> state, std::span<float> upload) {
    if (all_weights) {
        std::ranges::copy(state, upload.begin());
        return;
    }
    const std::size_t alive = upload.size() - tail(state, layout).size();
    sparse::pack(m, state.first(layout.prunable_size()), upload.first(alive));
    std::ranges::copy(tail(state, layout), upload.begin() + static_cast<std::ptrdiff_t>(alive));
}

void unpack_upload(const parameter_layout& layout, const sparse::mask& m, bool all_weights,
                   std::span<const float> upload, std::span<float> state) {
    if (all_weights) {
        std::ranges::copy(upload, state.begin());
        return;
    }
    const std::size_t alive = upload.size() - tail(state, layout).size();
    sparse::unpack(m, upload.first(alive), state.first(layout.prunable_size()));
    std::ranges::copy(upload.subspan(alive), tail(state, layout).begin());
}

} // namespace feddip::fl
