/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * match_impl.h: which parts of a target window can be copied from the source.
 *
 * New versions of a file are mostly old bytes in old order, so the search goes from cheap to dear:
 *
 *  1. Same diagonal. Where a copy ended, the bytes after the difference are most likely those that follow
 *     in the source at the same distance (a rebuilt binary changes addresses and keeps everything else). 64
 *     bytes of both sides are compared at once, and every run of a few equal bytes becomes a copy. No
 *     table is read.
 *  2. The index. The places of 64 consecutive target offsets are worked out and fetched together, then
 *     looked at in order; a slot that fits is compared with the source and extended both ways.
 *  3. Runs of one byte are noticed on the way, because the index has none of them.
 *
 * After DRY_MAX bytes without a good match only `stride` offsets out of a growing step are looked up:
 * enough to find any stretch that is longer than the step, and data that has nothing in common with the
 * source passes quickly. The diagonal is still compared everywhere, since that costs next to nothing as long
 * as both sides are asked for in time; the short copies it gives in densely changed data do not count as good.
 *
 * The diagonal is worth more than a short match elsewhere, which is mostly chance: leaving it must pay
 * (accept_hit), and as long as it looks right lookups wait. But tables look alike on many diagonals, so
 * after ALIKE_MAX bytes without a good match lookups go on, thinly. The first diagonal is the caller's hint.
 *
 * The window's checksum is made on the way: a stretch that has just been compared is still in cache, and
 * reading similar data from memory is most of what encoding it costs.
 *
 * Included once by each kernels_*.c, after adler32_impl.h, and compiled for its instruction set. What is
 * found is the same for all of them.
 */
enum {
    RESUME_MIN = 8,   /* shortest copy on a known diagonal: its address takes one or two bytes */
    RESUME_ALIKE = 4, /* shortest where at least */
    VERY_ALIKE = 44,  /* of 64 bytes are equal, so that it is not chance */
    BATCH = 64,       /* bytes per step, and lookups under way at once */
    RUN_MIN = 32,     /* shortest run of one byte worth interrupting the literals */
    GOOD_MIN = 32,    /* shorter copies do not make lookups worth while again */
    DRY_MAX = 1024,   /* bytes without a match before lookups thin out */
    STEP_MAX = 1024,  /* widest step then, */
    GIVING_UP = 256,  /* or a byte for so many without a match */
    ALIKE_MIN = 32,   /* equal bytes of 64 on the diagonal that make lookups wait, until */
    ALIKE_MAX = 2048, /* so many bytes had no good match */
    MARGIN = 8,       /* a short match elsewhere must be that much longer than what the diagonal has there */
    SUM_STEP = 1 << 18, /* bytes whose checksum is made at once: the second cache has room for them */
};

struct search {
    const struct source_view *view;
    const uint8_t *target;
    size_t size;
    struct match_list *list;
    unsigned dry_per_step; /* bytes without a match per byte of step */
    size_t literal;        /* start of what no match covers yet */
    size_t dry_since;      /* end of the last good match, and the short ones since then */
    uint64_t diagonal;     /* source offset minus target offset of the last copy, modulo 2^64 */
    bool on_diagonal;      /* there was a copy, or a hint */
    unsigned alike;        /* equal bytes among the last 64 compared along it */
    size_t summed;         /* of what is before this */
    uint32_t checksum;     /* is the checksum */
};

/* Add what was gone through to the checksum, some of it at a time; `end` may lie before what has been. */
VCD_INLINE void sum_until(struct search *search, size_t end) {
    if (VCD_UNLIKELY(end >= search->summed + SUM_STEP)) {
        search->checksum = adler32(search->checksum, search->target + search->summed, end - search->summed);
        search->summed = end;
    }
}

