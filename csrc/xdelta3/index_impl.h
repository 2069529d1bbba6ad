/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * index_impl.h: filling the index, and the places of many target offsets at once. See index.c for the layout.
 *
 * Both are bound by arithmetic as long as memory is asked for early enough: eight places are worked out at
 * once where vectors of eight 64-bit lanes, or two of four, are there, and a bucket is compared as a whole.
 *
 * Included once by each kernels_*.c, after wide.h.
 */
enum { PLACES_AT_ONCE = 8, BUCKETS_AT_ONCE = 16 };

#if defined(VCD_WIDE_AVX512)

/* find_place for eight blocks, one in each lane. */
VCD_INLINE __m512i find_places_wide(const struct source_view *view, __m512i low, __m512i high) {
    __m512i key = _mm512_broadcast_i32x4(_mm_loadu_si128((const void *)view->key));
    low = _mm512_add_epi32(low, _mm512_unpacklo_epi64(key, key));
    high = _mm512_add_epi32(high, _mm512_unpackhi_epi64(key, key));
    __m512i sum = _mm512_add_epi64(_mm512_mul_epu32(low, _mm512_srli_epi64(low, 32)),
                                   _mm512_mul_epu32(high, _mm512_srli_epi64(high, 32)));
    __m512i fingerprint = _mm512_xor_si512(sum, _mm512_srli_epi64(sum, 32));
    __m512i scaled = _mm512_mul_epu32(fingerprint, _mm512_set1_epi64(view->bucket_count));
    return _mm512_and_si512(scaled, _mm512_set1_epi64((int64_t)view->place_mask));
}

/* The places of eight consecutive offsets; reads 23 bytes. */
VCD_INLINE void find_places_along(const struct source_view *view, const uint8_t *data, uint64_t *places) {
    const __m512i from_0 =
        _mm512_set_epi64(0x0e0d0c0b0a090807, 0x0d0c0b0a09080706, 0x0c0b0a0908070605, 0x0b0a090807060504,
                         0x0a09080706050403, 0x0908070605040302, 0x0807060504030201, 0x0706050403020100);
    const __m512i from_1 = _mm512_add_epi8(from_0, _mm512_set1_epi8(1));
    __m512i begin = _mm512_broadcast_i32x4(_mm_loadu_si128((const void *)data));
    __m512i end = _mm512_broadcast_i32x4(_mm_loadu_si128((const void *)(data + 7)));
    __m512i found =
        find_places_wide(view, _mm512_shuffle_epi8(begin, from_0), _mm512_shuffle_epi8(end, from_1));
    _mm512_storeu_si512(places, found);
}

/* The places of eight blocks; returns a bit for each that is constant. */
VCD_INLINE unsigned find_places_of_blocks(const struct source_view *view, const uint8_t *data, size_t stride,
                                          uint64_t *places) {
    __m512i even = _mm512_castsi128_si512(_mm_loadu_si128((const void *)data));
    __m512i odd = _mm512_castsi128_si512(_mm_loadu_si128((const void *)(data + stride)));
    even = _mm512_inserti32x4(even, _mm_loadu_si128((const void *)(data + 2 * stride)), 1);
    odd = _mm512_inserti32x4(odd, _mm_loadu_si128((const void *)(data + 3 * stride)), 1);
    even = _mm512_inserti32x4(even, _mm_loadu_si128((const void *)(data + 4 * stride)), 2);
    odd = _mm512_inserti32x4(odd, _mm_loadu_si128((const void *)(data + 5 * stride)), 2);
    even = _mm512_inserti32x4(even, _mm_loadu_si128((const void *)(data + 6 * stride)), 3);
    odd = _mm512_inserti32x4(odd, _mm_loadu_si128((const void *)(data + 7 * stride)), 3);
    __m512i low = _mm512_unpacklo_epi64(even, odd);
    __m512i high = _mm512_unpackhi_epi64(even, odd);
    _mm512_storeu_si512(places, find_places_wide(view, low, high));
    return _mm512_cmpeq_epi64_mask(low, high) & _mm512_cmpeq_epi64_mask(low, _mm512_rol_epi64(low, 8));
}

#elif defined(VCD_WIDE_AVX2)

