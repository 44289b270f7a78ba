// What a client that holds a part of the weights takes of memory in training: nothing but the part. The
// buffers of a rank, which are as large as the model, exist once, for all clients that it trains one after
// another.
#include "fl/local_trainer.hpp"
#include "nn/kernel_choice.hpp"
#include "nn/network.hpp"
#include "sparse/magnitude.hpp"
#include "unit/fl/federation.hpp"

#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <limits>
#include <new>

namespace {

std::atomic<std::size_t> in_use = 0, most_in_use = 0;

void* counted(std::size_t size, std::size_t alignment) {
    void* memory = nullptr;
    if (::posix_memalign(&memory, std::max(alignment, sizeof(void*)), std::max(size, std::size_t{1})) != 0) {
        throw std::bad_alloc();
    }
    const std::size_t now = in_use += ::malloc_usable_size(memory);
    std::size_t most = most_in_use;
    while (now > most && !most_in_use.compare_exchange_weak(most, now)) {
    }
    return memory;
}

void released(void* memory) {
    in_use -= memory == nullptr ? 0 : ::malloc_usable_size(memory);
    std::free(memory);
}

} // namespace

// All forms, for those that a sanitizer brings along would not call the others.
void* operator new(std::size_t size) {
    return counted(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void* operator new[](std::size_t size) {
    return counted(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    return counted(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
    return counted(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return counted(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__); // out of memory ends the test
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    return counted(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void operator delete(void* memory) noexcept {
    released(memory);
}
void operator delete[](void* memory) noexcept {
    released(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    released(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
    released(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
    released(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
    released(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    released(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
    released(memory);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
    released(memory);
}
void operator delete[](void* memory, const std::nothrow_t&) noexcept {
    released(memory);
}

namespace feddip::fl {
namespace {

constexpr std::size_t bytes_per_weight_held = 64; // as README.md promises
static_assert(bytes_per_weight_held == nn::bytes_per_compiled_weight);

struct device {
    test::small_federation what;
    nn::network network;
    local_trainer trainer{what.config, what.data, network};
    global_model model{
        std::vector<float>(network.layout().size()), {network.layout().prunable_size(), true}, 0};

    explicit device(config::model_name name)
        : what(40, 10, is_small(name) ? config::dataset_name::fashion_mnist : config::dataset_name::cifar_10),
          network(options_for(name, what.data.facts.shape)) {
        what.config.federation.local_epochs = 1;
        what.config.federation.batch_size = 10;
        initialize(network.layout(), 1, model.state);
    }

    static nn::network_options options_for(config::model_name name, data::image_shape images) {
        nn::network_options options;
        options.model.name = name;
        options.input = images;
        options.max_batch = 10;
        options.kernels = config::kernel_kind::sparse;
        return options;
    }

    static bool is_small(config::model_name name) { return name == config::model_name::lenet5; }

    sparse::mask part(double density) const {
        return sparse::prune_smallest(std::span(model.state).first(model.mask.size()), 1 - density);
    }

    client_record train(const sparse::mask& part, float proximal = 0) {
        round_plan plan;
        plan.sgd.learning_rate = 0.1F;
        plan.sgd.weight_decay = 5e-4F;
        plan.sgd.regularization = 1e-3F;
        plan.proximal = proximal;
        plan.upload = upload_content::in_mask;
        return trainer.train(model, part, plan, 0, what.shares.train[0], [] {});
    }
};

// Beyond the rank's buffers.
std::size_t bytes_to_train(config::model_name name, double density) {
    device one(name);
    const auto part = one.part(density);
    const std::size_t before = in_use;
    most_in_use = before;
    EXPECT_EQ(one.train(part).sparse_kernels, 1);
    return most_in_use - before;
}

TEST(memory, grows_with_the_weights_that_a_client_holds_and_by_no_more_than_is_promised) {
    for (const auto name : {config::model_name::lenet5, config::model_name::alexnet}) {
        const double size = static_cast<double>(device(name).model.mask.size());
        const double fewest = 0.002;
        const std::size_t activations = bytes_to_train(name, fewest);
        for (const double density : {0.02, device::is_small(name) ? 0.5 : 0.05}) {
            const auto held = static_cast<std::size_t>(density * size);
            const std::size_t bytes = bytes_to_train(name, density);
            EXPECT_LE(bytes, activations + bytes_per_weight_held * held) << density << " of " << size;
            EXPECT_GT(bytes, activations + 12 * (held - static_cast<std::size_t>(fewest * size)))
                << "a weight, its gradient and its position are counted";
        }
    }
}

// Not a bit of what is outside its part reaches a client.
TEST(memory, of_a_client_has_nothing_of_the_weights_outside_its_part) {
    for (const auto kernels : {config::kernel_kind::sparse, config::kernel_kind::dense}) {
        for (const float proximal : {0.0F, 0.1F}) {
            device whole(config::model_name::lenet5);
            device rest_unknown(config::model_name::lenet5);
            for (auto* one : {&whole, &rest_unknown}) {
                one->network = nn::network(nn::network_options{.max_batch = 10, .kernels = kernels});
            }
            const auto part = whole.part(0.1);
            for (std::size_t i = 0; i < part.size(); ++i) {
                if (!part[i]) {
                    rest_unknown.model.state[i] = std::numeric_limits<float>::quiet_NaN();
                }
            }

            const double loss = whole.train(part, proximal).train_loss;

            EXPECT_EQ(rest_unknown.train(part, proximal).train_loss, loss);
            EXPECT_TRUE(std::ranges::equal(rest_unknown.trainer.weights(), whole.trainer.weights()));
            for (std::size_t i = 0; i < part.size(); ++i) {
                ASSERT_TRUE(part[i] || whole.trainer.weights()[i] == 0) << i;
            }
        }
    }
}

} // namespace
} // namespace feddip::fl
