// The mean, or with privacy.clip the private one: of the updates rank 0 gets nothing but the sum (Bonawitz et
// al. 2017; privacy/secure_sum_client.hpp). What clients send becomes fixed-point words on the support that
// all of them share, each is masked where it trains, and each rank adds up those of its own clients before
// they go to rank 0. The ranks act for sampled clients that drop out, too: these leave after their secrets
// were shared, so that their masks have to come off the sum.
//
// Words have 64 bits, or 32 where clipping bounds them. A sum that too few are left for, or that fewer than
// two were drawn for, isn't taken: the model stays, or with privacy.clip the round is noise.
#include "base/error.hpp"
#include "base/log.hpp"
#include "fl/aggregation/changes.hpp"
#include "fl/aggregation/rules.hpp"
#include "fl/aggregation/secure_words.hpp"
#include "fl/packing.hpp"
#include "privacy/clipping.hpp"
#include "privacy/discrete_gaussian.hpp"
#include "privacy/secure_sum_client.hpp"
#include "privacy/secure_sum_server.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <optional>
#include <utility>

namespace feddip::fl {

namespace {

using privacy::bytes;

// One sum, of vectors of words at the positions of sampled clients. All of it is collective but `add`.
template <typename Word>
class sum_over_ranks {
public:
    sum_over_ranks(const privacy::secure_sum_terms& terms, std::vector<int> owner_of_position,
                   transport& ranks)
        : terms_(terms), owners_(std::move(owner_of_position)), ranks_(ranks), sum_(terms.values),
          exchanged_(terms.clients) {
        if (ranks_.rank() == 0) {
            server_.emplace(terms_);
        }
        std::vector<std::uint32_t> mine;
        for (std::uint32_t p = 0; p < terms_.clients; ++p) {
            if (owners_[p] == ranks_.rank()) {
                clients_.emplace(p, privacy::secure_sum_client<Word>(terms_, p));
                mine.push_back(p);
            }
        }
        std::vector<std::pair<std::uint32_t, bytes>> keys;
        for (auto& [p, client] : clients_) {
            keys.emplace_back(p, client.announce_keys());
        }
        to_server(keys);
        std::vector<std::pair<std::uint32_t, bytes>> shares;
        for (const auto& [p, message] : from_server()) {
            shares.emplace_back(p, clients_.at(p).share_secrets(message));
        }
        to_server(shares);
        shares_ = from_server();
    }

    // This rank's `position`, masked; the words are of no use afterwards.
    void add(std::uint32_t position, std::span<const Word> words) {
        const auto message = clients_.at(position).mask(shares_.at(position), words);
        const auto masked = privacy::decode<privacy::masked_input<Word>>(message, terms_);
        std::ranges::transform(sum_, masked.words, sum_.begin(), std::plus{});
        added_.push_back({position, message.size()});
    }

    // On rank 0 the sum, nothing where too few were added.
    std::optional<std::vector<Word>> finish() {
        std::vector<std::byte> mine;
        const auto count = static_cast<std::uint64_t>(added_.size());
        append(mine, std::span<const std::uint64_t>(&count, 1));
        append(mine, std::span<const sent>(added_));
        if (count > 0) {
            append(mine, std::span<const Word>(sum_));
        }
        std::size_t all = 0;
        for (std::span<const std::byte> rest : ranks_.gather(mine)) {
            all += receive_added(rest);
        }
        const std::uint8_t enough = all >= terms_.threshold ? 1 : 0;
        if (broadcast(ranks_, std::span<const std::uint8_t>(&enough, 1)).front() == 0) {
            return std::nullopt;
        }
        if (server_) {
            server_->close();
        }
        std::vector<std::pair<std::uint32_t, bytes>> revealed;
        for (const auto& [p, survivors] : from_server()) {
            revealed.emplace_back(p, clients_.at(p).reveal(survivors));
        }
        to_server(revealed);
        return server_ ? std::optional(server_->sum()) : std::nullopt;
    }

    // [positions]
    const std::vector<exchanged_bytes>& exchanged() const { return exchanged_; }

private:
    struct sent {
        std::uint64_t position, message_bytes;
    };

