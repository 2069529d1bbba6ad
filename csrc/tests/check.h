/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * check.h: what the C tests need. A failed check ends the process with its place; memory comes in blocks of
 * exactly the size asked for, so that the address sanitizer sees every byte too far.
 */
#ifndef VCD_CHECK_H
#define VCD_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                \
        }                                                                           \
    } while (0)

static inline void *take(size_t size) {
    void *memory = aligned_alloc(64, (size + 63) / 64 * 64);
    CHECK(memory != NULL);
    return memory;
}

/* A copy that ends where its block ends. */
static inline uint8_t *exactly(const uint8_t *data, size_t size) {
    uint8_t *copy = malloc(size > 0 ? size : 1);
    CHECK(copy != NULL);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    return copy;
}

/* xorshift64* (Vigna, 2016): reproducible bytes. */
static inline uint64_t next_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static inline size_t random_below(uint64_t *state, size_t bound) {
    return (size_t)(next_random(state) % bound);
}

#endif
