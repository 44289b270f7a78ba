// oneDNN falls back to a plain reference implementation, hundreds of times slower, without saying so. Its
// verbose mode does say.
#include "base/error.hpp"
#include "nn/version.hpp"
#include "support.hpp"

#include <dnnl.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

namespace feddip::nn {
namespace {

using config::model_name;
using config::precision_kind;
using test::dropout_stream;
using test::synthetic_batch;

// The lines `onednn_verbose,exec,cpu,PRIMITIVE,IMPLEMENTATION,...` of one training step and one evaluation.
std::vector<std::string> executed_primitives(const config::model_section& model, data::image_shape shape,
                                             int batch_size, precision_kind precision) {
    network net({.model = model,
                 .input = shape,
                 .max_batch = batch_size,
                 .kernels = config::kernel_kind::dense,
                 .precision = precision});
    test::draw_state(net, 1);
    const synthetic_batch batch(shape, batch_size, 10);
    random_stream dropout = dropout_stream();
    testing::internal::CaptureStdout();
    dnnl_set_verbose(1);
    net.train(batch.view(), dropout);
    net.evaluate(batch.view());
    dnnl_set_verbose(0);
    std::istringstream output(testing::internal::GetCapturedStdout());
    std::vector<std::string> lines;
    for (std::string line; std::getline(output, line);) {
        if (line.starts_with("onednn_verbose,exec,cpu,")) {
            lines.push_back(line);
        }
    }
    return lines;
}

void expect_fast_kernels(const config::model_section& model, data::image_shape shape, int batch_size) {
    for (const auto precision : {precision_kind::f32, precision_kind::bf16}) {
        if (precision == precision_kind::bf16 && !can_multiply_bf16()) {
            continue;
        }
        const std::vector<std::string> lines = executed_primitives(model, shape, batch_size, precision);
        EXPECT_GT(lines.size(), 15) << "oneDNN's verbose mode is not available";
        for (const std::string& line : lines) {
            EXPECT_EQ(line.find(",ref"), std::string::npos) << line;
            EXPECT_EQ(line.find(",simple"), std::string::npos) << line;
        }
    }
}

TEST(kernels, lenet5_runs_on_fast_kernels_only) {
    for (const int batch_size : {128, 48, 16, 5, 1}) {
        expect_fast_kernels(model_name::lenet5, {1, 28, 28}, batch_size);
    }
}

TEST(kernels, alexnet_runs_on_fast_kernels_only) {
    for (const int batch_size : {16, 3}) {
        expect_fast_kernels(model_name::alexnet, {3, 32, 32}, batch_size);
    }
}

TEST(kernels, resnet18_runs_on_fast_kernels_only) {
    for (const int batch_size : {16, 3}) {
        expect_fast_kernels(model_name::resnet18, {3, 32, 32}, batch_size);
    }
}

TEST(kernels, resnet18_with_group_norms_runs_on_fast_kernels_only) {
    config::model_section model = model_name::resnet18;
    model.norm = config::norm_kind::group;
    for (const int batch_size : {16, 3}) {
        expect_fast_kernels(model, {3, 32, 32}, batch_size);
    }
}

} // namespace
} // namespace feddip::nn
