#include "base/error.hpp"
#include "sparse/kernels/layer_table.hpp"
#include "sparse/kernels/table.hpp"

namespace feddip::sparse::kernels {

std::string_view name_of(instruction_set set) {
    switch (set) {
    case instruction_set::avx512:
        return "avx512";
    case instruction_set::avx2:
        return "avx2";
    case instruction_set::plain:
        break;
    }
    return "plain";
}

std::vector<instruction_set> available_instruction_sets() {
    std::vector<instruction_set> sets;
    for (const auto set : {instruction_set::plain, instruction_set::avx2, instruction_set::avx512}) {
        if (set <= best_instruction_set()) {
            sets.push_back(set);
        }
    }
    return sets;
}

instruction_set best_instruction_set() {
#ifdef FEDDIP_X86_KERNELS
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
        return wide ? instruction_set::avx512 : instruction_set::avx2;
    }
#endif
    return instruction_set::plain;
}

namespace {

template <typename Table>
const Table& choose(instruction_set set, const Table& plain, const Table& avx2, const Table& avx512) {
    if (set > best_instruction_set()) {
        throw error("cannot choose sparse kernels", name_of(set), "this processor lacks the instructions");
    }
    return set == instruction_set::avx512 ? avx512 : set == instruction_set::avx2 ? avx2 : plain;
}

} // namespace

#ifdef FEDDIP_X86_KERNELS
const kernel_table& kernels_for(instruction_set set) {
    return choose(set, plain_kernels(), avx2_kernels(), avx512_kernels());
}
const layer_table& layers_for(instruction_set set) {
    return choose(set, plain_layers(), avx2_layers(), avx512_layers());
}
#else
const kernel_table& kernels_for(instruction_set set) {
    return choose(set, plain_kernels(), plain_kernels(), plain_kernels());
}
const layer_table& layers_for(instruction_set set) {
    return choose(set, plain_layers(), plain_layers(), plain_layers());
}
#endif

} // namespace feddip::sparse::kernels
