/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pair.h: a source and an edited target made from a seed, and the index of the source.
 */
#ifndef VCD_PAIR_H
#define VCD_PAIR_H

#include "check.h"
#include "vcdiff.h"

struct pair {
    uint8_t *source;
    size_t source_size;
    uint8_t *target;
    size_t target_size;
    void *index;
    size_t index_size;
};

static inline void fill(uint8_t *data, size_t size, uint64_t *state, unsigned alphabet) {
    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)random_below(state, alphabet);
    }
}

static inline void build_index(struct pair *pair, unsigned stride_log2) {
    CHECK(vcd_index_size(pair->source_size, stride_log2, &pair->index_size) == VCD_OK);
    pair->index = take(pair->index_size);
    memset(pair->index, 0, pair->index_size);
    CHECK(vcd_index_init(pair->index, pair->index_size, pair->source_size, stride_log2, 7) == VCD_OK);
    for (size_t at = 0; at < pair->source_size; at += 1000) {
        size_t end = at + 1000 < pair->source_size ? at + 1000 : pair->source_size;
        CHECK(vcd_index_add(pair->index, pair->index_size, pair->source, pair->source_size, at, end) ==
              VCD_OK);
    }
}

/* Pieces of the source, kept, moved or changed, with new bytes and runs between them. */
static inline struct pair make_pair(uint64_t seed, size_t most, unsigned stride_log2) {
    uint64_t state = seed * 2 + 1;
    unsigned alphabet = random_below(&state, 2) ? 256 : 3;
    struct pair pair = {0};
    pair.source_size = random_below(&state, most);
    pair.target_size = random_below(&state, most);
    pair.source = malloc(pair.source_size + 1);
    pair.target = malloc(pair.target_size + 1);
    CHECK(pair.source != NULL && pair.target != NULL);
    fill(pair.source, pair.source_size, &state, alphabet);
    for (size_t at = 0; at < pair.target_size;) {
        size_t size = 1 + random_below(&state, 1 + random_below(&state, most / 2 + 1));
        size = size < pair.target_size - at ? size : pair.target_size - at;
        size_t kind = random_below(&state, 4);
        if (kind == 0) {
            fill(pair.target + at, size, &state, 256);
        } else if (kind == 1) {
            memset(pair.target + at, (int)random_below(&state, 256), size);
        } else if (size <= pair.source_size) {
            size_t from = random_below(&state, pair.source_size - size + 1);
            memcpy(pair.target + at, pair.source + from, size);
            for (size_t i = 0; kind == 3 && i < size; i += 1 + random_below(&state, 60)) {
                pair.target[at + i] ^= 1;
            }
        } else {
            continue;
        }
        at += size;
    }
    /* Blocks that end with their last byte. */
    uint8_t *source = exactly(pair.source, pair.source_size);
    uint8_t *target = exactly(pair.target, pair.target_size);
    free(pair.source);
    free(pair.target);
    pair.source = source;
    pair.target = target;
    build_index(&pair, stride_log2);
    return pair;
}

static inline void free_pair(struct pair *pair) {
    free(pair->source);
    free(pair->target);
    free(pair->index);
}

#endif
