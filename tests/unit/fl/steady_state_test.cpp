// What a round costs in which the mask stays, at 95 % sparsity, against FedAvg's.
#include "base/random.hpp"
#include "fl/accounting.hpp"
#include "fl/message.hpp"
#include "fl/upload.hpp"
#include "nn/network.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace feddip::fl {
namespace {

constexpr double sparsity = 0.95;
constexpr double most_of_fedavg = 0.055;

struct shape_of_run {
    const char* name;
    config::model_name model;
    data::image_shape input;
    int classes;
};

void PrintTo(const shape_of_run& s, std::ostream* out) {
    *out << s.name;
}

class steady_state : public testing::TestWithParam<shape_of_run> {
protected:
    const parameter_layout layout = nn::layout_of(GetParam().model, GetParam().input, GetParam().classes);
    // What biases and batch norm need.
    const double tail = 4.0 * static_cast<double>(layout.size() - layout.prunable_size());
    const double fedavg = static_cast<double>(header_bytes) + 4.0 * static_cast<double>(layout.size());

    global_model sparse_model() const {
        global_model model{std::vector<float>(layout.size()), {layout.prunable_size(), false}, 5};
        random_stream random(4, 0, 0, purpose::test);
        const auto alive =
            static_cast<std::size_t>((1 - sparsity) * static_cast<double>(layout.prunable_size()));
        for (std::size_t set = 0; set < alive;) {
            const auto i = random.below(static_cast<std::uint32_t>(layout.prunable_size()));
            set += model.mask[i] ? 0 : 1;
            model.mask.set(i, true);
            model.state[i] = 1.0F;
        }
        return model;
    }
};

TEST_P(steady_state, costs_little_more_downwards_than_the_weights_that_are_left) {
    run_state state;
    state.model = sparse_model();
    state.client_mask_version = {state.model.mask_version, 0};
    const versioned_mask known{state.model.mask_version, state.model.mask};
    download_ledger ledger(layout);

    const auto charged = ledger.charge(state, 0);

    EXPECT_EQ(charged.positions, 0U);
    EXPECT_EQ(charged.bytes, encode(state.model, layout, 9, &known).size());
    EXPECT_LE(static_cast<double>(charged.bytes), most_of_fedavg * fedavg + tail);
    EXPECT_GT(static_cast<double>(charged.bytes), (1 - sparsity) * 0.99 * fedavg); // values do travel
    EXPECT_GT(ledger.charge(state, 1).positions, 0U) << "a client without the mask must be charged for it";
}

TEST_P(steady_state, costs_little_more_upwards_than_the_weights_that_are_left) {
    const auto model = sparse_model();
    const round_plan plan{.round = 9, .target_sparsity = sparsity, .upload = upload_content::in_mask};
    client_record record{.id = 0, .samples = 10};

    const auto sent = make_upload(plan, layout, model, {.weights = model.state}, record);

    EXPECT_EQ(record.bytes_positions, 0U);
    EXPECT_LE(static_cast<double>(record.bytes_up), most_of_fedavg * fedavg + tail);
    EXPECT_EQ(record.bytes_up, header_bytes + 4 * (sent.weights.values.size() + sent.tail.size()));
}

INSTANTIATE_TEST_SUITE_P(
    models, steady_state,
    testing::Values(shape_of_run{"lenet5", config::model_name::lenet5, {1, 28, 28}, 10},
                    shape_of_run{"alexnet", config::model_name::alexnet, {3, 32, 32}, 10},
                    shape_of_run{"resnet18", config::model_name::resnet18, {3, 32, 32}, 100}),
    [](const auto& tested) { return std::string(tested.param.name); });

} // namespace
} // namespace feddip::fl
