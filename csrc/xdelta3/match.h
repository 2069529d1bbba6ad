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
enum { FILL_BITS = 16, FILL_BITS_FEW = 14, NEARBY_BITS = 14 };

/* Four places, the newest first, each with a tag: two to a word, so that a fifth pushes the last one out. */
struct fill_bucket {
    uint64_t words[2];
};

struct fill_tables {
    struct fill_bucket near[1 << FILL_BITS];
    struct fill_bucket far[1 << FILL_BITS];
    uint16_t nearby[1 << NEARBY_BITS];
};

#endif
