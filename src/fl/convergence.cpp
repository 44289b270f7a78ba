#include "fl/convergence.hpp"

#include "base/floats.hpp"
#include "base/random.hpp"
#include "data/batches.hpp"
#include "fl/evaluation.hpp"
#include "fl/packing.hpp"
#include "fl/sampling.hpp"
#include "nn/sgd.hpp"

#include <algorithm>
#include <vector>

namespace feddip::fl {

namespace {

// The gradients of clients, one after the other on one network.
class client_gradients {
public:
    client_gradients(const global_model& model, const data::dataset& data, nn::network& network)
        : network_(network), batches_(data, data.train, evaluation_batch),
          gradient_(network.layout().trainable_size()) {
        std::ranges::copy(model.state, network_.state().begin());
        network_.use_mask(sparse::unless_whole(model.mask), nn::gradient_scope::all);
    }

    // grad F_k, of a client with at least one image.
    std::span<const float> of(std::span<const std::uint32_t> images, random_stream dropout) {
        std::ranges::fill(gradient_, 0.0F);
        const auto size = static_cast<float>(images.size());
        while (!images.empty()) {
            const auto chunk = images.first(std::min<std::size_t>(images.size(), evaluation_batch));
            network_.train(batches_.load(chunk), dropout);
            nn::add_scaled(static_cast<float>(chunk.size()) / size, network_.gradients(), gradient_);
            images = images.subspan(chunk.size());
        }
        return gradient_;
    }

private:
    nn::network& network_;
    data::evaluation_batches batches_;
    std::vector<float> gradient_;
};

// Owners ascend with clients, so that all are added up in the clients' order. On rank 0.
double sum_over_clients(std::span<const double> of_mine, transport& ranks) {
    double sum = 0;
    for (const auto& bytes : ranks.gather(std::as_bytes(of_mine))) {
        for (const double value : take_rest<double>(bytes)) {
            sum += value;
        }
    }
    return sum;
}

} // namespace

gradient_report measure_gradients(const global_model& model, const data::dataset& data,
                                  const data::partition& shares, nn::network& network, transport& ranks,
                                  std::uint64_t seed, int round) {
    std::vector<std::uint64_t> work;
    double images = 0;
    for (const auto& share : shares.train) {
        work.push_back(share.size());
        images += static_cast<double>(share.size());
    }
    const auto owners = assign_slots(work, ranks.size(), 0);

    client_gradients gradients(model, data, network);
    const auto sum = ranks.start_sum(owners, network.layout().trainable_size());
    std::vector<double> norms; // of this rank's clients: p_k ||grad F_k||^2
    std::vector<float> weighted(network.layout().trainable_size());
    for (std::size_t k = 0; k < owners.size(); ++k) {
        if (owners[k] != ranks.rank()) {
            continue;
        }
        std::ranges::fill(weighted, 0.0F);
        norms.push_back(0.0);
        if (work[k] > 0) {
            const double share = static_cast<double>(work[k]) / images;
            const auto gradient =
                gradients.of(shares.train[k], random_stream(seed, static_cast<std::uint32_t>(round),
                                                            static_cast<std::uint32_t>(k), purpose::probing));
            norms.back() = share * squared_norm(gradient);
            nn::add_scaled(static_cast<float>(share), gradient, weighted);
        }
        sum->add(static_cast<int>(k), weighted);
    }

    const auto global = sum->finish();
    const double of_clients = sum_over_clients(norms, ranks);
    if (ranks.rank() != 0) {
        return {};
    }
    const double norm_squared = squared_norm(global);
    return {.norm_squared = norm_squared, .divergence = std::max(0.0, of_clients - norm_squared)};
}

} // namespace feddip::fl
