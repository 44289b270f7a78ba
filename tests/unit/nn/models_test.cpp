#include "base/error.hpp"
#include "nn/models/model.hpp"
#include "nn/network.hpp"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace feddip::nn {
namespace {

using config::model_name;

TEST(models, lenet5_has_the_parameters_of_the_paper) {
    const parameter_layout layout = layout_of(model_name::lenet5, {1, 28, 28}, 10);
    EXPECT_EQ(layout.trainable_size(), 61706);
    EXPECT_EQ(layout.prunable_size(), 61470);
}

TEST(models, alexnet_has_the_parameters_of_the_paper) {
    const parameter_layout layout = layout_of(model_name::alexnet, {3, 32, 32}, 10);
    EXPECT_EQ(layout.trainable_size(), 23272266);
    EXPECT_EQ(layout.prunable_size(), 23262912);
}

TEST(models, resnet18_has_the_parameters_of_the_paper) {
    const parameter_layout layout = layout_of(model_name::resnet18, {3, 32, 32}, 100);
    EXPECT_EQ(layout.trainable_size(), 11220132);
    EXPECT_EQ(layout.prunable_size(), 11210432);
    // 20 batch norms, of as many channels as the convolutions before them.
    EXPECT_EQ(layout.size() - layout.trainable_size(), 9600);
}

TEST(models, resnet50_has_the_parameters_of_the_authors_program) {
    const parameter_layout layout = layout_of(model_name::resnet50, {3, 32, 32}, 100);
    EXPECT_EQ(layout.trainable_size(), 23'705'252U);
}

TEST(models, vgg11_has_the_parameters_of_torchvisions_without_49_copies_of_its_last_pixel) {
    const parameter_layout layout = layout_of(model_name::vgg11, {3, 32, 32}, 10);
    EXPECT_EQ(layout.trainable_size(), 128'807'306U - 48U * 512U * 4096U);
    EXPECT_EQ(layout.named("classifier.0.weight").shape, (std::vector<std::int64_t>{4096, 512}));
    EXPECT_EQ(layout.named("features.18.weight").shape, (std::vector<std::int64_t>{512, 512, 3, 3}));
}

TEST(models, group_norms_have_no_running_statistics_and_leave_what_is_prunable) {
    config::model_section model(model_name::resnet18);
    const parameter_layout batch = layout_of(model, {3, 32, 32}, 100);
    model.norm = config::norm_kind::group;
    const parameter_layout group = layout_of(model, {3, 32, 32}, 100);
    EXPECT_EQ(group.prunable_size(), batch.prunable_size());
    EXPECT_EQ(group.trainable_size(), batch.trainable_size());
    EXPECT_EQ(group.size(), group.trainable_size());
    EXPECT_EQ(group.named("layer4.1.bn2.bias").what, role::norm_shift);
}

TEST(models, resnet18_takes_any_number_of_classes) {
    EXPECT_EQ(layout_of(model_name::resnet18, {3, 32, 32}, 100).trainable_size() -
                  layout_of(model_name::resnet18, {3, 32, 32}, 10).trainable_size(),
              90 * 513);
}

TEST(models, parameters_are_named_as_in_pytorch) {
    std::vector<std::string> names;
    const parameter_layout lenet = layout_of(model_name::lenet5, {1, 28, 28}, 10);
    for (const parameter& p : lenet.parameters()) {
        names.push_back(p.name);
    }
    EXPECT_THAT(names,
                testing::ElementsAre("conv1.weight", "conv2.weight", "fc1.weight", "fc2.weight", "fc3.weight",
                                     "conv1.bias", "conv2.bias", "fc1.bias", "fc2.bias", "fc3.bias"));
    const parameter_layout resnet = layout_of(model_name::resnet18, {3, 32, 32}, 100);
    EXPECT_EQ(resnet.named("layer2.0.downsample.0.weight").shape, (std::vector<std::int64_t>{128, 64, 1, 1}));
    EXPECT_EQ(resnet.named("layer1.0.bn1.running_mean").what, role::running_mean);
    EXPECT_EQ(resnet.named("layer4.1.bn2.bias").what, role::norm_shift);
}

TEST(models, fan_in_of_a_convolution_counts_its_window) {
    const parameter_layout layout = layout_of(model_name::lenet5, {1, 28, 28}, 10);
    EXPECT_EQ(layout.named("conv2.weight").fan_in, 6 * 5 * 5);
    EXPECT_EQ(layout.named("conv2.bias").fan_in, 6 * 5 * 5);
    EXPECT_EQ(layout.named("fc1.weight").fan_in, 400);
}

TEST(models, images_too_small_for_a_model_are_refused) {
    EXPECT_THROW(layout_of(model_name::lenet5, {1, 8, 8}, 10), feddip::error);
    EXPECT_THROW(layout_of(model_name::alexnet, {3, 64, 64}, 10), feddip::error);
    EXPECT_THROW(layout_of(model_name::vgg11, {3, 64, 64}, 10), feddip::error);
    EXPECT_THROW(layout_of(model_name::vgg11, {3, 28, 28}, 10), feddip::error);
}

TEST(models, values_of_different_shapes_are_not_added) {
    model_spec m({3, 8, 8});
    const int input = m.convolution("conv1", {.outputs = 16, .kernel = 3, .padding = 1});
    m.convolution("conv2", {.outputs = 16, .kernel = 3, .stride = 2, .padding = 1});
    EXPECT_THROW(m.add(input), feddip::error);
}

} // namespace
} // namespace feddip::nn
