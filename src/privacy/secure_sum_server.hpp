// The server's side of one secure sum.
#pragma once

#include "privacy/secret_sharing.hpp"
#include "privacy/secure_sum_message.hpp"

#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace feddip::privacy {

// Passes messages on and adds masked inputs up (secure_sum_client.hpp): four stages, in each of which it
// receives the clients' messages, is closed, and then has a message for each client that is still there (none
// after the last).
//
//   announcing -> sharing -> masking -> revealing -> done
//
// It never holds an input without its masks: those inputs are added up as they come, and masks are taken off
// the sum.
template <typename Word>
class secure_sum_server {
public:
    // Throws feddip::input_error for terms that `check` refuses or that have other words.
    explicit secure_sum_server(const secure_sum_terms& terms);

    // A client's message of this stage. Throws feddip::error, and stays as it was, for one that is damaged,
    // of another stage or sum, from a client that has left or sent one before, or that names other clients
    // than it should.
    void receive(std::span<const std::byte> message);

    // In the masking stage, the inputs of several clients, ascending, that were added up on their way, such
    // as along a tree of ranks: what receiving the message of each would come to.
    void receive_added(std::span<const std::uint32_t> from, std::span<const Word> words);

    // Ends the stage: clients that sent nothing have left. Throws feddip::error where fewer than the
    // threshold are there: the sum can't be taken then.
    void close();

    // Those that were there when the last stage was closed, ascending.
    std::vector<std::uint32_t> present() const;
    bytes message_for(std::uint32_t client) const;

    // After the last stage: the sum, modulo 2^32 or 2^64, of the inputs of those in `summed`. Throws
    // feddip::error where shares don't give back a secret as its owner committed to it: somebody isn't
    // honest, and the sum is lost.
    std::vector<Word> sum();
    const std::vector<std::uint32_t>& summed() const { return stayed_; }

private:
    enum class stage { announcing, sharing, masking, revealing, done };

    struct client {
        announced_keys keys{};
        commitment self_mask{};
        stage reached = stage::announcing; // the last of which its message came
    };
    struct shares_received {
        std::vector<secret_share> of_self_mask, of_key;
    };

    void receive_keys(std::span<const std::byte> message);
    void receive_shares(std::span<const std::byte> message);
    void receive_input(std::span<const std::byte> message);
    void receive_revealed(std::span<const std::byte> message);
    client& sender(std::uint32_t position);
    secret whole(const std::vector<secret_share>& shares) const;

    secure_sum_terms terms_;
    digest digest_;
    stage stage_ = stage::announcing;
    std::map<std::uint32_t, client> clients_; // that announced keys
    std::vector<std::uint32_t> present_;
    std::map<std::uint32_t, std::vector<addressed_pair>> for_; // by whom it is sealed for
    std::vector<std::uint32_t> shared_, stayed_;
    std::map<std::uint32_t, shares_received> revealed_; // by whose secrets they are of
    std::vector<Word> sum_;
};

} // namespace feddip::privacy
