/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * wide.h: comparing and summing bytes many at a time. Included by each kernels_*.c, which says by
 * VCD_WIDE_AVX2, _AVX512 or _NEON what it may use, or nothing and gets plain 64-bit words. Every function
 * reads only the bytes it is given, and gives the same result whatever the instruction set.
 */

#if defined(VCD_WIDE_AVX512)

enum { WIDTH = 64 };

/* One bit per equal byte of WIDTH bytes, the lowest address in bit 0. */
VCD_INLINE uint64_t equal_wide(const uint8_t *a, const uint8_t *b) {
    return _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(a), _mm512_loadu_si512(b));
}

#elif defined(VCD_WIDE_AVX2)

enum { WIDTH = 32 };

VCD_INLINE uint64_t equal_wide(const uint8_t *a, const uint8_t *b) {
    __m256i left = _mm256_loadu_si256((const __m256i *)(const void *)a);
    __m256i right = _mm256_loadu_si256((const __m256i *)(const void *)b);
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(left, right));
}

#elif defined(VCD_WIDE_NEON)

enum { WIDTH = 16 };

VCD_INLINE uint64_t equal_wide(const uint8_t *a, const uint8_t *b) {
    static const uint8_t bits[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t equal = vandq_u8(vceqq_u8(vld1q_u8(a), vld1q_u8(b)), vld1q_u8(bits));
    return (uint64_t)vaddv_u8(vget_low_u8(equal)) | (uint64_t)vaddv_u8(vget_high_u8(equal)) << 8;
}

#else

enum { WIDTH = 8 };

VCD_INLINE uint64_t equal_wide(const uint8_t *a, const uint8_t *b) {
    const uint64_t low7 = UINT64_C(0x7f7f7f7f7f7f7f7f);
    uint64_t difference = load_u64(a) ^ load_u64(b);
    uint64_t differs = ((difference & low7) + low7) | difference | low7; /* top bit of a byte: it differs */
    return (~differs >> 7) * UINT64_C(0x0102040810204080) >> 56;
}

#endif

#define WIDE_ALL (UINT64_MAX >> (64 - WIDTH))

/* One bit per equal byte of 64 bytes. */
VCD_INLINE uint64_t equal_mask64(const uint8_t *a, const uint8_t *b) {
    uint64_t mask = 0;
    for (unsigned i = 0; i < 64; i += WIDTH) {
        mask |= equal_wide(a + i, b + i) << i;
    }
    return mask;
}

/* One bit per equal byte of `size` <= 64 bytes. */
VCD_INLINE uint64_t equal_mask(const uint8_t *a, const uint8_t *b, size_t size) {
    if (VCD_LIKELY(size == 64)) {
        return equal_mask64(a, b);
    }
    uint64_t mask = 0;
    for (size_t i = 0; i < size; i++) {
        mask |= (uint64_t)(a[i] == b[i]) << i;
    }
    return mask;
}

/* How far ahead the bytes of two long runs are asked for: hardware stops at the end of a page. */
enum { FETCH_AHEAD = 1024, FETCH_STEP = 256 };

/* Length of the common start of two runs of `max` bytes. */
VCD_INLINE size_t common_prefix(const uint8_t *a, const uint8_t *b, size_t max) {
    size_t i = 0;
    while (max - i >= FETCH_AHEAD + FETCH_STEP) {
        uint64_t equal = UINT64_MAX;
        for (unsigned j = 0; j < FETCH_STEP; j += 64) {
            VCD_PREFETCH(a + i + j + FETCH_AHEAD);
            VCD_PREFETCH(b + i + j + FETCH_AHEAD);
            equal &= equal_mask64(a + i + j, b + i + j);
        }
        if (equal != UINT64_MAX) {
            break;
        }
        i += FETCH_STEP;
    }
    while (max - i >= WIDTH) {
        uint64_t differs = ~equal_wide(a + i, b + i) & WIDE_ALL;
        if (differs != 0) {
            return i + (unsigned)__builtin_ctzll(differs);
        }
        i += WIDTH;
    }
    while (i < max && a[i] == b[i]) {
        i++;
    }
    return i;
}

/* Length of the common end of the `max` bytes before `a` and before `b`. */
VCD_INLINE size_t common_suffix(const uint8_t *a, const uint8_t *b, size_t max) {
    size_t i = 0;
    while (max - i >= WIDTH) {
        uint64_t differs = ~equal_wide(a - i - WIDTH, b - i - WIDTH) & WIDE_ALL;
        if (differs != 0) {
            return i + (unsigned)__builtin_clzll(differs << (64 - WIDTH));
        }
        i += WIDTH;
    }
    while (i < max && *(a - i - 1) == *(b - i - 1)) {
        i++;
    }
    return i;
}