/* find_place for four blocks, one in each lane. */
VCD_INLINE __m256i find_places_wide(const struct source_view *view, __m256i low, __m256i high) {
    __m256i key = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)view->key));
    low = _mm256_add_epi32(low, _mm256_unpacklo_epi64(key, key));
    high = _mm256_add_epi32(high, _mm256_unpackhi_epi64(key, key));
    __m256i sum = _mm256_add_epi64(_mm256_mul_epu32(low, _mm256_srli_epi64(low, 32)),
                                   _mm256_mul_epu32(high, _mm256_srli_epi64(high, 32)));
    __m256i fingerprint = _mm256_xor_si256(sum, _mm256_srli_epi64(sum, 32));
    __m256i scaled = _mm256_mul_epu32(fingerprint, _mm256_set1_epi64x(view->bucket_count));
    return _mm256_and_si256(scaled, _mm256_set1_epi64x((int64_t)view->place_mask));
}

/* The places of eight consecutive offsets; reads 23 bytes. */
VCD_INLINE void find_places_along(const struct source_view *view, const uint8_t *data, uint64_t *places) {
    const __m256i from_0 =
        _mm256_set_epi64x(0x0a09080706050403, 0x0908070605040302, 0x0807060504030201, 0x0706050403020100);
    for (unsigned i = 0; i < PLACES_AT_ONCE; i += 4) {
        __m256i shift = _mm256_set1_epi8((char)i);
        __m256i begin = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)data));
        __m256i end = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)(data + 7)));
        __m256i low = _mm256_shuffle_epi8(begin, _mm256_add_epi8(from_0, shift));
        shift = _mm256_set1_epi8((char)(i + 1));
        __m256i high = _mm256_shuffle_epi8(end, _mm256_add_epi8(from_0, shift));
        _mm256_storeu_si256((void *)(places + i), find_places_wide(view, low, high));
    }
}

/* The places of eight blocks; returns a bit for each that is constant. */
VCD_INLINE unsigned find_places_of_blocks(const struct source_view *view, const uint8_t *data, size_t stride,
                                          uint64_t *places) {
    const __m256i next_byte =
        _mm256_set_epi8(8, 15, 14, 13, 12, 11, 10, 9, 0, 7, 6, 5, 4, 3, 2, 1, /* twice */
                        8, 15, 14, 13, 12, 11, 10, 9, 0, 7, 6, 5, 4, 3, 2, 1);
    unsigned constant = 0;
    for (unsigned i = 0; i < PLACES_AT_ONCE; i += 4, data += 4 * stride) {
        __m256i even = _mm256_castsi128_si256(_mm_loadu_si128((const void *)data));
        __m256i odd = _mm256_castsi128_si256(_mm_loadu_si128((const void *)(data + stride)));
        even = _mm256_inserti128_si256(even, _mm_loadu_si128((const void *)(data + 2 * stride)), 1);
        odd = _mm256_inserti128_si256(odd, _mm_loadu_si128((const void *)(data + 3 * stride)), 1);
        __m256i low = _mm256_unpacklo_epi64(even, odd);
        __m256i high = _mm256_unpackhi_epi64(even, odd);
        _mm256_storeu_si256((void *)(places + i), find_places_wide(view, low, high));
        __m256i same = _mm256_and_si256(_mm256_cmpeq_epi64(low, high),
                                        _mm256_cmpeq_epi64(low, _mm256_shuffle_epi8(low, next_byte)));
        constant |= (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(same)) << i;
    }
    return constant;
}

#else

/* The places of eight consecutive offsets; reads 23 bytes. */
VCD_INLINE void find_places_along(const struct source_view *view, const uint8_t *data, uint64_t *places) {
    for (unsigned i = 0; i < PLACES_AT_ONCE; i++) {
        places[i] = find_place(view, load_u64(data + i), load_u64(data + i + 8));
    }
}

/* The places of eight blocks; returns a bit for each that is constant. */
VCD_INLINE unsigned find_places_of_blocks(const struct source_view *view, const uint8_t *data, size_t stride,
                                          uint64_t *places) {
    unsigned constant = 0;
    for (unsigned i = 0; i < PLACES_AT_ONCE; i++, data += stride) {
        uint64_t low = load_u64(data);
        uint64_t high = load_u64(data + 8);
        places[i] = find_place(view, low, high);
        constant |= (unsigned)is_constant(low, high) << i;
    }
    return constant;
}

