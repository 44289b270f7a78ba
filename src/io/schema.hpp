// What the columns of a results file are called, in one place for all that write or read them.
#pragma once

#include "fl/state.hpp"

#include <cstdint>
#include <variant>
#include <vector>

namespace feddip::io {

// One member of a record as a dataset.
template <typename Record>
struct column {
    using member_type =
        std::variant<int Record::*, std::uint32_t Record::*, std::uint64_t Record::*, double Record::*>;

    const char* name;
    const char* units; // UDUNITS; "1" for numbers without a unit
    const char* long_name;
    member_type member;
    // Files written before there was this column lack it; read, the records keep their default.
    bool optional = false;
};

using round_column = column<fl::round_record>;
using client_column = column<fl::client_record>;

// /rounds/*, the axis first.
inline constexpr round_column round_columns[] = {
    {"round", "1", "rounds done", &fl::round_record::round},
    {"test_accuracy", "1",
     "top-1 accuracy of the pruned global model on the test set; where /clients/accuracy is measured, the "
     "mean over all clients of the accuracy on the test share of each, without a server of their own models",
     &fl::round_record::test_accuracy},
    {"test_loss", "1", "cross-entropy of the same on the test set or shares", &fl::round_record::test_loss},
    {"test_top5_accuracy", "1", "top-5 accuracy of the same on the test set or shares",
     &fl::round_record::test_top5_accuracy},
    {"train_loss", "1",
     "cross-entropy in the last local epoch, mean over the images of the clients in the average",
     &fl::round_record::train_loss},
    {"learning_rate", "1", "learning rate", &fl::round_record::learning_rate},
    {"regularization", "1", "weight lambda of the group norm in the local loss",
     &fl::round_record::regularization},
    {"target_sparsity", "1", "scheduled share of pruned weights", &fl::round_record::target_sparsity},
    {"sparsity", "1", "share of pruned weights among the prunable ones", &fl::round_record::sparsity},
    {"mask_change", "1", "share of prunable weights whose mask bit changed in this round",
     &fl::round_record::mask_change},
    {"pruning_error", "1", "||w - w'||^2 / ||w||^2 of the averaged weights w and the pruned w'",
     &fl::round_record::pruning_error},
    {"grad_norm_squared", "1", "squared norm of the gradient over all training images at the pruned model",
     &fl::round_record::grad_norm_squared, true},
    {"gradient_divergence", "1", "mean squared distance of the clients' gradients from the global one",
     &fl::round_record::gradient_divergence, true},
    {"coverage", "1",
     "share of the samples that trained a weight of the mask, where clients held parts of it of different "
     "size",
     &fl::round_record::coverage, true},
    {"bytes_down", "byte", "encoded payload received by the sampled clients", &fl::round_record::bytes_down},
    {"bytes_up", "byte", "encoded payload sent by the sampled clients", &fl::round_record::bytes_up},
    {"bytes_positions", "byte", "part of the payload that says which weights are meant",
     &fl::round_record::bytes_positions},
    {"mpi_bytes", "byte", "bytes handed to MPI for sending on all ranks", &fl::round_record::mpi_bytes},
    {"reference_cost_mib", "Mibit",
     "communication cost by the formula of the authors' program, without positions",
     &fl::round_record::reference_cost_mib},
    {"seconds_train", "s", "time of local training", &fl::round_record::seconds_train},
    {"seconds_communicate", "s", "time of sending and receiving", &fl::round_record::seconds_communicate},
    {"seconds_aggregate", "s", "time of averaging and pruning", &fl::round_record::seconds_aggregate},
    {"seconds_evaluate", "s", "time of evaluation", &fl::round_record::seconds_evaluate},
    {"seconds_round", "s", "time of the whole round", &fl::round_record::seconds_round},
    {"simulated_seconds", "s", "time of the round in a federation with the links of the config",
     &fl::round_record::simulated_seconds, true},
    {"hostile_included", "1", "hostile clients whose updates entered the average, -1 where that is not told",
     &fl::round_record::hostile_included, true},
    {"attack_success", "1",
     "share of test images of other classes, with the mark of hostile clients, that the model takes for the "
     "class these want",
     &fl::round_record::attack_success, true},
    {"epsilon", "1", "differential privacy of each client spent so far, at the delta of the config",
     &fl::round_record::epsilon, true},
    {"clip", "1", "bound of the norm of clients' updates", &fl::round_record::clip, true},
    {"drift", "1", "how strong the drift of the config is, in its own units", &fl::round_record::drift, true},
    {"alarm", "1", "1 where the loss of the clients has risen, by the detector of the config",
     &fl::round_record::alarm, true},
    {"ever_alive", "1", "share of prunable weights that some mask had, up to this round",
     &fl::round_record::ever_alive, true},
    {"mask_distance", "1",
     "Jaccard distance of the mask to that before the last drift began, or else to the first one",
     &fl::round_record::mask_distance, true},
};

// One value per round and index: of a prunable tensor, or of a class.
struct list_column {
    const char* path;
    const char* history; // in a checkpoint, under /history
    const char* long_name;
    std::vector<double> fl::round_record::*member;
    bool fl::run_info::*when; // there only in such runs; null: in all
};
inline constexpr list_column list_columns[] = {
    {"/layers/density", "layer_density", "share of weights of the tensor that are alive",
     &fl::round_record::layer_density, nullptr},
    {"/layers/weight_norm", "layer_weight_norm", "L2 norm of the tensor's weights",
     &fl::round_record::layer_weight_norm, &fl::run_info::measures_layer_norms},
    {"/layers/gradient_norm", "layer_gradient_norm",
     "L2 norm of the gradient of a minibatch with respect to all weights of the tensor",
     &fl::round_record::layer_gradient_norm, &fl::run_info::measures_layer_norms},
    {"/layers/alive_gradient_norm", "layer_alive_gradient_norm",
     "L2 norm of the gradient of a minibatch with respect to the alive weights of the tensor",
     &fl::round_record::layer_alive_gradient_norm, &fl::run_info::measures_layer_norms},
    {"/layers/coverage", "layer_coverage",
     "share of the samples that trained a weight of the tensor's mask, where clients held parts of it",
     &fl::round_record::layer_coverage, &fl::run_info::has_budgets},
    {"/classes/accuracy", "class_accuracy",
     "top-1 accuracy of the pruned global model on the test images of the class",
     &fl::round_record::class_accuracy, &fl::run_info::measures_class_accuracy},
};

// /clients/*, one value per round and slot.
inline constexpr client_column client_columns[] = {
    {"id", "1", "client sampled into the slot, -1 for none", &fl::client_record::id},
    {"samples", "1", "training images of the client", &fl::client_record::samples},
    {"train_loss", "1", "cross-entropy in the client's last local epoch", &fl::client_record::train_loss},
    {"accuracy", "1",
     "top-1 accuracy of the pruned global model, or of the client's own, on the client's own test share",
     &fl::client_record::accuracy},
    {"bytes_up", "byte", "encoded payload sent by the client", &fl::client_record::bytes_up},
    {"bytes_down", "byte", "encoded payload received by the client", &fl::client_record::bytes_down, true},
    {"bytes_positions", "byte", "of the payload sent by the client, the coded positions",
     &fl::client_record::bytes_positions, true},
    {"included", "1",
     "1 where the update entered the average, 0 where it held NaN or Inf, the rule left it out or there is "
     "none",
     &fl::client_record::included},
    {"dropped_out", "1", "1 where the client received the model and then sent nothing, or was not waited for",
     &fl::client_record::dropped_out, true},
    {"simulated_seconds", "s", "time of the client in a federation with the links of the config",
     &fl::client_record::simulated_seconds, true},
    {"density", "1", "share of the prunable weights that the client held, with a budget",
     &fl::client_record::density, true},
    {"deadline_met", "1",
     "1 where the client answered within the deadline by its simulated time, 0 where not, -1 for none",
     &fl::client_record::deadline_met, true},
    {"feedback", "1",
     "strength with which came back what the client had kept of rounds before, with a budget",
     &fl::client_record::feedback, true},
    {"distance", "1", "sum over tensors of the distance of the client's model from its first one",
     &fl::client_record::distance, true},
    {"sparse_kernels", "1",
     "1 where sparse kernels trained the client, all layers or the later ones, 0 where oneDNN alone did",
     &fl::client_record::sparse_kernels, true},
    {"hostile", "1", "1 where the client did what the attack of the config says", &fl::client_record::hostile,
     true},
    {"seconds_train", "s", "time of the client's local training", &fl::client_record::seconds_train, true},
    {"link_class", "1", "class of [links] that the client is of, from 0, -1 where these model nothing",
     &fl::client_record::link_class, true},
};

} // namespace feddip::io
