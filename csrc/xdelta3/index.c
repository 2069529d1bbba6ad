/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * index.c: where the blocks of a source are found.
 *
 * Every 2^stride_log2 bytes of the source a block begins; its first 16 bytes are its fingerprint. An encoder
 * that looks up the 16 bytes at each of 2^stride_log2 consecutive places of the target is sure to look up a
 * block if the target has one there, so any copy of stride + 15 bytes is found (unless its block lost its
 * slot).
 *
 *     header (64 bytes) | buckets of four 32-bit slots, about two slots a block
 *
 *     slot:   tag | block number + 1        0 = empty
 *
 * The fingerprint's 32-bit hash, times the number of buckets, is a fixed-point number: the bucket, and a
 * fraction whose top bits are the tag. Bucket and tag together keep the whole hash, so a slot that fits is
 * nearly always a hit, and a place without a match costs one cache line and no look at the source.
 *
 * Blocks are added from the front and never displaced: of equal blocks the first one stays, and what finds
 * its bucket full is left out. Blocks of one repeated byte are left out too: there are many and a RUN writes
 * them better.
 *
 * Nothing in the memory is believed: the number of buckets follows from source size and stride, and a slot is
 * only a hint where to compare. The layout is the machine's own byte order, noted in the header: it is a
 * cache, not an interchange format.
 */
#include "kernels.h"

#define INDEX_MAGIC "VCDINDEX"
enum { INDEX_VERSION = 2, INDEX_BYTE_ORDER = 0x01020304, STRIDE_LOG2_MIN = 4, STRIDE_LOG2_MAX = 24 };

struct index_header {
    char magic[8];
    uint32_t version;
    uint32_t byte_order;
    uint64_t source_size;
    uint64_t seed;
    uint32_t stride_log2;
    uint32_t reserved[7];
};

static_assert(sizeof(struct index_header) == 64, "slots start on a cache line");

static uint64_t block_count(uint64_t source_size, unsigned stride_log2) {
    return source_size < FINGERPRINT_SIZE ? 0 : ((source_size - FINGERPRINT_SIZE) >> stride_log2) + 1;
}

static uint64_t bucket_count(uint64_t blocks) {
    return blocks == 0 ? 0 : blocks / 2 + 1;
}

vcd_error vcd_index_size(uint64_t source_size, unsigned stride_log2, size_t *size) {
    VCD_CHECK(stride_log2 >= STRIDE_LOG2_MIN && stride_log2 <= STRIDE_LOG2_MAX, VCD_E_ARGUMENT);
    VCD_CHECK(source_size <= INT64_MAX, VCD_E_ARGUMENT);
    uint64_t blocks = block_count(source_size, stride_log2);
    VCD_CHECK(blocks < (uint64_t)1 << BLOCK_BITS_MAX, VCD_E_ARGUMENT);
    uint64_t bytes = sizeof(struct index_header) + bucket_count(blocks) * BUCKET_SLOTS * sizeof(uint32_t);
    VCD_CHECK(bytes <= SIZE_MAX, VCD_E_ARGUMENT);
    *size = (size_t)bytes;
    return VCD_OK;
}

unsigned vcd_index_stride(uint64_t source_size, unsigned stride_log2, size_t memory_max) {
    for (; stride_log2 <= STRIDE_LOG2_MAX; stride_log2++) {
        size_t size = 0;
        if (vcd_index_size(source_size, stride_log2, &size) == VCD_OK && size <= memory_max) {
            return stride_log2;
        }
    }
    return 0;
}

/* Unrelated keys from a seed (the finaliser of SplitMix64: Steele, Lea, Flood, OOPSLA 2014). */
static uint32_t derive_key(uint64_t seed, uint64_t number) {
    uint64_t z = seed + number * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ (z >> 31)) >> 32);
}

static unsigned bits_of(uint64_t value) {
    unsigned bits = 0;
    for (; value != 0; value >>= 1) {
        bits++;
    }
    return bits;
}

static const struct index_header *header_of(const void *memory) {
    return memory;
}

vcd_error vcd_source_view_open(struct source_view *view, const void *memory, size_t size,
                               const uint8_t *source, uint64_t source_size) {
    memset(view, 0, sizeof *view);
    view->source = source;
    view->source_size = source_size;
    if (memory == NULL) {
        return VCD_OK;
    }
    VCD_TRY(vcd_index_check(memory, size, source_size));
    const struct index_header *header = header_of(memory);
    uint64_t blocks = block_count(source_size, header->stride_log2);
    view->slots = (const uint32_t *)(header + 1);
    view->bucket_count = (uint32_t)bucket_count(blocks);
    view->block_mask = ((uint32_t)1 << bits_of(blocks)) - 1;
    view->stride_log2 = header->stride_log2;
    view->place_mask = ~(uint64_t)view->block_mask;
    for (unsigned i = 0; i < 4; i++) {
        view->key[i] = derive_key(header->seed, 1 + i);
    }
    return VCD_OK;
}

vcd_error vcd_index_check(const void *memory, size_t size, uint64_t source_size) {
    const struct index_header *header = header_of(memory);
    VCD_CHECK(size >= sizeof *header, VCD_E_INDEX);
    VCD_CHECK((uintptr_t)memory % 16 == 0, VCD_E_ARGUMENT);
    VCD_CHECK(memcmp(header->magic, INDEX_MAGIC, sizeof header->magic) == 0, VCD_E_INDEX);
    VCD_CHECK(header->version == INDEX_VERSION && header->byte_order == INDEX_BYTE_ORDER, VCD_E_INDEX);
    VCD_CHECK(header->source_size == source_size, VCD_E_INDEX);
    size_t expected = 0;
    VCD_CHECK(vcd_index_size(source_size, header->stride_log2, &expected) == VCD_OK, VCD_E_INDEX);
    VCD_CHECK(size == expected, VCD_E_INDEX);
    return VCD_OK;
}

