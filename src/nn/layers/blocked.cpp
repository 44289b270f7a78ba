#include "nn/layers/blocked.hpp"

namespace feddip::nn {

namespace {

bool has_blocked_max_pool(const layer_spec& spec) {
    return spec.kernel == 2;
}

} // namespace

std::unique_ptr<layer> make_blocked_layer(const fused_layer& fused, std::size_t index,
                                          const sparse_layers& compiled, gradient_scope scope) {
    if (compiled.convolution(index) != nullptr || compiled.linear(index) != nullptr) {
        return make_sparse_layer(fused, index, compiled, scope);
    }
    switch (fused.spec.kind) {
    case layer_kind::batch_norm:
        return make_blocked_batch_norm(fused);
    case layer_kind::max_pool:
        return has_blocked_max_pool(fused.spec) ? make_blocked_max_pool(fused) : make_layer(fused);
    case layer_kind::global_average_pool:
        return make_blocked_average_pool();
    case layer_kind::dropout:
        return make_blocked_dropout(fused);
    default:
        return make_layer(fused);
    }
}

} // namespace feddip::nn
