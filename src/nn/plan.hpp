// What a network does for one batch size, worked out once: a list of steps on memory that plans share.
#pragma once

#include "base/layout.hpp"
#include "base/random.hpp"
#include "data/batches.hpp"
#include "nn/network.hpp"

#include <dnnl.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace feddip::nn {

struct aligned_delete {
    void operator()(void* p) const { ::operator delete (p, std::align_val_t{64}); }
};
template <typename T>
using aligned_array = std::unique_ptr<T[], aligned_delete>;
template <typename T>
aligned_array<T> make_aligned(std::size_t size) {
    return aligned_array<T>(static_cast<T*>(::operator new (size * sizeof(T), std::align_val_t{64})));
}

// The memory of activations and their gradients. All plans of a network use the same slots, for only one runs
// at a time; a slot is as large as the largest tensor that was ever put there.
class arena {
public:
    std::size_t slots() const { return slots_.size(); }
    std::size_t capacity(std::size_t slot) const { return slots_[slot].bytes; }
    std::size_t total() const; // bytes
    std::byte* at(std::size_t slot) const { return slots_[slot].memory.get(); }
    std::size_t add(std::size_t bytes);
    void grow(std::size_t slot, std::size_t bytes);
    // Changes whenever a slot moves.
    std::uint64_t generation() const { return generation_; }

private:
    struct slot_memory {
        aligned_array<std::byte> memory;
        std::size_t bytes;
    };
    std::vector<slot_memory> slots_;
    std::uint64_t generation_ = 0;
};

// Dimensions, layout (both in the oneDNN descriptor) and place of a value. While a plan is made, the slot is
// taken for as long as a tensor in it exists.
struct tensor {
    dnnl::memory memory;
    std::shared_ptr<const std::size_t> slot; // null: memory of the network or the caller

    dnnl::memory::desc desc() const { return memory.get_desc(); }
    bool unshared() const { return slot.use_count() == 1; }
};

float* floats_of(const dnnl::memory& m);
std::size_t size_of(const dnnl::memory::desc& d); // in floats, padding included
// Whether both describe the same bytes, of the same type, in the same order.
bool same_layout(const dnnl::memory::desc& a, const dnnl::memory::desc& b);
dnnl::memory::desc plain(const dnnl::memory::dims& dims);

struct run_context {
    dnnl::stream& stream;
    const data::batch& batch;
    random_stream* dropout = nullptr; // in training only
    std::span<std::uint8_t> correct{};
    batch_score score{};
};
using step = std::function<void(run_context&)>;

enum class pass { training, inference };

class plan {
public:
    void run(run_context& context, const arena& memory);

private:
    friend class plan_builder;
    std::vector<step> steps_;
    std::vector<std::pair<dnnl::memory, std::size_t>> slots_; // where each memory lies
    std::vector<dnnl::memory> images_;                        // to be pointed at the batch
    std::uint64_t bound_generation_ = ~std::uint64_t{0};
};

// The network's own memory, for layers to find their parameters in.
struct parameter_memory {
    const parameter_layout* layout;
    float* state;
    float* gradients;
};

class plan_builder {
public:
    plan_builder(const dnnl::engine& engine, arena& memory, const parameter_memory& parameters, pass kind,
                 int batch, data::image_shape input, config::precision_kind precision);

    const dnnl::engine& engine() const { return engine_; }
    pass kind() const { return kind_; }
    bool training() const { return kind_ == pass::training; }
    dnnl::prop_kind forward_kind() const;
    int batch() const { return batch_; }
    // Of what oneDNN multiplies. What it adds up, and all that lies between layers, is f32.
    dnnl::memory::data_type operands() const;
    const tensor& images() const { return images_; }

    tensor make(const dnnl::memory::desc& desc);
    // The same bytes, read in another way.
    tensor view(const tensor& t, const dnnl::memory::desc& desc);
    // `t` itself, or a copy where the layout differs. Images become a matrix, and the other way round, where
    // `wanted` says so.
    tensor in_layout(tensor t, const dnnl::memory::desc& wanted);
    tensor in_plain_layout(tensor t);
    void reorder(const tensor& from, const tensor& to);

    tensor parameter(std::string_view name) const;
    tensor gradient(std::string_view name) const;

    void emit(step s) { plan_.steps_.push_back(std::move(s)); }
    void emit(const dnnl::primitive& p, std::unordered_map<int, dnnl::memory> arguments);

    plan finish() { return std::move(plan_); }

private:
    std::shared_ptr<const std::size_t> take_slot(std::size_t bytes);
    dnnl::memory bound(const dnnl::memory::desc& desc, std::size_t slot);
    tensor owned(std::string_view name, float* base) const;
    void emit_transposition(const tensor& from, const tensor& to, bool to_blocks);

    dnnl::engine engine_;
    arena* arena_;
    parameter_memory parameters_;
    pass kind_;
    int batch_;
    config::precision_kind precision_;
    std::shared_ptr<std::vector<bool>> taken_ = std::make_shared<std::vector<bool>>();
    tensor images_;
    plan plan_;
};

} // namespace feddip::nn
