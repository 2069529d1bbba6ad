/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * index.h: the source index as the encoder sees it. See index.c for the design.
 */
#ifndef VCD_INDEX_H
#define VCD_INDEX_H

#include "internal.h"

enum {
    FINGERPRINT_SIZE = 16, /* bytes of a block that are hashed */
    BUCKET_SLOTS = 4,      /* 16 bytes: a bucket never straddles a cache line */
    BLOCK_BITS_MAX = 28,   /* leaves at least four bits of a slot for the tag */
};

/* An index and its source, checked. */
struct source_view {
    const uint8_t *source;
    uint64_t source_size;
    const uint32_t *slots;
    uint32_t bucket_count; /* 0: there is nothing to find */
    uint32_t block_mask;
    unsigned stride_log2;
    uint64_t key[2];
};

/* Where to look for a block: its bucket, and the tag its slot must carry in the bits outside block_mask. */
struct place {
    uint32_t bucket;
    uint32_t tag;
};

/* High and low half of the 128-bit product, folded: every input bit reaches every output bit. */
VCD_INLINE uint64_t multiply_fold(uint64_t a, uint64_t b) {
#if defined(__SIZEOF_INT128__)
    __extension__ typedef unsigned __int128 u128;
    u128 product = (u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
    uint64_t a_low = (uint32_t)a;
    uint64_t a_high = a >> 32;
    uint64_t b_low = (uint32_t)b;
    uint64_t b_high = b >> 32;
    uint64_t cross = a_high * b_low + (a_low * b_low >> 32);
    uint64_t middle = a_low * b_high + (uint32_t)cross;
    return (a * b) ^ (a_high * b_high + (cross >> 32) + (middle >> 32));
#endif
}

/* The place of the 16 bytes whose little-endian halves are `low` and `high`. */
VCD_INLINE struct place find_place(const struct source_view *view, uint64_t low, uint64_t high) {
    uint32_t fingerprint = (uint32_t)(multiply_fold(low ^ view->key[0], high ^ view->key[1]) >> 32);
    uint64_t scaled = (uint64_t)fingerprint * view->bucket_count;
    struct place place = {(uint32_t)(scaled >> 32), (uint32_t)scaled & ~view->block_mask};
    return place;
}

/* Sixteen times the same byte. Such blocks are not in the index: a RUN writes them. */
VCD_INLINE bool is_constant(uint64_t low, uint64_t high) {
    return low == high && low == (low << 8 | low >> 56);
}

/* The offset a slot stands for when it may be the block looked for; what is there must still be compared. */
VCD_INLINE bool slot_offset(const struct source_view *view, uint32_t slot, uint32_t tag, uint64_t *offset) {
    uint32_t block = slot & view->block_mask;
    if (block == 0 || (slot & ~view->block_mask) != tag) {
        return false;
    }
    *offset = (uint64_t)(block - 1) << view->stride_log2;
    return *offset + FINGERPRINT_SIZE <= view->source_size;
}

/* Check `memory` and describe it. NULL memory is an index in which nothing is found. */
vcd_error vcd_source_view_open(struct source_view *view, const void *memory, size_t size,
                               const uint8_t *source, uint64_t source_size);

#endif