#endif

#if defined(VCD_WIDE_AVX512) || defined(VCD_WIDE_AVX2)

/* One bit for each of the four slots that, as far as the mask goes, is `value`. */
VCD_INLINE unsigned slots_equal(const uint32_t *bucket, uint32_t mask, uint32_t value) {
    __m128i masked = _mm_and_si128(_mm_loadu_si128((const void *)bucket), _mm_set1_epi32((int32_t)mask));
    __m128i equal = _mm_cmpeq_epi32(masked, _mm_set1_epi32((int32_t)value));
    return (unsigned)_mm_movemask_ps(_mm_castsi128_ps(equal));
}

/* Put `value` first; the last one is lost. */
VCD_INLINE void slots_push(uint32_t *bucket, uint32_t value) {
    __m128i moved = _mm_slli_si128(_mm_loadu_si128((const void *)bucket), sizeof value);
    _mm_storeu_si128((void *)bucket, _mm_or_si128(moved, _mm_cvtsi32_si128((int32_t)value)));
}

#else

/* One bit for each of the four slots that, as far as the mask goes, is `value`. */
VCD_INLINE unsigned slots_equal(const uint32_t *bucket, uint32_t mask, uint32_t value) {
    unsigned equal = 0;
    for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
        equal |= (unsigned)((bucket[i] & mask) == value) << i;
    }
    return equal;
}

/* Put `value` first; the last one is lost. */
VCD_INLINE void slots_push(uint32_t *bucket, uint32_t value) {
    memmove(bucket + 1, bucket, (BUCKET_SLOTS - 1) * sizeof value);
    bucket[0] = value;
}

#endif

#if defined(VCD_WIDE_AVX512)

/* One bit for each of BUCKETS_AT_ONCE places that has a slot with its tag. */
VCD_INLINE unsigned buckets_fit_wide(const struct source_view *view, const uint64_t *places) {
    const __m512i each = _mm512_set_epi32(6, 6, 6, 6, 4, 4, 4, 4, 2, 2, 2, 2, 0, 0, 0, 0);
    const __m512i mask = _mm512_set1_epi32((int32_t)~view->block_mask);
    uint64_t fits = 0; /* four bits for each */
    for (unsigned i = 0; i < BUCKETS_AT_ONCE; i += 4) {
        const uint32_t *slots = view->slots;
        __m512i four =
            _mm512_castsi128_si512(_mm_loadu_si128((const void *)(slots + place_bucket(places[i]))));
        four =
            _mm512_inserti32x4(four, _mm_loadu_si128((const void *)(slots + place_bucket(places[i + 1]))), 1);
        four =
            _mm512_inserti32x4(four, _mm_loadu_si128((const void *)(slots + place_bucket(places[i + 2]))), 2);
        four =
            _mm512_inserti32x4(four, _mm_loadu_si128((const void *)(slots + place_bucket(places[i + 3]))), 3);
        __m512i tags = _mm512_castsi256_si512(_mm256_loadu_si256((const void *)(places + i)));
        __m512i differs = _mm512_xor_si512(four, _mm512_permutexvar_epi32(each, tags));
        fits |= (uint64_t)_mm512_testn_epi32_mask(differs, mask) << (4 * i);
    }
    fits |= fits >> 1;
    fits |= fits >> 2;
    return (unsigned)_pext_u64(fits, UINT64_C(0x1111111111111111));
}

#else

/* One bit for each of BUCKETS_AT_ONCE places that has a slot with its tag. */
VCD_INLINE unsigned buckets_fit_wide(const struct source_view *view, const uint64_t *places) {
    unsigned fits = 0;
    for (unsigned i = 0; i < BUCKETS_AT_ONCE; i++) {
        const uint32_t *bucket = view->slots + place_bucket(places[i]);
        fits |= (unsigned)(slots_equal(bucket, ~view->block_mask, place_tag(places[i])) != 0) << i;
    }
    return fits;
}

#endif

