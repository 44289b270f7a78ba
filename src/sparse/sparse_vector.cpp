#include "sparse/sparse_vector.hpp"

#include "sparse/sum_words.hpp"

#include <cassert>
#include <cstdint>

namespace feddip::sparse {

namespace {

sparse_vector sum_with(void (*sum_words)(words_to_sum&), const sparse_vector& a, const sparse_vector& b) {
    assert(a.support.size() == b.support.size());
    sparse_vector result{a.support, {}};
    unite(b.support, result.support);
    result.values.resize(result.support.count());
    words_to_sum all{a.support.words(), b.support.words(), a.values, b.values, result.values};
    sum_words(all);
    return result;
}

} // namespace

void sum_words_plain(words_to_sum& left) {
    const float* a = left.a.data();
    const float* b = left.b.data();
    float* sum = left.sum.data();
    for (std::size_t w = 0; w < left.in_a.size(); ++w) {
        for (std::uint64_t bits = left.in_a[w] | left.in_b[w]; bits != 0; bits &= bits - 1) {
            const std::uint64_t bit = bits & -bits;
            const bool has_a = (left.in_a[w] & bit) != 0;
            const bool has_b = (left.in_b[w] & bit) != 0;
            *sum++ = !has_b ? *a++ : !has_a ? *b++ : *a++ + *b++;
        }
    }
    left = {};
}

sparse_vector sum_plain(const sparse_vector& a, const sparse_vector& b) {
    return sum_with(sum_words_plain, a, b);
}

sparse_vector sum(const sparse_vector& a, const sparse_vector& b) {
#if defined(__x86_64__)
    static const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
    return sum_with(has_avx2 ? sum_words_avx2 : sum_words_plain, a, b);
#else
    return sum_plain(a, b);
#endif
}

} // namespace feddip::sparse
