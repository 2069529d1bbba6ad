/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * decode_work.h: one window on its way back to target bytes, as decode.c and decode_quick.h share it.
 */
#ifndef VCD_DECODE_WORK_H
#define VCD_DECODE_WORK_H

#include "decode.h"
#include "kernels.h"

/* What a walk over the instructions is for. */
enum pass {
    DECODE,          /* a plain window */
    DECODE_RESIDUAL, /* a residual one */
    MAKE_PLAIN,      /* its ADDs hold target bytes afterwards */
    MAKE_RESIDUAL,   /* they hold differences */
};

/* One window being decoded or converted. */
struct work {
    const uint8_t *source;
    uint64_t source_size;
    uint64_t segment_offset;
    uint64_t segment_length;
    uint8_t *out; /* DECODE: the target. MAKE: the byte at data.next in the window that is changed */
    size_t out_size;
    size_t done; /* target bytes so far */
    struct reader data;
    struct reader instructions;
    struct reader addresses;
    struct address_cache cache;
    uint64_t diagonal; /* address minus place in the window of the last source copy, or NO_DIAGONAL */
    size_t gap;        /* bytes added since then */
    const struct kernels *kernels; /* DECODE: NULL when there is no checksum to compare */
    uint32_t checksum;             /* what the header says */
    uint32_t sum;                  /* Adler-32 of target[0, summed) */
    size_t summed;
    vcd_pieces *pieces; /* DECODE: NULL when everything goes to `out` */
    size_t listed;      /* the pieces so far are target[0, listed) */
};

/* No address minus place comes near: one is below 2^32, the other below 2^25. */
#define NO_DIAGONAL ((uint64_t)1 << 40)

/* The checksum is taken of what was just written, while it is in cache. */
enum { SUM_STEP = 1 << 18 };

#endif