/* One bit for each of `count` <= BUCKETS_AT_ONCE places that has a slot with its tag. */
VCD_INLINE unsigned buckets_fit(const struct source_view *view, const uint64_t *places, size_t count) {
    if (VCD_LIKELY(count == BUCKETS_AT_ONCE)) {
        return buckets_fit_wide(view, places);
    }
    unsigned fits = 0;
    for (size_t i = 0; i < count; i++) {
        const uint32_t *bucket = view->slots + place_bucket(places[i]);
        fits |= (unsigned)(slots_equal(bucket, ~view->block_mask, place_tag(places[i])) != 0) << i;
    }
    return fits;
}

/* The places of `count` consecutive offsets; 15 bytes more than `count` can be read. */
static void find_places(const struct source_view *view, const uint8_t *data, size_t count, uint64_t *places) {
    size_t i = 0;
    for (; count - i >= PLACES_AT_ONCE; i += PLACES_AT_ONCE) {
        find_places_along(view, data + i, places + i);
    }
    for (; i < count; i++) {
        places[i] = find_place(view, load_u64(data + i), load_u64(data + i + 8));
    }
}

/* ---- filling ---- */

enum { INDEX_BATCH = 32 }; /* blocks, a whole number of PLACES_AT_ONCE */

/* Blocks on their way into the index: their buckets have been asked for. */
struct index_batch {
    uint64_t places[INDEX_BATCH];
    uint32_t blocks[INDEX_BATCH];
    unsigned count;
};

static void index_insert(const struct source_view *view, uint32_t *slots, const struct index_batch *batch) {
    for (unsigned i = 0; i < batch->count; i++) {
        uint32_t *bucket = slots + place_bucket(batch->places[i]);
        uint32_t tag = place_tag(batch->places[i]);
        unsigned empty = slots_equal(bucket, UINT32_MAX, 0);
        unsigned known = slots_equal(bucket, ~view->block_mask, tag) & ~empty;
        if (empty != 0 && known == 0) {
            bucket[__builtin_ctz(empty)] = tag | (batch->blocks[i] + 1);
        }
    }
}

/* Work out the places of `count` <= INDEX_BATCH blocks; those `fetch` blocks on are asked for. */
static void index_prepare(const struct source_view *view, const uint32_t *slots, uint64_t block,
                          unsigned count, unsigned fetch, struct index_batch *batch) {
    size_t stride = (size_t)1 << view->stride_log2;
    const uint8_t *data = view->source + (block << view->stride_log2);
    batch->count = 0;
    for (unsigned i = 0; i < count; i += PLACES_AT_ONCE, data += PLACES_AT_ONCE * stride) {
        uint64_t places[PLACES_AT_ONCE];
        unsigned wanted = count - i < PLACES_AT_ONCE ? count - i : PLACES_AT_ONCE;
        unsigned constant = 0;
        if (VCD_LIKELY(wanted == PLACES_AT_ONCE)) {
            constant = find_places_of_blocks(view, data, stride, places);
        } else {
            for (unsigned j = 0; j < wanted; j++) {
                uint64_t low = load_u64(data + j * stride);
                uint64_t high = load_u64(data + j * stride + 8);
                places[j] = find_place(view, low, high);
                constant |= (unsigned)is_constant(low, high) << j;
            }
        }
        for (unsigned j = 0; j < wanted; j++) {
            VCD_PREFETCH(data + (fetch + j) * stride);
            VCD_PREFETCH(slots + place_bucket(places[j]));
            batch->places[batch->count] = places[j];
            batch->blocks[batch->count] = (uint32_t)(block + i + j);
            batch->count += (constant >> j & 1) ^ 1;
        }
    }
}

/* One batch is worked out while the memory that the one before asked for arrives. */
static void index_blocks(const struct source_view *view, uint32_t *slots, uint64_t first, uint64_t last) {
    struct index_batch batches[2];
    batches[0].count = batches[1].count = 0;
    for (unsigned turn = 0; first < last; turn ^= 1) {
        unsigned count = last - first < INDEX_BATCH ? (unsigned)(last - first) : INDEX_BATCH;
        unsigned fetch = last - first > 3 * INDEX_BATCH ? 2 * INDEX_BATCH : 0;
        index_prepare(view, slots, first, count, fetch, &batches[turn]);
        index_insert(view, slots, &batches[turn ^ 1]);
        batches[turn ^ 1].count = 0;
        first += count;
    }
    index_insert(view, slots, &batches[0]);
    index_insert(view, slots, &batches[1]);
}
