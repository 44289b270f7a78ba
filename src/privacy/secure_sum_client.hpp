// A client's side of one secure sum.
#pragma once

#include "privacy/secret_sharing.hpp"
#include "privacy/secure_sum_message.hpp"

#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace feddip::privacy {

// Bonawitz et al. 2017, "Practical secure aggregation for privacy-preserving machine learning", against a
// server that is honest but curious (its figure 4 without the signatures). Words are summed modulo 2^32 or
// 2^64:
//
//   u -> server     two public keys
//   server -> all   everybody's
//   u -> server     for each other client v, sealed for it: a share of the seed b_u of u's self mask, and one
//                   of u's secret masking key
//   server -> v     what was sealed for v
//   u -> server     y_u = x_u + stream(b_u) + the sum over v > u of stream(s_uv) - the same over v < u, where
//                   u and v agreed on s_uv, and v are those whose shares came
//   server -> all   whose y came: they stay, the others have left
//   u -> server     shares of b_v of those that stayed, and of the masking keys of those that left
//
// Three clients, of which client 1 leaves after its shares were sent:
//
//   y_0 = x_0 + stream(b_0) + stream(s_01) + stream(s_02)
//   y_2 = x_2 + stream(b_2) - stream(s_02) - stream(s_12)
//
// Clients 0 and 2 send shares of b_0, b_2 and of client 1's key, which gives s_01 and s_12; x_0 + x_2 is
// left.
//
// Used once, in the order of the functions. Whatever it refuses (feddip::error says why) also ends its part:
// it sends nothing more, and the server takes it for one that left.
template <typename Word>
class secure_sum_client {
public:
    // Throws feddip::input_error for terms that `check` refuses or that have other words.
    secure_sum_client(const secure_sum_terms& terms, std::uint32_t position);

    bytes announce_keys();
    // Refuses a list with fewer than the threshold, without this client's keys as announced, or where two
    // share a key.
    bytes share_secrets(std::span<const std::byte> keys);
    // `input` has terms.values words. Refuses shares from fewer than the threshold (this client counts), or
    // altered.
    bytes mask(std::span<const std::byte> shares, std::span<const Word> input);
    // Refuses survivors below the threshold, without this client, or of whom no shares came.
    bytes reveal(std::span<const std::byte> survivors);

private:
    enum class stage { fresh, announced, shared, masked, over };
    void enter(stage expected, const char* doing); // and is over until the caller says otherwise

    secure_sum_terms terms_;
    std::uint32_t position_;
    digest digest_;
    stage stage_ = stage::fresh;
    key_pair sealing_, masking_;
    secret self_mask_;
    std::map<std::uint32_t, announced_keys> peers_;
    std::map<std::uint32_t, secret_pair> shares_; // held here, by whose: of its self mask and its masking key
};

} // namespace feddip::privacy