    static void pack(std::uint32_t position, const bytes& message, std::vector<std::byte>& into) {
        const sent header{position, message.size()};
        append(into, std::span<const sent>(&header, 1));
        append(into, std::span<const std::byte>(message));
    }

    // Messages of this rank's clients, and the end of the server's stage.
    void to_server(const std::vector<std::pair<std::uint32_t, bytes>>& messages) {
        std::vector<std::byte> mine;
        for (const auto& [position, message] : messages) {
            pack(position, message, mine);
        }
        for (std::span<const std::byte> rest : ranks_.gather(mine)) {
            while (!rest.empty()) {
                const auto head = take_one<sent>(rest);
                server_->receive(take<std::byte>(rest, head.message_bytes));
                exchanged_[head.position].up += head.message_bytes;
            }
        }
        if (server_) {
            server_->close();
        }
    }

    // What the server has for each of this rank's clients that are still there.
    std::map<std::uint32_t, bytes> from_server() {
        std::vector<std::vector<std::byte>> messages(static_cast<std::size_t>(ranks_.size()));
        if (server_) {
            for (const std::uint32_t p : server_->present()) {
                const auto message = server_->message_for(p);
                pack(p, message, messages[static_cast<std::size_t>(owners_[p])]);
                exchanged_[p].down += message.size();
            }
        }
        const auto received = ranks_.exchange(std::move(messages));
        std::map<std::uint32_t, bytes> mine;
        for (std::span<const std::byte> rest = received.front(); !rest.empty();) {
            const auto head = take_one<sent>(rest);
            mine[static_cast<std::uint32_t>(head.position)] = take<std::byte>(rest, head.message_bytes);
        }
        return mine;
    }

    // On rank 0: what a rank has added up. Returns of how many clients.
    std::size_t receive_added(std::span<const std::byte> message) {
        const auto count = take_one<std::uint64_t>(message);
        std::vector<std::uint32_t> from;
        for (const auto& [position, message_bytes] : take<sent>(message, count)) {
            from.push_back(static_cast<std::uint32_t>(position));
            exchanged_[position].up += message_bytes;
        }
        if (count > 0) {
            server_->receive_added(from, take_rest<Word>(message));
        }
        return count;
    }

    const privacy::secure_sum_terms terms_;
    const std::vector<int> owners_;
    transport& ranks_;
    std::optional<privacy::secure_sum_server<Word>> server_; // on rank 0
    std::map<std::uint32_t, privacy::secure_sum_client<Word>> clients_;
    std::map<std::uint32_t, bytes> shares_; // what each gets before it masks
    std::vector<Word> sum_;                 // masked, of this rank's clients
    std::vector<sent> added_;
    std::vector<exchanged_bytes> exchanged_;
};

// Those that drop out have no rank: they go with a neighbour's.
std::vector<int> owner_of_position(const aggregation_setting& setting) {
    std::vector<int> owners(setting.sampled,
                            setting.owner_of_slot.empty() ? 0 : setting.owner_of_slot.back());
    for (std::size_t s = setting.owner_of_slot.size(); s-- > 0;) {
        std::fill_n(owners.begin(), setting.sampled_of_slot[s] + 1, setting.owner_of_slot[s]);
    }
    return owners;
}

template <typename Word>
class secure_mean final : public aggregation {
public:
    secure_mean(const config::run_config& config, const std::optional<privacy_guarantee>& guarantee,
                const aggregation_setting& setting, transport& ranks)
        : config_(config), guarantee_(guarantee), setting_(setting), changes_(setting),
          clip_(broadcast(ranks, std::span<const double>(&setting.protection.clip, 1)).front()),
          codec_(secure_words<Word>(config, guarantee, clip_, changes_.size())), change_(changes_.size()),
          words_(changes_.size() + secure_counts(config)) {
        if (setting.sampled >= 2) {
            sum_.emplace(secure_terms(config, setting.plan.round, static_cast<std::uint32_t>(setting.sampled),
                                      changes_.size()),
                         owner_of_position(setting), ranks);
        }
    }

