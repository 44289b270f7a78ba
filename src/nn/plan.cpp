#include "nn/plan.hpp"

#include "base/error.hpp"
#include "nn/blocks.hpp"
#include "sparse/kernels/layers.hpp"

#include <algorithm>

namespace feddip::nn {

using dnnl::memory;

std::size_t arena::total() const {
    std::size_t bytes = 0;
    for (const slot_memory& slot : slots_) {
        bytes += slot.bytes;
    }
    return bytes;
}

std::size_t arena::add(std::size_t bytes) {
    slots_.push_back({make_aligned<std::byte>(bytes), bytes});
    return slots_.size() - 1;
}

void arena::grow(std::size_t slot, std::size_t bytes) {
    slots_[slot] = {nullptr, 0};
    slots_[slot] = {make_aligned<std::byte>(bytes), bytes};
    ++generation_;
}

float* floats_of(const memory& m) {
    return static_cast<float*>(m.get_data_handle());
}

std::size_t size_of(const memory::desc& d) {
    return d.get_size() / sizeof(float);
}

bool same_layout(const memory::desc& a, const memory::desc& b) {
    if (a == b) {
        return true;
    }
    const auto& left = a.data.format_desc.blocking;
    const auto& right = b.data.format_desc.blocking;
    if (a.dims() != b.dims() || a.data_type() != b.data_type() || a.data.format_kind != dnnl_blocked ||
        b.data.format_kind != dnnl_blocked || left.inner_nblks != 0 || right.inner_nblks != 0) {
        return false;
    }
    // The stride of a dimension of extent 1 says nothing.
    for (int i = 0; i < a.data.ndims; ++i) {
        if (a.data.dims[i] != 1 && left.strides[i] != right.strides[i]) {
            return false;
        }
    }
    return true;
}

memory::desc plain(const memory::dims& dims) {
    memory::dims strides(dims.size());
    memory::dim stride = 1;
    for (std::size_t i = dims.size(); i-- > 0;) {
        strides[i] = stride;
        stride *= dims[i];
    }
    return {dims, memory::data_type::f32, strides};
}

void plan::run(run_context& context, const arena& memory) {
    if (bound_generation_ != memory.generation()) {
        for (auto& [bound, slot] : slots_) {
            bound.set_data_handle(memory.at(slot));
        }
        bound_generation_ = memory.generation();
    }
    for (auto& images : images_) {
        // oneDNN has no memory object for constant data; nothing writes there.
        images.set_data_handle(const_cast<float*>(context.batch.images.data()));
    }
    for (const step& s : steps_) {
        s(context);
    }
    context.stream.wait();
}

plan_builder::plan_builder(const dnnl::engine& engine, arena& memory, const parameter_memory& parameters,
                           pass kind, int batch, data::image_shape input, config::precision_kind precision)
    : engine_(engine), arena_(&memory), parameters_(parameters), kind_(kind), batch_(batch),
      precision_(precision) {
    taken_->resize(memory.slots());
    images_.memory =
        dnnl::memory(plain({batch, input.channels, input.height, input.width}), engine, DNNL_MEMORY_NONE);
    plan_.images_.push_back(images_.memory);
}

dnnl::prop_kind plan_builder::forward_kind() const {
    return training() ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
}

memory::data_type plan_builder::operands() const {
    return precision_ == config::precision_kind::bf16 ? memory::data_type::bf16 : memory::data_type::f32;
}

// The smallest free slot that is large enough, else the largest free one, enlarged.
std::shared_ptr<const std::size_t> plan_builder::take_slot(std::size_t bytes) {
    constexpr std::size_t none = ~std::size_t{0};
    std::size_t best = none;
    std::size_t largest = none;
    for (std::size_t slot = 0; slot < arena_->slots(); ++slot) {
        if ((*taken_)[slot]) {
            continue;
        }
        const std::size_t capacity = arena_->capacity(slot);
        if (capacity >= bytes && (best == none || capacity < arena_->capacity(best))) {
            best = slot;
        }
        if (largest == none || capacity > arena_->capacity(largest)) {
            largest = slot;
        }
    }
    if (best == none && largest != none) {
        arena_->grow(largest, bytes);
        best = largest;
    } else if (best == none) {
        best = arena_->add(bytes);
        taken_->push_back(false);
    }
    (*taken_)[best] = true;
    return {new std::size_t(best), [taken = taken_](const std::size_t* slot) {
                (*taken)[*slot] = false;
                delete slot;
            }};
}

memory plan_builder::bound(const memory::desc& desc, std::size_t slot) {
    memory m(desc, engine_, DNNL_MEMORY_NONE);
    plan_.slots_.emplace_back(m, slot);
    return m;
}

tensor plan_builder::make(const memory::desc& desc) {
    auto slot = take_slot(std::max<std::size_t>(desc.get_size(), 1));
    memory m = bound(desc, *slot);
    return {std::move(m), std::move(slot)};
}

tensor plan_builder::view(const tensor& t, const memory::desc& desc) {
    if (t.slot != nullptr) {
        return {bound(desc, *t.slot), t.slot};
    }
    if (t.memory != images_.memory) {
        throw error("can't make a plan", "view",
                    "only activations and images can be viewed in another shape");
    }
    plan_.images_.push_back(memory(desc, engine_, DNNL_MEMORY_NONE));
    return {plan_.images_.back(), nullptr};
}

tensor plan_builder::in_layout(tensor t, const memory::desc& wanted) {
    if (t.desc().dims().size() != wanted.dims().size()) { // a matrix, and images of one pixel or to flatten
        t = in_plain_layout(std::move(t));
        t = view(t, plain(wanted.dims()));
    }
    if (same_layout(t.desc(), wanted)) {
        return t;
    }
    if ((is_blocked(wanted) && !is_plain(t.desc())) || (is_blocked(t.desc()) && !is_plain(wanted))) {
        // oneDNN has fast ways between its own layouts and the plain one only.
        t = in_plain_layout(std::move(t));
    }
    tensor copy = make(wanted);
    reorder(t, copy);
    return copy;
}

tensor plan_builder::in_plain_layout(tensor t) {
    const memory::desc wanted = plain(t.desc().dims());
    return in_layout(std::move(t), wanted);
}

void plan_builder::reorder(const tensor& from, const tensor& to) {
    const bool to_blocks = is_plain(from.desc()) && is_blocked(to.desc());
    if (to_blocks || (is_blocked(from.desc()) && is_plain(to.desc()))) {
        emit_transposition(from, to, to_blocks);
        return;
    }
    emit(dnnl::reorder(from.memory, to.memory), {{DNNL_ARG_FROM, from.memory}, {DNNL_ARG_TO, to.memory}});
}

void plan_builder::emit_transposition(const tensor& from, const tensor& to, bool to_blocks) {
    const auto transpose = to_blocks ? sparse::kernels::to_blocks : sparse::kernels::from_blocks;
    const memory::dims d = from.desc().dims();
    emit([transpose, from = from.memory, to = to.memory, images = static_cast<int>(d[0]),
          size = static_cast<int>(d[1] * d[2] * d[3]), how = kernel_execution()](run_context&) {
        transpose(floats_of(from), floats_of(to), images, size, how);
    });
}

tensor plan_builder::owned(std::string_view name, float* base) const {
    const feddip::parameter& p = parameters_.layout->named(name);
    const memory::dims dims(p.shape.begin(), p.shape.end());
    return {memory(plain(dims), engine_, base + p.offset), nullptr};
}

tensor plan_builder::parameter(std::string_view name) const {
    return owned(name, parameters_.state);
}
tensor plan_builder::gradient(std::string_view name) const {
    return owned(name, parameters_.gradients);
}

void plan_builder::emit(const dnnl::primitive& p, std::unordered_map<int, memory> arguments) {
    emit([p, arguments = std::move(arguments)](run_context& context) {
        p.execute(context.stream, arguments);
    });
}

} // namespace feddip::nn
