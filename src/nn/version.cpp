#include "nn/version.hpp"

#include <dnnl.hpp>
#include <fmt/format.h>

#include <array>
#include <utility>

namespace feddip::nn {

std::string library_version() {
    const auto* v = dnnl_version();
    return fmt::format("oneDNN {}.{}.{}", v->major, v->minor, v->patch);
}

namespace {

bool includes(unsigned isa, dnnl::cpu_isa part) {
    const auto bits = static_cast<unsigned>(part);
    return (isa & bits) == bits;
}

// The better the later.
constexpr std::array<std::pair<dnnl::cpu_isa, const char*>, 8> known{{
    {dnnl::cpu_isa::sse41, "SSE4.1"},
    {dnnl::cpu_isa::avx, "AVX"},
    {dnnl::cpu_isa::avx2, "AVX2"},
    {dnnl::cpu_isa::avx2_vnni, "AVX2 with VNNI"},
    {dnnl::cpu_isa::avx512_core, "AVX-512"},
    {dnnl::cpu_isa::avx512_core_vnni, "AVX-512 with VNNI"},
    {dnnl::cpu_isa::avx512_core_bf16, "AVX-512 with bfloat16"},
    {dnnl::cpu_isa::avx512_core_amx, "AVX-512 with AMX"},
}};

} // namespace

std::string name_of_instructions(unsigned isa) {
    std::string best = "generic";
    for (const auto& [part, name] : known) {
        if (includes(isa, part)) {
            best = name;
        }
    }
    return best;
}

bool multiplies_bf16(unsigned isa) {
    return includes(isa, dnnl::cpu_isa::avx512_core_bf16);
}

std::string instruction_set() {
    return name_of_instructions(static_cast<unsigned>(dnnl::get_effective_cpu_isa()));
}

bool can_multiply_bf16() {
    return multiplies_bf16(static_cast<unsigned>(dnnl::get_effective_cpu_isa()));
}

} // namespace feddip::nn
