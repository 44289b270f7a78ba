#include "fl/local_trainer.hpp"

#include <algorithm>

namespace feddip::fl {

namespace {

void add_squares(std::span<const float> gradients, int share_of, std::span<float> sum) {
    const float share = 1.0F / static_cast<float>(share_of);
    for (std::size_t i = 0; i < sum.size(); ++i) {
        sum[i] += share * gradients[i] * gradients[i];
    }
}

} // namespace

local_trainer::local_trainer(const config::run_config& config, const data::dataset& data,
                             nn::network& network, const data::drift* drift)
    : config_(&config), data_(&data), drift_(drift), network_(&network), weights_(network.layout().size()) {}

int local_trainer::batches(std::size_t images) const {
    const auto size = static_cast<std::size_t>(config_->federation.batch_size);
    return config_->federation.local_epochs * static_cast<int>((images + size - 1) / size);
}

void local_trainer::begin(const global_model& model, const sparse::mask& mask, const round_plan& plan) {
    const auto prunable = network_->layout().prunable_size();
    std::ranges::copy(model.state, weights_.begin());
    std::ranges::copy(model.state, network_->state().begin());
    mask_ = mask;
    see_through_mask(plan);
    if (plan.keeps_outside) {
        sparse::apply(mask, std::span(weights_).first(prunable));
    }
    squared_gradients_.assign(plan.squared_gradients ? prunable : 0, 0.0F);
}

void local_trainer::see_through_mask(const round_plan& plan) {
    sparse::apply(mask_, network_->state().first(mask_.size()));
    network_->use_mask(sparse::unless_whole(mask_), plan.trains_all_weights() || plan.squared_gradients
                                                        ? nn::gradient_scope::all
                                                        : nn::gradient_scope::on_mask);
}

// Counted from 1.
bool local_trainer::readjusts_after(int batch, std::size_t images) const {
    const int all = batches(images);
    const int of_epoch = all / config_->federation.local_epochs;
    return config_->federation.local_epochs == 1 ? batch == all / 2 : batch % of_epoch == 0 && batch < all;
}

void local_trainer::take_trained(const round_plan& plan) {
    const auto trained = std::span<const float>(network_->state());
    // Where all weights are trained, `step` has kept the trainable ones here.
    const auto first = plan.trains_all_weights() ? network_->layout().trainable_size() : 0;
    std::ranges::copy(trained.subspan(first), weights_.begin() + static_cast<std::ptrdiff_t>(first));
}

client_record local_trainer::train(const global_model& model, const sparse::mask& mask,
                                   const round_plan& plan, int client, std::span<const std::uint32_t> images,
                                   const std::function<void()>& on_batch, const mask_change& readjusted) {
    auto shuffling = stream_of(plan.round, client, purpose::shuffling);
    auto augmentation = stream_of(plan.round, client, purpose::augmentation);
    auto dropout = stream_of(plan.round, client, purpose::dropout);
    auto regrowing = stream_of(plan.round, client, purpose::regrowing);
    begin(model, mask, plan);

    const auto seen = seen_by(client, plan.round, images);
    data::training_batches loader(seen.data(), seen.images(), config_->federation.batch_size);
    double epoch_loss = 0;
    for (int epoch = 0; epoch < config_->federation.local_epochs; ++epoch) {
        loader.start_epoch(shuffling);
        epoch_loss = 0;
        for (int i = 0; i < loader.batches(); ++i) {
            epoch_loss += network_->train(loader.next(augmentation), dropout).loss;
            if (plan.squared_gradients) {
                add_squares(network_->gradients(), batches(images.size()), squared_gradients_);
            }
            step(model, plan);
            on_batch();
            const int done = epoch * loader.batches() + i + 1;
            if (readjusted && readjusts_after(done, images.size())) {
                mask_ = readjusted({network_->layout(), network_->state(), mask_,
                                    done / static_cast<double>(batches(images.size())), regrowing});
                see_through_mask(plan);
            }
        }
    }

    take_trained(plan);
    return {.id = client,
            .samples = static_cast<std::uint32_t>(images.size()),
            .train_loss = epoch_loss / static_cast<double>(images.size()),
            .sparse_kernels = network_->path() == nn::kernel_path::sparse ? 1 : 0};
}

std::vector<float> local_trainer::gradient(std::span<const float> state, int round, int client,
                                           std::span<const std::uint32_t> images) {
    auto shuffling = stream_of(round, client, purpose::probing);
    auto augmentation = stream_of(round, client, purpose::probing);
    auto dropout = stream_of(round, client, purpose::probing);
    std::ranges::copy(state, network_->state().begin());
    network_->use_mask(nullptr, nn::gradient_scope::all);
    const auto seen = seen_by(client, round, images);
    data::training_batches loader(seen.data(), seen.images(), config_->federation.batch_size);
    loader.start_epoch(shuffling);
    network_->train(loader.next(augmentation), dropout);
    const auto gradients = network_->gradients();
    return {gradients.begin(), gradients.end()};
}

double local_trainer::accuracy(std::span<const float> state, const sparse::mask& mask, int round, int client,
                               std::span<const std::uint32_t> images) {
    std::ranges::copy(state, network_->state().begin());
    network_->use_mask(sparse::unless_whole(mask), nn::gradient_scope::on_mask);
    const int size = config_->federation.batch_size;
    const auto seen = seen_by(client, round, images);
    data::evaluation_batches loader(seen.data(), seen.data().train, size);
    int correct = 0;
    for (auto left = seen.images(); !left.empty();) {
        const auto some = left.first(std::min(left.size(), static_cast<std::size_t>(size)));
        correct += network_->evaluate(loader.load(some)).correct;
        left = left.subspan(some.size());
    }
    return correct / static_cast<double>(seen.images().size());
}

data::seen_images local_trainer::seen_by(int client, int round, std::span<const std::uint32_t> images) const {
    return drift_ != nullptr ? drift_->seen_by(client, round, images) : data::seen_images(*data_, images);
}

random_stream local_trainer::stream_of(int round, int client, purpose what) const {
    return {config_->federation.seed, static_cast<std::uint32_t>(round), static_cast<std::uint32_t>(client),
            what};
}

void local_trainer::step(const global_model& model, const round_plan& plan) {
    const auto& layout = network_->layout();
    const auto trainable = [&](auto&& state) { return std::span(state).first(layout.trainable_size()); };
    // The proximal term's gradient is mu w - mu w'_t: a decay, and a constant pull.
    nn::sgd_settings sgd = plan.sgd;
    sgd.weight_decay += plan.proximal;
    const float pull = sgd.learning_rate * plan.proximal;

    if (plan.trains_all_weights()) {
        nn::sgd_step_dense(layout, sgd, &mask_, network_->gradients(), trainable(weights_),
                           trainable(network_->state()));
    } else if (plan.squared_gradients) {
        nn::sgd_step_on_mask(layout, sgd, mask_, network_->gradients(), trainable(network_->state()));
    } else {
        network_->step_on_mask(sgd, mask_);
    }
    if (pull != 0) {
        nn::add_scaled(pull, trainable(model.state), trainable(network_->state()));
        if (plan.trains_all_weights()) {
            nn::add_scaled(pull, trainable(model.state), trainable(weights_));
            sparse::apply(mask_, std::span(weights_).first(mask_.size()),
                          network_->state().first(mask_.size()));
        } else {
            sparse::apply(mask_, network_->state().first(mask_.size())); // of which it may hold only a part
        }
    }
}

} // namespace feddip::fl
