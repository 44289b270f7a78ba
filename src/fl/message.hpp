// What the server sends, what clients send back, and how many bytes each is.
//
// Both directions carry [header | mask, where it is new to the receiver | values in the mask, in mask order |
// tail]. The tail is everything that is never pruned: biases, and all of batch normalization including its
// running mean and variance, which are averaged like weights. An upload of all weights carries them instead
// of those in the mask; one of the largest weights has a mask of its own, coded as the difference to the
// model's.
#pragma once

#include "base/layout.hpp"
#include "config/config.hpp"
#include "fl/state.hpp"
#include "sparse/mask.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace feddip::fl {

// Bytes before the payload: in both directions five 32-bit words (round, mask version, base version or
// client, samples or flags, length of the coded mask).
inline constexpr std::uint64_t header_bytes = 20;

// Of each weight sent up; down and in the tail values are always of 4 bytes.
constexpr std::uint64_t bytes_per_value(config::value_kind values) {
    return values == config::value_kind::bf16 ? 2 : 4;
}

// A message without what says which weights are meant: so many values, and those of the tail.
constexpr std::uint64_t message_bytes(std::uint64_t weights, std::uint64_t tail,
                                      config::value_kind values = config::value_kind::f32) {
    return header_bytes + bytes_per_value(values) * weights + sizeof(float) * tail;
}

// By a client in a round, where a protocol exchanges more than an upload.
struct exchanged_bytes {
    std::uint64_t up = 0, down = 0;
};

// The model as a message to a receiver that holds the mask `known`; null for one whose mask is no longer
// remembered.
std::vector<std::byte> encode(const global_model& model, const parameter_layout& layout, int round,
                              const versioned_mask* known);

// Brings `model`, whose mask and version are the receiver's, up to date. Throws feddip::error for damaged
// bytes.
void decode(std::span<const std::byte> message, const parameter_layout& layout, global_model& model);

// Floats in an upload, and the upload itself: `state` (layout.size() floats) through `m`, or all of it.
std::size_t upload_length(const parameter_layout& layout, const sparse::mask& m, bool all_weights);
void pack_upload(const parameter_layout& layout, const sparse::mask& m, bool all_weights,
                 std::span<const float> state, std::span<float> upload);
void unpack_upload(const parameter_layout& layout, const sparse::mask& m, bool all_weights,
                   std::span<const float> upload, std::span<float> state);

} // namespace feddip::fl
