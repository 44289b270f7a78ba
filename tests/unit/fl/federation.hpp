// A federation small enough for a test: synthetic images of ten classes that LeNet-5 learns in a few rounds.
#pragma once

#include "base/random.hpp"
#include "config/config.hpp"
#include "data/dataset.hpp"
#include "data/partition.hpp"
#include "fl/in_process_transport.hpp"
#include "fl/round_loop.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace feddip::test {

// Each class is a bright rectangle at its own place, on noise.
class small_data {
public:
    small_data(std::size_t train, std::size_t test,
               config::dataset_name alike = config::dataset_name::fashion_mnist)
        : facts_(data::facts_of(alike)) {
        random_stream random(99, 0, 0, purpose::test);
        fill(train_pixels_, train_labels_, train, random);
        fill(test_pixels_, test_labels_, test, random);
    }

    data::dataset view() const {
        auto facts = facts_;
        facts.train_size = train_labels_.size();
        facts.test_size = test_labels_.size();
        return {facts, {train_pixels_, train_labels_}, {test_pixels_, test_labels_}};
    }

private:
    void fill(std::vector<std::uint8_t>& pixels, std::vector<std::uint8_t>& labels, std::size_t count,
              random_stream& random) const {
        const auto height = static_cast<std::size_t>(facts_.shape.height);
        const auto width = static_cast<std::size_t>(facts_.shape.width);
        for (std::size_t i = 0; i < count; ++i) {
            const auto label = static_cast<std::uint8_t>(i % 10);
            const std::size_t top = label / 4U * (height / 3);
            const std::size_t left = label % 4U * (width / 4);
            labels.push_back(label);
            for (std::size_t at = 0; at < facts_.shape.size(); ++at) {
                const std::size_t row = at / width % height;
                const std::size_t column = at % width;
                const bool bright =
                    row >= top && row < top + 8 && column >= left && column < left + width / 4;
                pixels.push_back(static_cast<std::uint8_t>((bright ? 120U : 0U) + random.below(100)));
            }
        }
    }

    data::dataset_facts facts_;
    std::vector<std::uint8_t> train_pixels_, train_labels_, test_pixels_, test_labels_;
};

// Client c of n has the images c, c + n, c + 2n ...
inline data::partition deal(const data::dataset& data, int clients) {
    data::partition shares;
    shares.train.resize(static_cast<std::size_t>(clients));
    shares.test.resize(static_cast<std::size_t>(clients));
    for (std::uint32_t i = 0; i < data.train.size(); ++i) {
        shares.train[i / 10 % shares.train.size()].push_back(i);
    }
    for (std::uint32_t i = 0; i < data.test.size(); ++i) {
        shares.test[i / 10 % shares.test.size()].push_back(i);
    }
    return shares;
}

inline config::run_config small_config() {
    config::run_config c;
    c.federation.clients = 4;
    c.federation.clients_per_round = 3;
    c.federation.rounds = 4;
    c.federation.local_epochs = 2;
    c.federation.batch_size = 32;
    c.sparsity.horizon = 2;
    return c;
}

// Keeps what the run tells of itself.
class recorder : public fl::observer {
public:
    void on_start(const fl::run_info&, const fl::run_state& state) override { started_from = state; }
    void on_round(const fl::run_state& state) override { states.push_back(state); }
    void on_finish(const fl::run_state&, bool complete) override { finished = complete; }

    fl::run_state started_from;
    std::vector<fl::run_state> states; // after each round
    bool finished = false;
};

struct small_federation {
    config::run_config config = small_config();
    small_data images;
    data::dataset data = images.view();
    data::partition shares = deal(data, config.federation.clients);
    recorder seen;
    fl::memory_client_store residuals;
    std::optional<privacy::secret> key; // of a run whose clients are protected

    explicit small_federation(std::size_t train_images = 400, std::size_t test_images = 250,
                              config::dataset_name alike = config::dataset_name::fashion_mnist)
        : images(train_images, test_images, alike) {
        config.data.dataset = alike;
    }

    fl::run_result run(std::optional<fl::run_state> resumed = std::nullopt, int stop_after = -1) {
        fl::in_process_transport alone;
        fl::observer* observers[] = {&seen};
        int rounds = 0;
        return fl::run(
            {config, data, shares, residuals, key}, alone, {}, observers,
            [&] { return ++rounds == stop_after; }, std::move(resumed));
    }
};

// That twelve rounds at sparsity 0.5 teach it the classes.
inline void expect_that_it_learns(small_federation& federation) {
    federation.config.federation.rounds = 12;
    federation.config.federation.local_epochs = 4;
    federation.config.federation.batch_size = 16;
    federation.config.sparsity.target = federation.config.sparsity.initial = 0.5;

    const auto history = federation.run().state.history;

    EXPECT_GT(history.back().test_accuracy, 0.9);
    EXPECT_LT(history.back().train_loss, history.front().train_loss);
}

} // namespace feddip::test
