#include "fl/client.hpp"

#include <algorithm>

namespace feddip::fl {

local_trainer::local_trainer(const config::run_config& config, const data::dataset& data,
                             nn::network& network)
    : config_(&config), data_(&data), network_(&network), weights_(network.layout().size()) {}

int local_trainer::batches(std::size_t images) const {
    const auto size = static_cast<std::size_t>(config_->federation.batch_size);
    return config_->federation.local_epochs * static_cast<int>((images + size - 1) / size);
}

client_record local_trainer::train(const global_model& model, const sparse::mask& mask,
                                   const round_plan& plan, int client, std::span<const std::uint32_t> images,
                                   const std::function<void()>& on_batch) {
    const auto& layout = network_->layout();
    const auto stream = [&](purpose what) {
        return random_stream(config_->federation.seed, static_cast<std::uint32_t>(plan.round),
                             static_cast<std::uint32_t>(client), what);
    };
    auto shuffling = stream(purpose::shuffling);
    auto augmentation = stream(purpose::augmentation);
    auto dropout = stream(purpose::dropout);

    std::ranges::copy(model.state, weights_.begin());
    std::ranges::copy(model.state, network_->state().begin());
    sparse::apply(mask, network_->state().first(layout.prunable_size()));
    network_->use_mask(mask.count() == mask.size() ? nullptr : &mask,
                       plan.trains_all_weights() ? nn::gradient_scope::all : nn::gradient_scope::on_mask);

    data::training_batches loader(*data_, images, config_->federation.batch_size);
    double epoch_loss = 0;
    for (int epoch = 0; epoch < config_->federation.local_epochs; ++epoch) {
        loader.start_epoch(shuffling);
        epoch_loss = 0;
        for (int i = 0; i < loader.batches(); ++i) {
            epoch_loss += network_->train(loader.next(augmentation), dropout).loss;
            step(model, plan, mask);
            on_batch();
        }
    }

    const auto trained = std::span<const float>(network_->state());
    if (plan.trains_all_weights()) {
        std::ranges::copy(trained.subspan(layout.trainable_size()),
                          weights_.begin() + static_cast<std::ptrdiff_t>(layout.trainable_size()));
    } else {
        std::ranges::copy(trained, weights_.begin());
    }
    return {.id = client,
            .samples = static_cast<std::uint32_t>(images.size()),
            .train_loss = epoch_loss / static_cast<double>(images.size()),
            .sparse_kernels = network_->path() == nn::kernel_path::sparse ? 1 : 0};
}

void local_trainer::step(const global_model& model, const round_plan& plan, const sparse::mask& mask) {
    const auto& layout = network_->layout();
    const auto trainable = [&](auto&& state) { return std::span(state).first(layout.trainable_size()); };
    // The proximal term's gradient is mu w - mu w'_t: a decay, and a constant pull.
    nn::sgd_settings sgd = plan.sgd;
    sgd.weight_decay += plan.proximal;
    const float pull = sgd.learning_rate * plan.proximal;

    if (plan.trains_all_weights()) {
        nn::sgd_step_dense(layout, sgd, &mask, network_->gradients(), trainable(weights_),
                           trainable(network_->state()));
    } else {
        network_->step_on_mask(sgd, mask);
    }
    if (pull != 0) {
        nn::add_scaled(pull, trainable(model.state), trainable(network_->state()));
        if (plan.trains_all_weights()) {
            nn::add_scaled(pull, trainable(model.state), trainable(weights_));
            sparse::apply(mask, std::span(weights_).first(mask.size()), network_->state().first(mask.size()));
        }
    }
}

} // namespace feddip::fl
