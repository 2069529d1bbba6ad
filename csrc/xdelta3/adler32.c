/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * adler32.c: the checksum of RFC 1950, 8.2. Two sums modulo 65521: `a` of the bytes, `b` of the values of
 * `a`.
 *
 * The modulo is taken once per block: 5552 is the most bytes after which `b` still fits 32 bits. Inside a
 * block, eight bytes at a time enter with their weights, so that the compiler finds independent sums to work
 * on.
 */
#include "internal.h"

enum { ADLER_BASE = 65521, ADLER_BLOCK = 5552 };

uint32_t vcd_adler32(const uint8_t *data, size_t size) {
    uint32_t a = 1;
    uint32_t b = 0;
    while (size > 0) {
        size_t block = size < ADLER_BLOCK ? size : ADLER_BLOCK;
        size_t i = 0;
        for (; i + 8 <= block; i += 8) {
            const uint8_t *p = data + i;
            uint32_t low = (uint32_t)p[0] + p[1] + p[2] + p[3];
            uint32_t high = (uint32_t)p[4] + p[5] + p[6] + p[7];
            uint32_t weighted =
                8U * p[0] + 7U * p[1] + 6U * p[2] + 5U * p[3] + 4U * p[4] + 3U * p[5] + 2U * p[6] + p[7];
            b += 8 * a + weighted;
            a += low + high;
        }
        for (; i < block; i++) {
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
