#include "base/error.hpp"
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
    std::vector<instruction_set> sets{instruction_set::plain};
#ifdef FEDDIP_X86_KERNELS
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        sets.push_back(instruction_set::avx2);
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")) {
            sets.push_back(instruction_set::avx512);
        }
    }
#endif
    return sets;
}

instruction_set best_instruction_set() {
    return available_instruction_sets().back();
}

const kernel_table& kernels_for(instruction_set set) {
#ifdef FEDDIP_X86_KERNELS
    if (set == instruction_set::avx512) {
        return avx512_kernels();
    }
    if (set == instruction_set::avx2) {
        return avx2_kernels();
    }
#endif
    if (set != instruction_set::plain) {
        throw error("cannot choose sparse kernels", name_of(set), "not built for this processor");
    }
    return plain_kernels();
}

} // namespace feddip::sparse::kernels
