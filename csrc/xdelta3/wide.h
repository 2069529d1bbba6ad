/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * wide.h: comparing bytes many at a time. Every function reads only the bytes it is given.
 */
#ifndef VCD_WIDE_H
#define VCD_WIDE_H

#include "internal.h"

/* Position of the first (lowest address) byte that is not zero; `difference` is not 0. */
VCD_INLINE unsigned first_byte(uint64_t difference) {
    return (unsigned)__builtin_ctzll(difference) / 8;
}

/* How many bytes at the end (highest address) are zero; `difference` is not 0. */
VCD_INLINE unsigned last_bytes(uint64_t difference) {
    return (unsigned)__builtin_clzll(difference) / 8;
}

/* Length of the common start of two runs of `max` bytes. */
VCD_INLINE size_t common_prefix(const uint8_t *a, const uint8_t *b, size_t max) {
    size_t i = 0;
    while (max - i >= 32) {
        uint64_t d0 = load_u64(a + i) ^ load_u64(b + i);
        uint64_t d1 = load_u64(a + i + 8) ^ load_u64(b + i + 8);
        uint64_t d2 = load_u64(a + i + 16) ^ load_u64(b + i + 16);
        uint64_t d3 = load_u64(a + i + 24) ^ load_u64(b + i + 24);
        if (VCD_UNLIKELY((d0 | d1 | d2 | d3) != 0)) {
            break;
        }
        i += 32;
    }
    while (max - i >= 8) {
        uint64_t difference = load_u64(a + i) ^ load_u64(b + i);
        if (difference != 0) {
            return i + first_byte(difference);
        }
        i += 8;
    }
    while (i < max && a[i] == b[i]) {
        i++;
    }
    return i;
}

/* Length of the common end of the `max` bytes before `a` and before `b`. */
VCD_INLINE size_t common_suffix(const uint8_t *a, const uint8_t *b, size_t max) {
    size_t i = 0;
    while (max - i >= 8) {
        uint64_t difference = load_u64(a - i - 8) ^ load_u64(b - i - 8);
        if (difference != 0) {
            return i + last_bytes(difference);
        }
        i += 8;
    }
    while (i < max && *(a - i - 1) == *(b - i - 1)) {
        i++;
    }
    return i;
}

/* One bit per equal byte of a word pair, the lowest address in bit 0. */
VCD_INLINE uint64_t equal_mask8(uint64_t a, uint64_t b) {
    const uint64_t low7 = UINT64_C(0x7f7f7f7f7f7f7f7f);
    uint64_t difference = a ^ b;
    uint64_t differs =
        ((difference & low7) + low7) | difference | low7; /* top bit of each byte set: differs */
    return (~differs >> 7) * UINT64_C(0x0102040810204080) >> 56;
}

/* One bit per equal byte of `size` <= 64 bytes. */
VCD_INLINE uint64_t equal_mask(const uint8_t *a, const uint8_t *b, size_t size) {
    uint64_t mask = 0;
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        mask |= equal_mask8(load_u64(a + i), load_u64(b + i)) << i;
    }
    for (; i < size; i++) {
        mask |= (uint64_t)(a[i] == b[i]) << i;
    }
    return mask;
}

#endif
