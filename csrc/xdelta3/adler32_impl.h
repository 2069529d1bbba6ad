/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * adler32_impl.h: the checksum of RFC 1950, 8.2. Two sums modulo 65521: `a` of the bytes, `b` of the values
 * of `a`.
 *
 * The modulo is taken once per block: 5552 is the most bytes after which `b` still fits 32 bits. Inside a
 * block the bytes of a vector enter `b` with their distance to its end as weight, and the sum of the
 * vectors before it once per byte. Included once by each kernels_*.c.
 */

enum { ADLER_BASE = 65521, ADLER_BLOCK = 5552 };

/* Adds a multiple of ADLER_STEP bytes, at most ADLER_BLOCK, to both sums; no modulo. What lies `ahead` of each
 * step is asked for. */
#if defined(VCD_WIDE_AVX512)

enum { ADLER_STEP = 64 };

VCD_INLINE void adler32_block(const uint8_t *data, size_t size, size_t ahead, uint32_t *a, uint32_t *b) {
    static const int8_t weights[64] = {
        64, 63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43,
        42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21,
        20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9,  8,  7,  6,  5,  4,  3,  2,  1,
    };
    const __m512i weight = _mm512_loadu_si512(weights);
    const __m512i ones = _mm512_set1_epi16(1);
    const __m512i zero = _mm512_setzero_si512();
    __m512i sum = zero;    /* of the bytes so far */
    __m512i before = zero; /* of `sum` as it was before each step */
    __m512i weighted = zero;
    for (size_t i = 0; i < size; i += ADLER_STEP) {
        VCD_PREFETCH(data + i + ahead);
        __m512i bytes = _mm512_loadu_si512(data + i);
        before = _mm512_add_epi32(before, sum);
        sum = _mm512_add_epi32(sum, _mm512_sad_epu8(bytes, zero));
        weighted = _mm512_add_epi32(weighted, _mm512_madd_epi16(_mm512_maddubs_epi16(bytes, weight), ones));
    }
    *b += *a * (uint32_t)size + ADLER_STEP * (uint32_t)_mm512_reduce_add_epi32(before) +
          (uint32_t)_mm512_reduce_add_epi32(weighted);
    *a += (uint32_t)_mm512_reduce_add_epi32(sum);
}

#elif defined(VCD_WIDE_AVX2)

enum { ADLER_STEP = 32 };

VCD_INLINE uint32_t horizontal_sum(__m256i lanes) {
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1));
    return (uint32_t)_mm_cvtsi128_si32(half);
}

VCD_INLINE void adler32_block(const uint8_t *data, size_t size, size_t ahead, uint32_t *a, uint32_t *b) {
    const __m256i weight = _mm256_setr_epi8(32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17,
                                            16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1);
    const __m256i ones = _mm256_set1_epi16(1);
    const __m256i zero = _mm256_setzero_si256();
    __m256i sum = zero;    /* of the bytes so far */
    __m256i before = zero; /* of `sum` as it was before each step */
    __m256i weighted = zero;
    for (size_t i = 0; i < size; i += ADLER_STEP) {
        VCD_PREFETCH(data + i + ahead);
        __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)(data + i));
        before = _mm256_add_epi32(before, sum);
        sum = _mm256_add_epi32(sum, _mm256_sad_epu8(bytes, zero));
        weighted = _mm256_add_epi32(weighted, _mm256_madd_epi16(_mm256_maddubs_epi16(bytes, weight), ones));
    }
    *b += *a * (uint32_t)size + ADLER_STEP * horizontal_sum(before) + horizontal_sum(weighted);
    *a += horizontal_sum(sum);
}

#elif defined(VCD_WIDE_NEON)

enum { ADLER_STEP = 16 };

VCD_INLINE void adler32_block(const uint8_t *data, size_t size, size_t ahead, uint32_t *a, uint32_t *b) {
    static const uint8_t weights[16] = {16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1};
    const uint8x8_t weight_low = vld1_u8(weights);
    const uint8x8_t weight_high = vld1_u8(weights + 8);
    uint32x4_t sum = vdupq_n_u32(0);    /* of the bytes so far */
    uint32x4_t before = vdupq_n_u32(0); /* of `sum` as it was before each step */
    uint32x4_t weighted = vdupq_n_u32(0);
    for (size_t i = 0; i < size; i += ADLER_STEP) {
        VCD_PREFETCH(data + i + ahead);
        uint8x16_t bytes = vld1q_u8(data + i);
        uint16x8_t products = vmull_u8(vget_low_u8(bytes), weight_low);
        products = vmlal_u8(products, vget_high_u8(bytes), weight_high);
        before = vaddq_u32(before, sum);
        sum = vpadalq_u16(sum, vpaddlq_u8(bytes));
        weighted = vpadalq_u16(weighted, products);
    }
    *b += *a * (uint32_t)size + ADLER_STEP * vaddvq_u32(before) + vaddvq_u32(weighted);
    *a += vaddvq_u32(sum);
}

#else

enum { ADLER_STEP = 8 };

VCD_INLINE void adler32_block(const uint8_t *data, size_t size, size_t ahead, uint32_t *a, uint32_t *b) {
    (void)ahead; /* steps so small would ask for every line many times */
    for (size_t i = 0; i < size; i += ADLER_STEP) {
        const uint8_t *p = data + i;
        *b +=
            8 * *a + 8U * p[0] + 7U * p[1] + 6U * p[2] + 5U * p[3] + 4U * p[4] + 3U * p[5] + 2U * p[6] + p[7];
        *a += (uint32_t)p[0] + p[1] + p[2] + p[3] + p[4] + p[5] + p[6] + p[7];
    }
}

#endif

static uint32_t adler32(uint32_t sum, const uint8_t *data, size_t size) {
    uint32_t a = sum & 0xffff;
    uint32_t b = sum >> 16;
    while (size > 0) {
        size_t block = size < ADLER_BLOCK ? size : ADLER_BLOCK;
        size_t whole = block - block % ADLER_STEP;
        adler32_block(data, whole, size - block < FETCH_AHEAD ? 0 : FETCH_AHEAD, &a, &b);
        for (size_t i = whole; i < block; i++) {
            a += data[i];
            b += a;
        }
        a %= ADLER_BASE;
        b %= ADLER_BASE;
        data += block;
        size -= block;
    }
    return b << 16 | a;
}
