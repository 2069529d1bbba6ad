/* SPDX-License-Identifier: GPL-2.0-only */
/* code_table.c: the default instruction code table, written out from the rows of RFC 3284, 5.6. */
#include "internal.h"

/* clang-format off */
#define SINGLE(type, size, mode) {{type, size, mode}, {NOOP, 0, 0}}
#define ADD_COPY(add, copy, mode) {{ADD, add, 0}, {COPY, copy, mode}}
#define COPY_ADD(mode) {{COPY, 4, mode}, {ADD, 1, 0}}

#define ADDS(s) SINGLE(ADD, s, 0)
#define COPIES(m)                                                                                       \
    SINGLE(COPY, 0, m), SINGLE(COPY, 4, m), SINGLE(COPY, 5, m), SINGLE(COPY, 6, m), SINGLE(COPY, 7, m),     \
    SINGLE(COPY, 8, m), SINGLE(COPY, 9, m), SINGLE(COPY, 10, m), SINGLE(COPY, 11, m), SINGLE(COPY, 12, m),  \
    SINGLE(COPY, 13, m), SINGLE(COPY, 14, m), SINGLE(COPY, 15, m), SINGLE(COPY, 16, m), SINGLE(COPY, 17, m), \
    SINGLE(COPY, 18, m)
#define ADD_COPY_456(add, m) ADD_COPY(add, 4, m), ADD_COPY(add, 5, m), ADD_COPY(add, 6, m)
#define ADD_1234_COPY_456(m) ADD_COPY_456(1, m), ADD_COPY_456(2, m), ADD_COPY_456(3, m), ADD_COPY_456(4, m)
#define ADD_1234_COPY_4(m) ADD_COPY(1, 4, m), ADD_COPY(2, 4, m), ADD_COPY(3, 4, m), ADD_COPY(4, 4, m)

const struct opcode vcd_code_table[256] = {
    /*   0 */ SINGLE(RUN, 0, 0),
    /*   1 */ ADDS(0), ADDS(1), ADDS(2), ADDS(3), ADDS(4), ADDS(5), ADDS(6), ADDS(7), ADDS(8), ADDS(9),
              ADDS(10), ADDS(11), ADDS(12), ADDS(13), ADDS(14), ADDS(15), ADDS(16), ADDS(17),
    /*  19 */ COPIES(0), COPIES(1), COPIES(2), COPIES(3), COPIES(4), COPIES(5), COPIES(6), COPIES(7),
              COPIES(8),
    /* 163 */ ADD_1234_COPY_456(0), ADD_1234_COPY_456(1), ADD_1234_COPY_456(2), ADD_1234_COPY_456(3),
              ADD_1234_COPY_456(4), ADD_1234_COPY_456(5),
    /* 235 */ ADD_1234_COPY_4(6), ADD_1234_COPY_4(7), ADD_1234_COPY_4(8),
    /* 247 */ COPY_ADD(0), COPY_ADD(1), COPY_ADD(2), COPY_ADD(3), COPY_ADD(4), COPY_ADD(5), COPY_ADD(6),
              COPY_ADD(7), COPY_ADD(8),
};
/* clang-format on */
