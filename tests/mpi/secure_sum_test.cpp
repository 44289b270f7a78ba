// Secure sums over ranks: what rank 0 gets to see, and that it makes the same of it wherever clients are.
#include "comm/mpi_transport.hpp"
#include "fl/aggregation/aggregation.hpp"
#include "fl/aggregation/secure_words.hpp"
#include "fl/in_process_transport.hpp"
#include "fl/message.hpp"
#include "fl/sampling.hpp"
#include "unit/fl/random_models.hpp"
#include "unit/fl/small_uploads.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>
#include <unordered_set>
#include <vector>

namespace {

using namespace feddip;

// Keeps all that this rank receives from others.
class watched_transport : public comm::mpi_transport {
public:
    using mpi_transport::mpi_transport;

    std::vector<std::vector<std::byte>> gather(std::span<const std::byte> mine) override {
        return keep(mpi_transport::gather(mine));
    }
    std::vector<std::vector<std::byte>> exchange(std::vector<std::vector<std::byte>> messages) override {
        return keep(mpi_transport::exchange(std::move(messages)));
    }
    std::unique_ptr<fl::slot_sum> start_sum(std::span<const int>, std::size_t) override {
        ADD_FAILURE() << "a plain sum";
        return nullptr;
    }

    std::vector<std::byte> received;

private:
    std::vector<std::vector<std::byte>> keep(std::vector<std::vector<std::byte>> messages) {
        for (std::size_t from = 0; from < messages.size(); ++from) {
            if (from != static_cast<std::size_t>(rank())) {
                received.insert(received.end(), messages[from].begin(), messages[from].end());
            }
        }
        return messages;
    }
};

constexpr int clients = 6;
constexpr std::size_t dropped = 2; // which of them

config::run_config secure() {
    config::run_config c;
    c.federation.clients = c.federation.clients_per_round = clients;
    c.privacy.secure_sum = true;
    return c;
}

// So large that hardly a word is as small as a length or a position in a message, which would look like it.
std::vector<float> weights_of(std::size_t client) {
    std::vector<float> weights(test::lenet5.size());
    random_stream random(7, 0, static_cast<std::uint32_t>(client), purpose::test);
    std::ranges::generate(weights, [&] { return static_cast<float>(1e6 * random.normal()); });
    return weights;
}

struct six_clients {
    config::run_config config = secure();
    fl::global_model model = test::model_with(test::random_mask(0.1, 1), 1);
    fl::round_plan plan = test::sending(fl::upload_content::all_weights);
    std::vector<std::size_t> slots{};
    std::vector<int> owners{};

    std::vector<float> over(fl::transport& ranks, int first_rank) {
        for (std::size_t c = 0; c < clients; ++c) {
            if (c != dropped) {
                slots.push_back(c);
            }
        }
        owners = fl::assign_slots(std::vector<std::uint64_t>(slots.size(), 1), ranks.size(), first_rank);
        const auto rule = fl::make_aggregation_rule(config);
        const auto sum = rule->start({plan, test::lenet5, model, owners, {}, slots, clients}, ranks);
        std::uint64_t samples = 0;
        for (std::size_t s = 0; s < slots.size(); ++s) {
            auto record = test::client_with(static_cast<std::uint32_t>(10 + s));
            samples += record.samples;
            if (owners[s] == ranks.rank()) {
                const auto weights = weights_of(slots[s]);
                sum->add(static_cast<int>(s),
                         fl::make_upload(plan, test::lenet5, model, {.weights = weights}, record));
            }
        }
        sum->collect();
        return ranks.rank() == 0 ? sum->result(samples).state : std::vector<float>{};
    }
};

std::unordered_set<std::uint64_t> windows_of(std::span<const std::byte> bytes) {
    std::unordered_set<std::uint64_t> windows;
    for (std::size_t at = 0; at + sizeof(std::uint64_t) <= bytes.size(); ++at) {
        std::uint64_t window;
        std::memcpy(&window, bytes.data() + at, sizeof window);
        windows.insert(window);
    }
    return windows;
}

std::vector<std::uint64_t> plain_words(const six_clients& r, std::size_t slot) {
    auto change = weights_of(r.slots[slot]);
    for (std::size_t i = 0; i < change.size(); ++i) {
        change[i] = (change[i] - r.model.state[i]) * static_cast<float>(10 + slot);
    }
    std::vector<std::uint64_t> words(change.size());
    fl::secure_words<std::uint64_t>(r.config, std::nullopt, 0, change.size()).encode(change, words);
    return words;
}

TEST(secure_sum, is_the_same_wherever_clients_are) {
    comm::mpi_transport ranks(comm::communicator::world());
    const auto over_ranks = six_clients{}.over(ranks, 0);
    if (ranks.rank() == 0) {
        fl::in_process_transport alone;
        EXPECT_TRUE(over_ranks == six_clients{}.over(alone, 0));
    }
}

TEST(secure_sum, shows_rank_0_nothing_of_an_update) {
    watched_transport ranks(comm::communicator::world());
    if (ranks.size() == 1) {
        GTEST_SKIP() << "one rank holds all updates";
    }
    six_clients r;
    const auto state = r.over(ranks, 1); // rank 0 does not train
    if (ranks.rank() != 0) {
        return;
    }
    EXPECT_GT(ranks.received.size(), sizeof(std::uint64_t) * test::lenet5.size());
    const auto seen = windows_of(ranks.received);
    std::vector<std::uint64_t> total(test::lenet5.size());
    std::uint64_t samples = 0;
    for (std::size_t s = 0; s < r.slots.size(); ++s) {
        const auto words = plain_words(r, s);
        EXPECT_EQ(std::ranges::count_if(words, [&](std::uint64_t w) { return seen.contains(w); }), 0) << s;
        std::ranges::transform(total, words, total.begin(), std::plus{});
        samples += 10 + s;
    }
    // These are the words that clients mask: what they come to is the result.
    std::vector<double> sum(total.size());
    fl::secure_words<std::uint64_t>(r.config, std::nullopt, 0, sum.size()).decode(total, sum);
    for (std::size_t i = 0; i < sum.size(); ++i) {
        ASSERT_EQ(state[i], static_cast<float>(r.model.state[i] + sum[i] / static_cast<double>(samples))) << i;
    }
}

} // namespace
