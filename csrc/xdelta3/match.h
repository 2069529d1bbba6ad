/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * match.h: which parts of a target window can be copied. See match_impl.h for the search.
 */
#ifndef VCD_MATCH_H
#define VCD_MATCH_H

#include "index.h"

enum match_kind { MATCH_SOURCE, MATCH_TARGET, MATCH_RUN };

/* target[start, start + length) comes from the source at `from`, from the target at `from`, which is before
 * `start`, or is one byte over and over. */
struct match {
    uint64_t from;
    uint32_t start;
    uint32_t length;
    enum match_kind kind;
};

/* In order of `start`, never overlapping; what lies between them is literal. */
struct match_list {
    struct match *items;
    size_t count;
    size_t capacity;
};

/* What fill_gaps and fill_nearby remember; see fill_impl.h and nearby_impl.h. */
enum { FILL_NEAR_BITS = 16, FILL_FAR_BITS = 16, USED_BITS = 10, NEARBY_BITS = 13 };

/* How hard fill_gaps looks. */
struct fill_effort {
    size_t bound;            /* literals of so many bytes or more stay as they are */
    uint32_t keep_min;       /* shorter copies from the source are looked for again, among everything else */
    unsigned near_bits;      /* buckets that are used, as powers of two */
    unsigned far_bits;       /* (at most FILL_NEAR_BITS and FILL_FAR_BITS) */
    unsigned step;           /* every step-th offset of the source is hashed, a power of two: */
    unsigned reach_per_byte; /* so many bytes on either side of a gap, for each byte of it, */
    uint64_t reach;          /* at most */
    bool reuse;              /* try addresses that were used before, too: they are short in the plain form */
};

/* Four places, the newest first, each with a tag; a fifth pushes the last one out. */
struct fill_bucket {
    uint32_t slots[BUCKET_SLOTS];
};

struct fill_tables {
    struct fill_bucket near[1 << FILL_NEAR_BITS];
    struct fill_bucket far[1 << FILL_FAR_BITS];
    uint64_t same[SAME_SLOTS];     /* what the same cache will hold */
    uint64_t used[1 << USED_BITS]; /* addresses, by how the copies began */
    uint32_t nearby[1 << NEARBY_BITS];
};

#endif
