#include "fl/first_client.hpp"

#include "fl/first_look.hpp"

#include <algorithm>

namespace feddip::fl {

std::vector<float> first_client::gradient(std::span<const float> state) {
    ++gradients_;
    return trainer_->gradient(state, 0, id, images_);
}

std::vector<float> first_client::train(const round_plan& plan, const sparse::mask& mask,
                                       std::span<float> state) {
    round_plan all = plan;
    all.upload = upload_content::in_mask;
    all.squared_gradients = true;
    const global_model model{{state.begin(), state.end()}, mask, 0};
    trainer_->train(model, model.mask, all, id, images_, [] {});
    ++trainings_;
    std::ranges::copy(trainer_->weights(), state.begin());
    const auto squares = trainer_->squared_gradients();
    return {squares.begin(), squares.end()};
}

double first_client::images_trained(const config::federation_section& federation) const {
    return images_of_look(trainings_, gradients_, static_cast<double>(images_.size()), federation);
}

double first_client::accuracy(const sparse::mask& mask, std::span<const float> state) {
    return trainer_->accuracy(state, mask, 0, id, images_);
}

} // namespace feddip::fl
