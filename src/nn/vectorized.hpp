#pragma once

// A function built for each instruction set, chosen when the program starts. It must not hold an OpenMP
// region itself, the body of which would be built for the baseline only.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define FEDDIP_VECTORIZED [[gnu::target_clones("avx512f", "avx2", "default")]]
#else
#define FEDDIP_VECTORIZED
#endif