static vcd_error append(struct match_list *list, struct match match) {
    if (VCD_UNLIKELY(list->count == list->capacity)) {
        size_t capacity = list->capacity == 0 ? 1024 : list->capacity * 2;
        struct match *items = realloc(list->items, capacity * sizeof *items);
        VCD_CHECK(items != NULL, VCD_E_MEMORY);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = match;
    return VCD_OK;
}

/* Add a match that begins at or after search->literal. */
static vcd_error record(struct search *search, struct match match) {
    size_t end = (size_t)match.start + match.length;
    search->dry_since = match.length >= GOOD_MIN ? end : search->dry_since + match.length;
    search->literal = end;
    return append(search->list, match);
}

/* How many of `max` bytes from (at, from) on are equal. */
static size_t count_equal(struct search *search, size_t at, uint64_t from, size_t max) {
    size_t equal = 0;
    while (equal < max) {
        size_t step = max - equal < SUM_STEP ? max - equal : SUM_STEP;
        size_t found = common_prefix(search->target + at + equal, search->view->source + from + equal, step);
        equal += found;
        sum_until(search, at + equal);
        if (found < step) {
            break;
        }
    }
    return equal;
}

/* Record the copy that has `known` equal bytes at (at, from), as long as it can be made both ways. */
static vcd_error accept_copy(struct search *search, size_t at, uint64_t from, size_t known) {
    const uint8_t *target = search->target;
    const uint8_t *source = search->view->source;
    size_t back_max = at - search->literal;
    back_max = from < back_max ? (size_t)from : back_max;
    size_t back = common_suffix(target + at, source + from, back_max);
    uint64_t ahead_max = search->view->source_size - from;
    ahead_max = search->size - at < ahead_max ? search->size - at : ahead_max;
    size_t ahead = known + count_equal(search, at + known, from + known, (size_t)ahead_max - known);
    struct match match = {from - back, (uint32_t)(at - back), (uint32_t)(back + ahead), MATCH_SOURCE};
    search->diagonal = from - at;
    search->on_diagonal = true;
    return record(search, match);
}

static vcd_error accept_run(struct search *search, size_t at) {
    const uint8_t *target = search->target;
    uint8_t byte = target[at];
    size_t start = at;
    while (start > search->literal && target[start - 1] == byte) {
        start--;
    }
    /* Equal to itself one byte on: what is constant stays constant. */
    size_t length = at - start + 1 + common_prefix(target + at, target + at + 1, search->size - at - 1);
    if (length < RUN_MIN) {
        return VCD_OK;
    }
    struct match match = {0, (uint32_t)start, (uint32_t)length, MATCH_RUN};
    return record(search, match);
}

/*
 * Take every run of RESUME_MIN equal bytes among the 64 from `at` on along the diagonal. Programs change a
 * four-byte address here and there, and what lies between two is often shorter: there RESUME_ALIKE will do.
 */
static vcd_error follow_diagonal(struct search *search, size_t at) {
    uint64_t from = at + search->diagonal;
    if (from >= search->view->source_size) {
        return VCD_OK; /* before the start wraps to past the end */
    }
    size_t size = search->size - at < BATCH ? search->size - at : BATCH;
    size = search->view->source_size - from < size ? (size_t)(search->view->source_size - from) : size;
    if (search->size - at > FETCH_AHEAD && search->view->source_size - from > FETCH_AHEAD) {
        VCD_PREFETCH(search->target + at + FETCH_AHEAD);
        VCD_PREFETCH(search->view->source + from + FETCH_AHEAD);
    }
    uint64_t equal = equal_mask(search->target + at, search->view->source + from, size);
    search->alike = (unsigned)__builtin_popcountll(equal);
    uint64_t runs = equal & equal >> 1;
    runs &= runs >> 2;
    static_assert(RESUME_ALIKE == 4 && RESUME_MIN == 8, "what shifts by 1, 2 and 4 leave");
    if (search->alike < VERY_ALIKE) {
        runs &= runs >> 4;
    }
    while (runs != 0) {
        unsigned first = (unsigned)__builtin_ctzll(runs);
        uint64_t differs = ~(equal >> first);
        unsigned length = differs != 0 ? (unsigned)__builtin_ctzll(differs) : BATCH;
        if (first == 0 || first + length >= size) {
            VCD_TRY(accept_copy(search, at + first, from + first, length)); /* may go on outside */
        } else {
            struct match match = {from + first, (uint32_t)(at + first), length, MATCH_SOURCE};
            VCD_TRY(record(search, match));
        }
        if (first + length >= size) {
            break;
        }
        runs &= UINT64_MAX << (first + length);
    }
    return VCD_OK;
}

/* How many of `size` <= 64 target bytes from `at` on the source has, too, along `diagonal`. */
static unsigned count_alike(const struct search *search, size_t at, uint64_t diagonal, size_t size) {
    uint64_t from = at + diagonal;
    if (from >= search->view->source_size) {
        return 0;
    }
    size = search->size - at < size ? search->size - at : size;
    size = search->view->source_size - from < size ? (size_t)(search->view->source_size - from) : size;
    return (unsigned)__builtin_popcountll(equal_mask(search->target + at, search->view->source + from, size));
}

/*
 * Take what the index found, or leave it: to change the diagonal for a short match that is not much better
 * than what the diagonal has there loses what would have come after. A match that was taken and does not go
 * on as well as the old diagonal changes it for itself alone.
 */
static vcd_error accept_hit(struct search *search, size_t at, uint64_t from) {
    uint64_t old = search->diagonal;
    bool had_old = search->on_diagonal;
    if (had_old) {
        uint64_t ahead = search->view->source_size - from;
        ahead = search->size - at < ahead ? search->size - at : ahead;
        ahead = ahead < BATCH ? ahead : BATCH;
        size_t length = common_prefix(search->target + at, search->view->source + from, (size_t)ahead);
        if (length < BATCH && length < count_alike(search, at, old, length) + MARGIN) {
            return VCD_OK;
        }
    }
    VCD_TRY(accept_copy(search, at, from, FINGERPRINT_SIZE));
    if (had_old && count_alike(search, search->literal, old, BATCH) >=
                       count_alike(search, search->literal, search->diagonal, BATCH) + MARGIN) {
        search->diagonal = old;
    }
    return VCD_OK;
}

/* Take the block that the index has for the 16 bytes at `at`, if it is right and good. */
static vcd_error accept_place(struct search *search, size_t at, uint64_t place) {
    const struct source_view *view = search->view;
    const uint32_t *bucket = view->slots + place_bucket(place);
    unsigned fits = slots_equal(bucket, ~view->block_mask, place_tag(place));
    for (; fits != 0; fits &= fits - 1) {
        uint64_t from = 0;
        if (slot_offset(view, bucket[__builtin_ctz(fits)], place_tag(place), &from) &&
            memcmp(view->source + from, search->target + at, FINGERPRINT_SIZE) == 0) {
            return accept_hit(search, at, from);
        }
    }
    return VCD_OK;
}

/* Look up what `count` <= BATCH target offsets from `at` on were found at; 16 bytes can be read from each. */
static vcd_error probe(struct search *search, size_t at, size_t count) {
    const struct source_view *view = search->view;
    const uint8_t *target = search->target;
    uint64_t places[BATCH];
    find_places(view, target + at, count, places);
    for (size_t i = 0; i < count; i++) {
        VCD_PREFETCH(view->slots + place_bucket(places[i]));
    }
    for (size_t group = 0; group < count; group += BUCKETS_AT_ONCE) {
        size_t size = count - group < BUCKETS_AT_ONCE ? count - group : BUCKETS_AT_ONCE;
        for (unsigned fits = buckets_fit(view, places + group, size); fits != 0; fits &= fits - 1) {
            size_t i = group + (unsigned)__builtin_ctz(fits);
            size_t before = search->literal;
            VCD_TRY(accept_place(search, at + i, places[i]));
            if (search->literal != before) {
                return VCD_OK;
            }
        }
    }
    return VCD_OK;
}

/* How far to go on when nothing was found at `at`. */
static size_t step_from(const struct search *search, size_t at) {
    size_t dry = at - search->dry_since;
    if (dry < DRY_MAX) {
        return BATCH;
    }
    size_t step = dry / search->dry_per_step;
    size_t most = dry / GIVING_UP < STEP_MAX ? STEP_MAX : dry / GIVING_UP;
    return step < most ? step : most;
}

/* Everything cheap at `at`: the diagonal, a run of one byte. A match moves search->literal past it. */
static vcd_error try_cheap(struct search *search, size_t at) {
    size_t back = at - search->literal < RESUME_MIN - 1 ? at - search->literal : RESUME_MIN - 1;
    if (search->on_diagonal) {
        VCD_TRY(follow_diagonal(search, at - back));
    }
    if (search->literal <= at && search->size - at >= FINGERPRINT_SIZE) {
        const uint8_t *target = search->target + at;
        if (VCD_UNLIKELY(is_constant(load_u64(target), load_u64(target + 8)))) {
            VCD_TRY(accept_run(search, at));
        }
    }
    return VCD_OK;
}

/* After a cheap match: it was good, or the diagonal still looks right without good matches. */
static bool trusts_diagonal(const struct search *search) {
    const struct match *last = &search->list->items[search->list->count - 1];
    return last->length >= GOOD_MIN ||
           (search->alike >= ALIKE_MIN && search->literal - search->dry_since < ALIKE_MAX);
}

static vcd_error find_matches(const struct source_view *view, const uint8_t *target, size_t size,
                              uint64_t position, unsigned dry_per_step, struct match_list *list,
                              uint32_t *checksum) {
    struct search state = {
        .view = view,
        .target = target,
        .size = size,
        .list = list,
        .dry_per_step = dry_per_step,
        .diagonal = position,
        .on_diagonal = true,
        .checksum = ADLER32_NONE,
    };
    struct search *search = &state;
    list->count = 0;
    size_t stride = (size_t)1 << view->stride_log2;
    size_t at = 0;         /* everything before it has been compared along the diagonal */
    size_t next_probe = 0; /* lookups go on here */
    while (at < size) {
        VCD_TRY(try_cheap(search, at));
        if (search->literal > at) {
            at = search->literal;
            if (trusts_diagonal(search)) {
                next_probe = at;
            }
            if (at <= next_probe) {
                continue;
            }
        }
        if (view->bucket_count != 0 && at >= next_probe && size - at >= FINGERPRINT_SIZE) {
            size_t step = step_from(search, at);
            size_t wanted = step > BATCH ? stride : BATCH;
            size_t places = size - at - FINGERPRINT_SIZE + 1;
            wanted = wanted < places ? wanted : places;
            for (size_t done = 0; done < wanted && search->literal <= at; done += BATCH) {
                VCD_TRY(probe(search, at + done, wanted - done < BATCH ? wanted - done : BATCH));
            }
            next_probe = at + (step > wanted ? step : wanted);
            if (search->literal > at) {
                at = next_probe = search->literal;
                continue;
            }
        }
        at += BATCH < size - at ? BATCH : size - at;
        sum_until(search, at);
    }
    *checksum = adler32(search->checksum, target + search->summed, size - search->summed);
    return VCD_OK;
}
