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
    uint64_t place_mask; /* of a place what counts: the bucket, and the tag without block_mask */
    uint32_t key[4];
};

/*
 * A place, where to look for a block: in the upper half its bucket, in the lower one the tag that its slot
 * must carry in the bits outside block_mask.
 */
VCD_INLINE size_t place_bucket(uint64_t place) {
    return (size_t)(place >> 32) * BUCKET_SLOTS;
}

VCD_INLINE uint32_t place_tag(uint64_t place) {
    return (uint32_t)place;
}

/*
 * The place of the 16 bytes whose little-endian halves are `low` and `high`. Their four words are hashed as
 * in NH (RFC 4418, 5.2.2): the key is added and the products of pairs are summed up; vectors can do that.
 */
VCD_INLINE uint64_t find_place(const struct source_view *view, uint64_t low, uint64_t high) {
    uint64_t sum = (uint64_t)((uint32_t)low + view->key[0]) * ((uint32_t)(low >> 32) + view->key[1]) +
                   (uint64_t)((uint32_t)high + view->key[2]) * ((uint32_t)(high >> 32) + view->key[3]);
    uint32_t fingerprint = (uint32_t)(sum ^ sum >> 32);
    return (uint64_t)fingerprint * view->bucket_count & view->place_mask;
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
