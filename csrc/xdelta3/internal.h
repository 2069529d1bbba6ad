/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * internal.h: what the codec's files share. Checks, unaligned little-endian loads, VCDIFF integers, and the
 * format's constants with their section of RFC 3284.
 */
#ifndef VCD_INTERNAL_H
#define VCD_INTERNAL_H

#include "vcdiff.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

/* Broken input: leave with the error that names the broken rule. */
#define VCD_CHECK(condition, code) \
    do {                           \
        if (!(condition)) {        \
            return (code);         \
        }                          \
    } while (0)

/* Pass on an error from below. */
#define VCD_TRY(call)                     \
    do {                                  \
        vcd_error vcd_try_error = (call); \
        if (vcd_try_error != VCD_OK) {    \
            return vcd_try_error;         \
        }                                 \
    } while (0)

/* Broken program: never depends on input. */
#define VCD_ASSERT(condition) assert(condition)

#if defined(__GNUC__)
#define VCD_LIKELY(x) __builtin_expect(!!(x), 1)
#define VCD_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define VCD_PREFETCH(p) __builtin_prefetch(p)
#define VCD_INLINE static inline __attribute__((always_inline))
#else
#define VCD_LIKELY(x) (x)
#define VCD_UNLIKELY(x) (x)
#define VCD_PREFETCH(p) ((void)(p))
#define VCD_INLINE static inline
#endif

/* ---- file and window indicators (RFC 3284, 4.1, 4.2; two bits are xdelta3's) ---- */

enum {
    HEADER_SECONDARY = 0x01,
    HEADER_CODE_TABLE = 0x02,
    HEADER_APPLICATION = 0x04,

    WINDOW_SOURCE = 0x01,
    WINDOW_TARGET = 0x02,
    WINDOW_ADLER32 = 0x04,
};

/* Secondary compressor ids xdelta3 knows: DJW, LZMA, FGK. */
enum { SECONDARY_DJW = 1, SECONDARY_LZMA = 2, SECONDARY_FGK = 16 };

/* ---- instructions and addresses (RFC 3284, 5) ---- */

enum instruction { NOOP = 0, ADD = 1, RUN = 2, COPY = 3 };

enum { NEAR_SIZE = 4, SAME_SIZE = 3, SAME_SLOTS = SAME_SIZE * 256 };
enum {
    MODE_SELF = 0,
    MODE_HERE = 1,
    MODE_NEAR = 2,
    MODE_SAME = MODE_NEAR + NEAR_SIZE,
    MODE_COUNT = MODE_SAME + SAME_SIZE
};

/* One half of an opcode. Size 0 means that the size follows as an integer. */
struct half {
    uint8_t type;
    uint8_t size;
    uint8_t mode;
};

struct opcode {
    struct half first;
    struct half second;
};

/* The default instruction code table (RFC 3284, 5.6). */
extern const struct opcode vcd_code_table[256];

/* The addresses copied from lately; encoder and decoder keep the same one (RFC 3284, 5.1). */
struct address_cache {
    uint64_t near[NEAR_SIZE];
    uint64_t same[SAME_SLOTS];
    unsigned next;
};

VCD_INLINE void address_cache_update(struct address_cache *cache, uint64_t address) {
    cache->near[cache->next] = address;
    cache->next = (cache->next + 1) % NEAR_SIZE;
    cache->same[(uint32_t)address % SAME_SLOTS] = address; /* addresses are below 2^32 */
}

/* ---- integers: base 128, most significant digit first, a set high bit means more (RFC 3284, 2) ---- */

enum { VARINT_MAX = 10 };

VCD_INLINE size_t varint_size(uint64_t value) {
#if defined(__GNUC__)
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    return (bits + 6) / 7;
#else
    size_t size = 1;
    while (value >>= 7) {
        size++;
    }
    return size;
#endif
}

VCD_INLINE uint8_t *varint_write(uint8_t *out, uint64_t value) {
    uint8_t *end = out + varint_size(value);
    uint8_t *last = end - 1;
    *last = (uint8_t)(value & 0x7f);
    while (value >>= 7) {
        *--last = (uint8_t)(0x80 | (value & 0x7f));
    }
    return end;
}

/* A run of bytes being read. */
struct reader {
    const uint8_t *next;
    size_t left;
};

VCD_INLINE vcd_error read_byte(struct reader *in, uint8_t *value) {
    VCD_CHECK(in->left > 0, VCD_E_TRUNCATED);
    *value = *in->next++;
    in->left--;
    return VCD_OK;
}

/* Up to `digits` digits; the value must fit 64 bits (ten digits) or, with five digits, 32. */
VCD_INLINE vcd_error read_varint_digits(struct reader *in, unsigned digits, uint64_t max, uint64_t *value) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < digits; i++) {
        VCD_CHECK(i < in->left, VCD_E_TRUNCATED);
        uint8_t digit = in->next[i];
        VCD_CHECK(sum <= max >> 7, VCD_E_VARINT);
        sum = sum << 7 | (digit & 0x7f);
        if (!(digit & 0x80)) {
            in->next += i + 1;
            in->left -= i + 1;
            *value = sum;
            return VCD_OK;
        }
    }
    return VCD_E_VARINT;
}

/* Sizes, lengths and addresses are 32 bits in xdelta3, offsets into the source 64. */
VCD_INLINE vcd_error read_u32(struct reader *in, uint32_t *value) {
    uint64_t wide = 0;
    VCD_TRY(read_varint_digits(in, 5, UINT32_MAX, &wide));
    *value = (uint32_t)wide;
    return VCD_OK;
}

VCD_INLINE vcd_error read_u64(struct reader *in, uint64_t *value) {
    return read_varint_digits(in, VARINT_MAX, UINT64_MAX, value);
}

/* ---- memory ---- */

VCD_INLINE uint64_t load_u64(const uint8_t *p) {
    uint64_t value;
    memcpy(&value, p, sizeof value);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    return value;
}

VCD_INLINE void store_u64(uint8_t *p, uint64_t value) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    memcpy(p, &value, sizeof value);
}

#endif
