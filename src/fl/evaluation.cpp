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

// The chunks of the pool that one rank evaluates: [first, last).
struct chunk_range {
    std::size_t first, last;
};

chunk_range chunks_of(int rank, int ranks, std::size_t chunks) {
    return {chunks * static_cast<std::size_t>(rank) / static_cast<std::size_t>(ranks),
            chunks * (static_cast<std::size_t>(rank) + 1) / static_cast<std::size_t>(ranks)};
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

} // namespace

evaluation evaluate(const global_model& model, const data::test_pool& pool, nn::network& network,
                    transport& ranks) {
    const std::size_t images = pool.size();
    const std::size_t chunks = (images + evaluation_batch - 1) / evaluation_batch;
    const auto image_of_chunk = [&](std::size_t chunk) { return std::min(chunk * evaluation_batch, images); };

    put(model, network);
    data::pool_batches loader(pool, evaluation_batch);

    const auto mine = chunks_of(ranks.rank(), ranks.size(), chunks);
    std::vector<nn::batch_score> scores;
    std::vector<std::uint8_t> correct(image_of_chunk(mine.last) - image_of_chunk(mine.first));
    for (std::size_t c = mine.first; c < mine.last; ++c) {
        const std::size_t first = image_of_chunk(c);
        const std::size_t count = image_of_chunk(c + 1) - first;
        scores.push_back(
            network.evaluate(loader.load(first, count),
                             std::span(correct).subspan(first - image_of_chunk(mine.first), count)));
    }

    std::vector<std::byte> message;
    append(message, std::span<const nn::batch_score>(scores));
    append(message, std::span<const std::uint8_t>(correct));
    const auto gathered = ranks.gather(message);
    if (ranks.rank() != 0) {
        return {};
    }

    std::vector<std::uint8_t> all_correct;
    nn::batch_score total;
    for (int r = 0; r < ranks.size(); ++r) {
        const auto theirs = chunks_of(r, ranks.size(), chunks);
        std::span<const std::byte> rest = gathered[static_cast<std::size_t>(r)];
        for (const auto& s : take<nn::batch_score>(rest, theirs.last - theirs.first)) {
            add(s, total);
        }
        const auto images_right =
            take<std::uint8_t>(rest, image_of_chunk(theirs.last) - image_of_chunk(theirs.first));
        all_correct.insert(all_correct.end(), images_right.begin(), images_right.end());
    }
    return mean_of(total, std::move(all_correct));
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