    // The client of an update with NaN or infinities leaves; with a guarantee it sends no change, for who
    // leaves must not depend on data.
    void add(int slot, upload sent) override {
        if (!sum_ || (!sent.included && !guarantee_)) {
            return;
        }
        if (sent.included) {
            changes_.take(sent, change_);
        } else {
            std::ranges::fill(change_, 0.0F);
        }
        bool within = true;
        if (guarantee_) {
            within = privacy::clip(std::array{std::span(change_)}, clip_).within;
        } else {
            std::ranges::for_each(change_, [&](float& v) { v *= static_cast<float>(sent.samples); });
        }
        const auto past = codec_.encode(change_, std::span(words_).first(changes_.size()));
        if (past > 0 && !guarantee_) {
            log::warning("round {}: {} values of an update are too large for a secure sum and were cut",
                         setting_.plan.round + 1, past);
        }
        if (guarantee_) {
            words_[changes_.size()] = within ? Word{1} : Word{0};
            words_.back() = Word{1};
        }
        sum_->add(static_cast<std::uint32_t>(setting_.sampled_of_slot[static_cast<std::size_t>(slot)]),
                  words_);
    }

    void collect() override {
        if (sum_) {
            collected_ = sum_->finish();
        }
    }

    std::vector<exchanged_bytes> exchanged() const override {
        return sum_ ? sum_->exchanged() : std::vector<exchanged_bytes>{};
    }

    aggregate result(std::uint64_t samples) override {
        auto words = collected_.value_or(std::vector<Word>(words_.size()));
        const auto of_changes = std::span(words).first(changes_.size());
        if (guarantee_) {
            add_noise(of_changes);
        }
        std::vector<double> sum(changes_.size());
        codec_.decode(of_changes, sum);
        const double divisor = guarantee_ ? guarantee_->expected_clients() : static_cast<double>(samples);
        aggregate all{.state = changes_.applied(sum, divisor)};
        if (guarantee_) {
            all.next_clip = next_clip(*guarantee_, config_.privacy.clip_quantile, setting_,
                                      words[changes_.size()], words.back());
        }
        return all;
    }

private:
    void add_noise(std::span<Word> words) const {
        const double deviation = guarantee_->sum_noise() * codec_.longest(clip_, words.size());
        if (deviation > 0) {
            auto noise = privacy::noise_stream(privacy::noise_key(setting_.protection.key),
                                               static_cast<std::uint64_t>(setting_.plan.round),
                                               privacy::noise_of::sum);
            privacy::add_discrete_gaussian(noise, privacy::discrete_gaussian(deviation), words);
        }
    }

    const config::run_config& config_;
    const std::optional<privacy_guarantee>& guarantee_;
    const aggregation_setting setting_;
    const changes changes_;
    const double clip_;
    const privacy::fixed_point<Word> codec_;
    std::vector<float> change_;
    std::vector<Word> words_; // of one client: its change, and with privacy.clip two counts
    std::optional<sum_over_ranks<Word>> sum_;
    std::optional<std::vector<Word>> collected_;
};

class secure_rule final : public aggregation_rule {
public:
    explicit secure_rule(const config::run_config& config)
        : config_(config), guarantee_(guarantee_of(config)) {}

    std::unique_ptr<aggregation> start(const aggregation_setting& setting, transport& ranks) const override {
        if (guarantee_) {
            return std::make_unique<secure_mean<std::uint32_t>>(config_, guarantee_, setting, ranks);
        }
        return std::make_unique<secure_mean<std::uint64_t>>(config_, guarantee_, setting, ranks);
    }
    int least_updates(int) const override {
        return guarantee_ ? 0
                          : static_cast<int>(privacy::majority(
                                static_cast<std::uint32_t>(config_.federation.clients_per_round)));
    }

private:
    config::run_config config_;
    std::optional<privacy_guarantee> guarantee_;
};

} // namespace

std::unique_ptr<aggregation_rule> make_secure_sum(const config::run_config& config) {
    ensure_summable(config);
    return std::make_unique<secure_rule>(config);
}

} // namespace feddip::fl
