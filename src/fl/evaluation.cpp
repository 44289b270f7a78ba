#include "fl/evaluation.hpp"

#include "fl/packing.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace feddip::fl {

namespace {

void add(const nn::batch_score& score, nn::batch_score& total) {
    total.loss += score.loss;
    total.correct += score.correct;
    total.correct_top5 += score.correct_top5;
}

// The chunks of the pool that one rank evaluates, and their images: [first, last).
struct chunk_range {
    std::size_t first, last;
    std::size_t first_image, last_image;
};

chunk_range chunks_of(int rank, int ranks, std::size_t images) {
    const std::size_t chunks = (images + evaluation_batch - 1) / evaluation_batch;
    const auto before = [&](int r) {
        return chunks * static_cast<std::size_t>(r) / static_cast<std::size_t>(ranks);
    };
    const auto image = [&](std::size_t chunk) { return std::min(chunk * evaluation_batch, images); };
    const std::size_t first = before(rank), last = before(rank + 1);
    return {.first = first, .last = last, .first_image = image(first), .last_image = image(last)};
}

void put(const global_model& model, nn::network& network) {
    std::ranges::copy(model.state, network.state().begin());
    network.use_mask(sparse::unless_whole(model.mask), nn::gradient_scope::on_mask);
}

evaluation mean_of(const nn::batch_score& total, std::vector<std::uint8_t> correct) {
    const auto images = static_cast<double>(correct.size());
    return {.accuracy = total.correct / images,
            .loss = total.loss / images,
            .top5_accuracy = total.correct_top5 / images,
            .correct = std::move(correct)};
}

// On rank 0, of what each rank has measured: the scores of its chunks, then which images were right.
evaluation put_together(std::span<const std::vector<std::byte>> gathered, std::size_t images) {
    const auto ranks = static_cast<int>(gathered.size());
    std::vector<std::uint8_t> all_correct;
    nn::batch_score total;
    for (int r = 0; r < ranks; ++r) {
        const auto theirs = chunks_of(r, ranks, images);
        std::span<const std::byte> rest = gathered[static_cast<std::size_t>(r)];
        for (const auto& s : take<nn::batch_score>(rest, theirs.last - theirs.first)) {
            add(s, total);
        }
        const auto right = take<std::uint8_t>(rest, theirs.last_image - theirs.first_image);
        all_correct.insert(all_correct.end(), right.begin(), right.end());
    }
    return mean_of(total, std::move(all_correct));
}

} // namespace

evaluation evaluate(const global_model& model, const data::test_pool& pool, nn::network& network,
                    transport& ranks) {
    put(model, network);
    data::pool_batches loader(pool, evaluation_batch);

    const auto mine = chunks_of(ranks.rank(), ranks.size(), pool.size());
    std::vector<nn::batch_score> scores;
    std::vector<std::uint8_t> correct(mine.last_image - mine.first_image);
    for (std::size_t first = mine.first_image; first < mine.last_image; first += evaluation_batch) {
        const std::size_t count = std::min<std::size_t>(evaluation_batch, mine.last_image - first);
        scores.push_back(network.evaluate(loader.load(first, count),
                                          std::span(correct).subspan(first - mine.first_image, count)));
    }

    std::vector<std::byte> message;
    append(message, std::span<const nn::batch_score>(scores));
    append(message, std::span<const std::uint8_t>(correct));
    const auto gathered = ranks.gather(message);
    return ranks.rank() == 0 ? put_together(gathered, pool.size()) : evaluation{};
}

evaluation evaluate(const global_model& model, const data::dataset& data,
                    std::span<const std::uint32_t> images, nn::network& network) {
    if (images.empty()) {
        return {};
    }
    put(model, network);
    data::evaluation_batches loader(data, data.test, evaluation_batch);
    nn::batch_score total;
    std::vector<std::uint8_t> correct(images.size());
    for (std::size_t first = 0; first < images.size(); first += evaluation_batch) {
        const std::size_t count = std::min<std::size_t>(evaluation_batch, images.size() - first);
        add(network.evaluate(loader.load(images.subspan(first, count)),
                             std::span(correct).subspan(first, count)),
            total);
    }
    return mean_of(total, std::move(correct));
}

double mean_of_measured(std::span<const double> values) {
    double sum = 0;
    int count = 0;
    for (const double v : values) {
        if (!std::isnan(v)) {
            sum += v;
            ++count;
        }
    }
    return sum / count;
}

std::vector<double> accuracy_by_client(const evaluation& measured, const data::test_pool& pool,
                                       const data::partition& shares) {
    const auto images = pool.images();
    std::vector<double> accuracies;
    for (const auto& share : shares.test) {
        double right = 0;
        int tested = 0;
        for (const std::uint32_t i : share) {
            const auto at = std::ranges::lower_bound(images, i);
            if (at != images.end() && *at == i) {
                right += measured.correct[static_cast<std::size_t>(at - images.begin())];
                ++tested;
            }
        }
        accuracies.push_back(tested == 0 ? not_measured : right / tested);
    }
    return accuracies;
}

std::vector<double> accuracy_by_class(const evaluation& measured, const data::test_pool& pool,
                                      const data::dataset& data) {
    std::vector<double> right(static_cast<std::size_t>(data.facts.classes));
    std::vector<int> tested(right.size());
    const auto images = pool.images();
    for (std::size_t i = 0; i < images.size(); ++i) {
        const std::size_t label = data.test.labels[images[i]];
        right[label] += measured.correct[i];
        ++tested[label];
    }
    for (std::size_t c = 0; c < right.size(); ++c) {
        right[c] = tested[c] == 0 ? not_measured : right[c] / tested[c];
    }
    return right;
}

} // namespace feddip::fl
