// The TOML names of every choice, written once: for parsing, dumping and messages.
#pragma once

#include "config/config.hpp"

#include <array>
#include <string_view>
#include <utility>

namespace feddip::config {

template <typename Enum>
using named = std::pair<Enum, std::string_view>;

template <typename Enum>
inline constexpr auto names = nullptr;

template <>
inline constexpr auto names<dataset_name> = std::array{
    named<dataset_name>{dataset_name::fashion_mnist, "fashion-mnist"},
    named<dataset_name>{dataset_name::cifar_10, "cifar-10"},
    named<dataset_name>{dataset_name::cifar_100, "cifar-100"},
    named<dataset_name>{dataset_name::file, "file"},
};
template <>
inline constexpr auto names<partition_kind> = std::array{
    named<partition_kind>{partition_kind::iid, "iid"},
    named<partition_kind>{partition_kind::pathological, "pathological"},
    named<partition_kind>{partition_kind::dirichlet, "dirichlet"},
    named<partition_kind>{partition_kind::given, "given"},
};
template <>
inline constexpr auto names<link_order> = std::array{
    named<link_order>{link_order::drawn, "drawn"},
    named<link_order>{link_order::in_order, "in_order"},
};
template <>
inline constexpr auto names<model_name> = std::array{
    named<model_name>{model_name::lenet5, "lenet5"},     named<model_name>{model_name::alexnet, "alexnet"},
    named<model_name>{model_name::vgg11, "vgg11"},       named<model_name>{model_name::resnet18, "resnet18"},
    named<model_name>{model_name::resnet50, "resnet50"}, named<model_name>{model_name::custom, "custom"},
};
template <>
inline constexpr auto names<norm_kind> = std::array{
    named<norm_kind>{norm_kind::batch, "batch"},
    named<norm_kind>{norm_kind::group, "group"},
};
template <>
inline constexpr auto names<layer_word> = std::array{
    named<layer_word>{layer_word::convolution, "convolution"},
    named<layer_word>{layer_word::fully_connected, "fully_connected"},
    named<layer_word>{layer_word::batch_norm, "batch_norm"},
    named<layer_word>{layer_word::relu, "relu"},
    named<layer_word>{layer_word::max_pool, "max_pool"},
    named<layer_word>{layer_word::global_average_pool, "global_average_pool"},
    named<layer_word>{layer_word::dropout, "dropout"},
    named<layer_word>{layer_word::add, "add"},
    named<layer_word>{layer_word::group_norm, "group_norm"},
};
template <>
inline constexpr auto names<variant_kind> = std::array{
    named<variant_kind>{variant_kind::paper, "paper"},
    named<variant_kind>{variant_kind::authors, "authors"},
};
template <>
inline constexpr auto names<start_kind> = std::array{
    named<start_kind>{start_kind::erk, "erk"},
    named<start_kind>{start_kind::uniform, "uniform"},
};
template <>
inline constexpr auto names<start_mask_kind> = std::array{
    named<start_mask_kind>{start_mask_kind::global, "global"},
    named<start_mask_kind>{start_mask_kind::per_client, "per_client"},
};
template <>
inline constexpr auto names<attack_sight> = std::array{
    named<attack_sight>{attack_sight::own, "own"},
    named<attack_sight>{attack_sight::all, "all"},
};
template <>
inline constexpr auto names<start_scale_kind> = std::array{
    named<start_scale_kind>{start_scale_kind::dense, "dense"},
    named<start_scale_kind>{start_scale_kind::density, "density"},
};
template <>
inline constexpr auto names<score_kind> = std::array{
    named<score_kind>{score_kind::magnitude, "magnitude"},
    named<score_kind>{score_kind::lamp, "lamp"},
};
template <>
inline constexpr auto names<staircase_kind> = std::array{
    named<staircase_kind>{staircase_kind::paper, "paper"},
    named<staircase_kind>{staircase_kind::code, "code"},
};
template <>
inline constexpr auto names<upload_kind> = std::array{
    named<upload_kind>{upload_kind::sparse, "sparse"},
    named<upload_kind>{upload_kind::dense, "dense"},
};
template <>
inline constexpr auto names<value_kind> = std::array{
    named<value_kind>{value_kind::f32, "f32"},
    named<value_kind>{value_kind::bf16, "bf16"},
};
template <>
inline constexpr auto names<reconfiguration_upload_kind> = std::array{
    named<reconfiguration_upload_kind>{reconfiguration_upload_kind::dense, "dense"},
    named<reconfiguration_upload_kind>{reconfiguration_upload_kind::topk, "topk"},
    named<reconfiguration_upload_kind>{reconfiguration_upload_kind::topk_residual, "topk_residual"},
};
template <>
inline constexpr auto names<kernel_kind> = std::array{
    named<kernel_kind>{kernel_kind::automatic, "auto"},
    named<kernel_kind>{kernel_kind::dense, "dense"},
    named<kernel_kind>{kernel_kind::sparse, "sparse"},
};
template <>
inline constexpr auto names<budget_kind> = std::array{
    named<budget_kind>{budget_kind::none, "none"},         named<budget_kind>{budget_kind::fixed, "fixed"},
    named<budget_kind>{budget_kind::deadline, "deadline"}, named<budget_kind>{budget_kind::bytes, "bytes"},
    named<budget_kind>{budget_kind::drop, "drop"},
};
template <>
inline constexpr auto names<times_kind> = std::array{
    named<times_kind>{times_kind::simulated, "simulated"},
    named<times_kind>{times_kind::measured, "measured"},
};
template <>
inline constexpr auto names<ranking_kind> = std::array{
    named<ranking_kind>{ranking_kind::magnitude, "magnitude"},
    named<ranking_kind>{ranking_kind::width, "width"},
    named<ranking_kind>{ranking_kind::rolling_width, "rolling_width"},
};
template <>
inline constexpr auto names<precision_kind> = std::array{
    named<precision_kind>{precision_kind::f32, "f32"},
    named<precision_kind>{precision_kind::bf16, "bf16"},
};
template <>
inline constexpr auto names<drift_kind> = std::array{
    named<drift_kind>{drift_kind::none, "none"},
    named<drift_kind>{drift_kind::label_shift, "label_shift"},
    named<drift_kind>{drift_kind::rotation, "rotation"},
    named<drift_kind>{drift_kind::contrast, "contrast"},
    named<drift_kind>{drift_kind::noise, "noise"},
    named<drift_kind>{drift_kind::blur, "blur"},
};
template <>
inline constexpr auto names<drift_pattern> = std::array{
    named<drift_pattern>{drift_pattern::sudden, "sudden"},
    named<drift_pattern>{drift_pattern::gradual, "gradual"},
    named<drift_pattern>{drift_pattern::recurring, "recurring"},
};
template <>
inline constexpr auto names<answer_kind> = std::array{
    named<answer_kind>{answer_kind::none, "none"},
    named<answer_kind>{answer_kind::regrow, "regrow"},
    named<answer_kind>{answer_kind::relax, "relax"},
};
template <>
inline constexpr auto names<detector_kind> = std::array{
    named<detector_kind>{detector_kind::page_hinkley, "page_hinkley"},
    named<detector_kind>{detector_kind::adwin, "adwin"},
};

template <>
inline constexpr auto names<sampling_kind> = std::array{
    named<sampling_kind>{sampling_kind::fixed, "fixed"},
    named<sampling_kind>{sampling_kind::poisson, "poisson"},
};

template <typename Enum>
constexpr std::string_view name_of(Enum value) {
    for (const auto& [candidate, name] : names<Enum>) {
        if (candidate == value) {
            return name;
        }
    }
    return "?";
}

} // namespace feddip::config
