// A whole secure sum in one process, with clients that leave where the test says.
#pragma once

#include "base/error.hpp"
#include "privacy/key_stream.hpp"
#include "privacy/secure_sum_client.hpp"
#include "privacy/secure_sum_server.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

namespace feddip::privacy {

// What a client does last before it leaves.
enum class last_act { nothing, announces, shares, masks, reveals };

template <typename Word>
struct round_result {
    std::vector<Word> sum;
    std::vector<std::uint32_t> summed;
};

// `see` is shown all that the server receives and may change it. Clients that refuse something count as
// having left.
template <typename Word>
round_result<Word> take_sum(const secure_sum_terms& terms, const std::vector<std::vector<Word>>& inputs,
                            std::vector<last_act> until,
                            const std::function<void(last_act, std::uint32_t, bytes&)>& see = {}) {
    std::vector<secure_sum_client<Word>> clients;
    for (std::uint32_t i = 0; i < terms.clients; ++i) {
        clients.emplace_back(terms, i);
    }
    secure_sum_server<Word> server(terms);
    const auto stage = [&](last_act act, const std::vector<std::uint32_t>& there, auto&& message_of) {
        for (const auto i : there) {
            if (until[i] < act) {
                continue;
            }
            bytes message;
            try {
                message = message_of(i);
            } catch (const error&) {
                until[i] = last_act::nothing;
                continue;
            }
            if (see) {
                see(act, i, message);
            }
            server.receive(message);
        }
        server.close();
    };
    std::vector<std::uint32_t> all(terms.clients);
    for (std::uint32_t i = 0; i < terms.clients; ++i) {
        all[i] = i;
    }
    stage(last_act::announces, all, [&](auto i) { return clients[i].announce_keys(); });
    stage(last_act::shares, server.present(),
          [&](auto i) { return clients[i].share_secrets(server.message_for(i)); });
    stage(last_act::masks, server.present(),
          [&](auto i) { return clients[i].mask(server.message_for(i), std::span<const Word>(inputs[i])); });
    stage(last_act::reveals, server.present(),
          [&](auto i) { return clients[i].reveal(server.message_for(i)); });
    return {server.sum(), server.summed()};
}

template <typename Word>
std::vector<std::vector<Word>> inputs_for(const secure_sum_terms& terms) {
    key_stream random(secret::fresh(), 0);
    std::vector<std::vector<Word>> inputs(terms.clients, std::vector<Word>(terms.values));
    for (auto& input : inputs) {
        std::ranges::generate(input, [&] { return static_cast<Word>(random()); });
    }
    return inputs;
}

template <typename Word>
std::vector<Word> plain_sum(const std::vector<std::vector<Word>>& inputs,
                            const std::vector<std::uint32_t>& of) {
    std::vector<Word> sum(inputs.front().size());
    for (const auto i : of) {
        for (std::size_t k = 0; k < sum.size(); ++k) {
            sum[k] += inputs[i][k];
        }
    }
    return sum;
}

} // namespace feddip::privacy
