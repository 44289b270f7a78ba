#include "nn/version.hpp"

#include <dnnl.hpp>
#include <fmt/format.h>

namespace feddip::nn {

std::string library_version() {
    const auto* v = dnnl_version();
    return fmt::format("oneDNN {}.{}.{}", v->major, v->minor, v->patch);
}

std::string instruction_set() {
    switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41:
        return "SSE4.1";
    case dnnl::cpu_isa::avx:
        return "AVX";
    case dnnl::cpu_isa::avx2:
        return "AVX2";
    case dnnl::cpu_isa::avx2_vnni:
        return "AVX2 with VNNI";
    case dnnl::cpu_isa::avx512_core:
        return "AVX-512";
    case dnnl::cpu_isa::avx512_core_vnni:
        return "AVX-512 with VNNI";
    case dnnl::cpu_isa::avx512_core_bf16:
        return "AVX-512 with bfloat16";
    case dnnl::cpu_isa::avx512_core_amx:
        return "AVX-512 with AMX";
    default:
        return "generic";
    }
}

bool can_multiply_bf16() {
    const auto isa = dnnl::get_effective_cpu_isa();
    return isa == dnnl::cpu_isa::avx512_core_bf16 || isa == dnnl::cpu_isa::avx512_core_amx;
}

} // namespace feddip::nn
