#include "fl/evaluation.hpp"

#include <algorithm>
#include <numeric>

namespace feddip::fl {

namespace {

struct chunk_score {
    double loss = 0;
    std::int32_t correct = 0;
    std::int32_t correct_top5 = 0;
};

// The chunks of the test set that one rank evaluates: [first, last).
struct chunk_range {
    std::size_t first, last;
};

chunk_range chunks_of(int rank, int ranks, std::size_t chunks) {
    return {chunks * static_cast<std::size_t>(rank) / static_cast<std::size_t>(ranks),
            chunks * (static_cast<std::size_t>(rank) + 1) / static_cast<std::size_t>(ranks)};
}

template <typename T>
void append(std::vector<std::byte>& message, std::span<const T> values) {
    const auto bytes = std::as_bytes(values);
    message.insert(message.end(), bytes.begin(), bytes.end());
}

template <typename T>
std::vector<T> take(std::span<const std::byte>& message, std::size_t count) {
    std::vector<T> values(count);
    const auto bytes = std::as_writable_bytes(std::span(values));
    std::ranges::copy(message.first(bytes.size()), bytes.begin());
    message = message.subspan(bytes.size());
    return values;
}

} // namespace

evaluation evaluate(const global_model& model, const data::dataset& data, nn::network& network,
                    transport& ranks) {
    const std::size_t images = data.test.size();
    const std::size_t chunks = (images + evaluation_batch - 1) / evaluation_batch;
    const auto image_of_chunk = [&](std::size_t chunk) { return std::min(chunk * evaluation_batch, images); };

    std::ranges::copy(model.state, network.state().begin());
    network.use_mask(model.mask.count() == model.mask.size() ? nullptr : &model.mask,
                     nn::gradient_scope::on_mask);
    data::evaluation_batches loader(data, data.test, evaluation_batch);
    std::vector<std::uint32_t> order(images);
    std::iota(order.begin(), order.end(), 0U);

    const auto mine = chunks_of(ranks.rank(), ranks.size(), chunks);
    std::vector<chunk_score> scores;
    std::vector<std::uint8_t> correct(image_of_chunk(mine.last) - image_of_chunk(mine.first));
    for (std::size_t c = mine.first; c < mine.last; ++c) {
        const std::size_t first = image_of_chunk(c);
        const std::size_t count = image_of_chunk(c + 1) - first;
        const auto score =
            network.evaluate(loader.load(std::span(order).subspan(first, count)),
                             std::span(correct).subspan(first - image_of_chunk(mine.first), count));
        scores.push_back({score.loss, score.correct, score.correct_top5});
    }

    std::vector<std::byte> message;
    append(message, std::span<const chunk_score>(scores));
    append(message, std::span<const std::uint8_t>(correct));
    const auto gathered = ranks.gather(message);
    if (ranks.rank() != 0) {
        return {};
    }

    evaluation measured;
    chunk_score total;
    for (int r = 0; r < ranks.size(); ++r) {
        const auto theirs = chunks_of(r, ranks.size(), chunks);
        std::span<const std::byte> rest = gathered[static_cast<std::size_t>(r)];
        for (const auto& s : take<chunk_score>(rest, theirs.last - theirs.first)) {
            total.loss += s.loss;
            total.correct += s.correct;
            total.correct_top5 += s.correct_top5;
        }
        const auto images_right =
            take<std::uint8_t>(rest, image_of_chunk(theirs.last) - image_of_chunk(theirs.first));
        measured.correct.insert(measured.correct.end(), images_right.begin(), images_right.end());
    }
    const auto n = static_cast<double>(images);
    measured.accuracy = total.correct / n;
    measured.loss = total.loss / n;
    measured.top5_accuracy = total.correct_top5 / n;
    return measured;
}

std::vector<double> accuracy_by_client(const evaluation& measured, const data::partition& shares) {
    std::vector<double> accuracies;
    for (const auto& share : shares.test) {
        const auto right =
            std::ranges::count_if(share, [&](std::uint32_t i) { return measured.correct[i] != 0; });
        accuracies.push_back(share.empty() ? not_measured
                                           : static_cast<double>(right) / static_cast<double>(share.size()));
    }
    return accuracies;
}

} // namespace feddip::fl