vcd_error vcd_index_init(void *memory, size_t size, uint64_t source_size, unsigned stride_log2,
                         uint64_t seed) {
    size_t expected = 0;
    VCD_TRY(vcd_index_size(source_size, stride_log2, &expected));
    VCD_CHECK(size == expected && (uintptr_t)memory % 16 == 0, VCD_E_ARGUMENT);
    struct index_header *header = memory;
    memset(header, 0, sizeof *header);
    memcpy(header->magic, INDEX_MAGIC, sizeof header->magic);
    header->version = INDEX_VERSION;
    header->byte_order = INDEX_BYTE_ORDER;
    header->source_size = source_size;
    header->seed = seed;
    header->stride_log2 = stride_log2;
    return VCD_OK;
}

vcd_error vcd_index_add(void *memory, size_t size, const uint8_t *source, uint64_t source_size,
                        uint64_t begin, uint64_t end) {
    VCD_CHECK(begin <= end && end <= source_size, VCD_E_ARGUMENT);
    struct source_view view;
    VCD_CHECK(memory != NULL, VCD_E_ARGUMENT);
    VCD_TRY(vcd_source_view_open(&view, memory, size, source, source_size));
    uint32_t *slots = (uint32_t *)((struct index_header *)memory + 1);
    uint64_t blocks = block_count(source_size, view.stride_log2);
    uint64_t stride = (uint64_t)1 << view.stride_log2;
    uint64_t first = (begin + stride - 1) >> view.stride_log2;
    uint64_t last = (end + stride - 1) >> view.stride_log2;
    vcd_kernels()->index_blocks(&view, slots, first, last < blocks ? last : blocks);
    return VCD_OK;
}

/* Whether the 16 bytes at `sample` are a block of the source. */
static bool is_block(const struct source_view *view, const uint8_t *sample) {
    uint64_t place = find_place(view, load_u64(sample), load_u64(sample + 8));
    const uint32_t *bucket = view->slots + place_bucket(place);
    for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
        uint64_t offset = 0;
        if (slot_offset(view, bucket[i], place_tag(place), &offset) &&
            memcmp(view->source + offset, sample, FINGERPRINT_SIZE) == 0) {
            return true;
        }
    }
    return false;
}

/*
 * Whether a slot may hold one of `count` consecutive places from `sample` on. Without branches, so that many
 * lookups wait for memory together.
 */
static bool may_occur(const struct source_view *view, const uint8_t *sample, size_t count) {
    uint32_t fits = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t place = find_place(view, load_u64(sample + i), load_u64(sample + i + 8));
        const uint32_t *bucket = view->slots + place_bucket(place);
        for (unsigned j = 0; j < BUCKET_SLOTS; j++) {
            fits |= ((bucket[j] ^ place_tag(place)) & ~view->block_mask) == 0;
        }
    }
    return fits != 0;
}

/* Whether one of the stride consecutive places from `sample` on is a block of the source. */
static bool occurs(const struct source_view *view, const uint8_t *sample, size_t stride) {
    enum { AT_ONCE = 32 };
    for (size_t at = 0; at < stride; at += AT_ONCE) {
        size_t count = stride - at < AT_ONCE ? stride - at : AT_ONCE;
        if (VCD_LIKELY(!may_occur(view, sample + at, count))) {
            continue;
        }
        for (size_t i = 0; i < count; i++) {
            if (is_block(view, sample + at + i)) {
                return true;
            }
        }
    }
    return false;
}

enum { CACHE_LINE = 64 };

/* Ask for memory that will be needed nearly everywhere: in order it comes several times as fast as at random. */
static void fetch(const uint8_t *memory, size_t size) {
    for (size_t at = 0; at < size; at += CACHE_LINE) {
        VCD_PREFETCH(memory + at);
    }
}

vcd_error vcd_index_similarity(const void *memory, size_t size, const uint8_t *source, uint64_t source_size,
                               const uint8_t *sample, size_t sample_size, uint32_t places_max,
                               uint32_t *places, uint32_t *found) {
    VCD_CHECK(places_max != 0, VCD_E_ARGUMENT);
    struct source_view view;
    VCD_TRY(vcd_source_view_open(&view, memory, size, source, source_size));
    *places = 0;
    *found = 0;
    size_t stride = (size_t)1 << view.stride_log2;
    size_t span = stride + FINGERPRINT_SIZE - 1;
    if (view.bucket_count == 0 || sample_size < span) {
        return VCD_OK;
    }
    size_t step = (sample_size - span) / places_max + 1;
    step = step < span ? span : step;
    uint64_t lookups = (uint64_t)((sample_size - span) / step + 1) * stride;
    if (lookups >= size / CACHE_LINE) {
        fetch(memory, size);
    }
    for (size_t at = 0; at <= sample_size - span; at += step) {
        if (is_constant(load_u64(sample + at), load_u64(sample + at + 8))) {
            continue; /* padding says nothing about where the rest comes from */
        }
        *places += 1;
        *found += occurs(&view, sample + at, stride);
    }
    return VCD_OK;
}

void vcd_difference(const uint8_t *one, const uint8_t *other, uint8_t *out, size_t size) {
    for (size_t i = 0; i < size; i++) {
        out[i] = (uint8_t)(one[i] - other[i]);
    }
}
