/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fill_impl.h: short copies, the second half of the thorough level.
 *
 * What match_impl.h found stays where it is long; the rest of the window, gaps and short copies together, is
 * gone through place by place. Candidates are the diagonals of the last copy and of the last long one, what
 * was found before, and what two small tables of four-way buckets remember, the newest first: the gaps of
 * this window so far (NEAR_HASH bytes, for copies from the target), and the source within reach of the
 * diagonal (FAR_HASH bytes, at every offset or every few), which slides along with the gaps. The copy is
 * taken that saves most bytes of plain VCDIFF, its opcode, size and address counted, unless the next place
 * saves more (lazy matching, as in RFC 1951, 4). Copies stay inside their gap.
 *
 * Near the diagonal copies are not only likelier but cheaper, too, since their addresses are near others'.
 * The source around a gap is hashed in proportion to it. What all this may cost is the caller's choice.
 *
 * A slot is only a hint: what is there is compared. An empty one is place 0. Included once by each
 * kernels_*.c, after match_impl.h.
 */
enum {
    NEAR_HASH = 4,
    FAR_HASH = 6,
    FAR_GAP_MIN = 12, /* shorter gaps do not make the source worth hashing */
    LINE_MIN = 32,
    LONG_ENOUGH = 64, /* no lazy matching from here on */
    ADDRESS_GUESS = 4,
    PLACE_BITS = 24, /* of a slot; the rest is a tag */
    FILL_WAYS = 4,
    DRY_STEP_LOG2 = 8,   /* a place more is passed over for each 256 bytes without a copy */
    LOOK_AHEAD = 12,     /* places whose buckets are fetched before they are needed, */
    FAR_LOOK_AHEAD = 64, /* and so for source bytes */
};

struct fill {
    const struct source_view *view;
    const uint8_t *target;
    size_t size;
    struct fill_tables *tables;
    const struct fill_effort *effort;
    const struct match_list *found; /* by find_matches */
    size_t next_found;              /* the first of them that does not end before here */
    struct match_list *out;
    uint64_t diagonal; /* source offset minus target offset of the last copy from the source, */
    uint64_t line;     /* and of the last one of LINE_MIN bytes */
    uint64_t far_next; /* source bytes before this one are in the table, back to */
    uint64_t far_begin;
    size_t literal; /* start of what no copy covers yet, in the gap */
    size_t gap_end;
    struct match recent[NEAR_SIZE]; /* the copies the near cache will hold */
    unsigned next_recent;
};

struct find {
    struct match match;
    int saved; /* bytes */
};

/* The first `count` bytes of eight, multiplied: bucket and tag are its top bits. */
VCD_INLINE uint32_t fill_hash(uint64_t bytes, unsigned count) {
    return (uint32_t)((bytes << (64 - 8 * count)) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

VCD_INLINE struct fill_bucket *near_bucket(const struct fill *fill, uint32_t hash) {
    return &fill->tables->near[hash >> (32 - fill->effort->near_bits)];
}

VCD_INLINE struct fill_bucket *far_bucket(const struct fill *fill, uint32_t hash) {
    return &fill->tables->far[hash >> (32 - fill->effort->far_bits)];
}

VCD_INLINE uint32_t tag_of(uint32_t hash) {
    return hash << FILL_FAR_BITS & ~((UINT32_C(1) << PLACE_BITS) - 1);
}

VCD_INLINE uint32_t way(const struct fill_bucket *bucket, unsigned i) {
    return (uint32_t)(bucket->words[i / 2] >> (i % 2 * 32));
}

/* Of a place the low PLACE_BITS are kept: all of one in the target. */
VCD_INLINE void remember(struct fill_bucket *bucket, uint32_t hash, uint64_t place) {
    uint32_t slot = tag_of(hash) | ((uint32_t)place & ((UINT32_C(1) << PLACE_BITS) - 1));
    bucket->words[1] = bucket->words[1] << 32 | bucket->words[0] >> 32;
    bucket->words[0] = bucket->words[0] << 32 | slot;
}

static void remember_target(struct fill *fill, size_t at) {
    if (fill->size - at >= 8) {
        uint32_t hash = fill_hash(load_u64(fill->target + at), NEAR_HASH);
        remember(near_bucket(fill, hash), hash, at);
    }
}

static void remember_source(struct fill *fill, uint64_t begin, uint64_t end) {
    const struct source_view *view = fill->view;
    unsigned step = fill->effort->step;
    uint64_t last = view->source_size < 8 ? 0 : view->source_size - 7;
    end = end < last ? end : last;
    if (begin >= fill->far_begin && begin <= fill->far_next) {
        begin = fill->far_next;
    } else {
        fill->far_begin = begin;
    }
    for (; begin < end; begin += step) {
        if (end - begin > FAR_LOOK_AHEAD) {
            uint64_t ahead = load_u64(view->source + begin + FAR_LOOK_AHEAD);
            VCD_PREFETCH(far_bucket(fill, fill_hash(ahead, FAR_HASH)));
        }
        uint32_t hash = fill_hash(load_u64(view->source + begin), FAR_HASH);
        remember(far_bucket(fill, hash), hash, begin);
    }
    fill->far_next = begin > fill->far_next || begin < fill->far_begin ? begin : fill->far_next;
}

/* Bytes the address will take: from a recent address, from here, or in full. */
static int address_cost(const struct fill *fill, const struct match *match) {
    size_t cost = match->kind == MATCH_TARGET ? varint_size(match->start - match->from) : ADDRESS_GUESS;
    for (unsigned i = 0; i < NEAR_SIZE; i++) {
        const struct match *recent = &fill->recent[i];
        if (recent->length > 0 && recent->kind == match->kind && match->from >= recent->from) {
            size_t distance = varint_size(match->from - recent->from);
            cost = distance < cost ? distance : cost;
        }
    }
    return (int)cost;
}

static void note_recent(struct fill *fill, const struct match *match) {
    if (match->kind == MATCH_SOURCE) {
        fill->diagonal = match->from - match->start;
        fill->line = match->length >= LINE_MIN ? fill->diagonal : fill->line;
    }
    if (match->kind != MATCH_RUN) {
        fill->recent[fill->next_recent] = *match;
        fill->next_recent = (fill->next_recent + 1) % NEAR_SIZE;
    }
}

/*
 * Bytes of opcodes and sizes that a copy costs. It makes two ADDs of one, or one where it begins or ends with
 * the literals; and a short ADD and a short copy have an opcode together.
 */
static int opcode_cost(const struct fill *fill, const struct match *match) {
    size_t literal = match->start - fill->literal;
    int cost = match->length <= 18 ? 1 : 2;
    cost += literal > 0;
    cost -= match->start + match->length == fill->gap_end;
    cost -= literal >= 1 && literal <= 4 && match->length <= 6;
    return cost;
}

static void consider(const struct fill *fill, struct find *best, struct match match) {
    int saved = (int)match.length - opcode_cost(fill, &match);
    if (saved - 1 <= best->saved) {
        return; /* however short the address is */
    }
    saved -= address_cost(fill, &match);
    if (saved > best->saved) {
        *best = (struct find){match, saved};
    }
}

/* Copies of fewer than NEAR_HASH bytes save nothing, and most candidates end there. */
VCD_INLINE bool starts_alike(const uint8_t *bytes, const uint8_t *others) {
    return (load_u64(bytes) ^ load_u64(others)) << (64 - 8 * NEAR_HASH) == 0;
}

/* The copy from the source at `from`, and up to `back` bytes before. */
static void consider_source(const struct fill *fill, struct find *best, size_t at, uint64_t from, size_t end,
                            size_t back) {
    uint64_t source_size = fill->view->source_size;
    if (from >= source_size || source_size - from < 8 ||
        !starts_alike(fill->target + at, fill->view->source + from)) {
        return;
    }
    size_t max = source_size - from < end - at ? (size_t)(source_size - from) : end - at;
    size_t length = common_prefix(fill->target + at, fill->view->source + from, max);
    while (back > 0 && at > fill->literal && from > 0 &&
           fill->target[at - 1] == fill->view->source[from - 1]) {
        back--, at--, from--, length++;
    }
    consider(fill, best, (struct match){from, (uint32_t)at, (uint32_t)length, MATCH_SOURCE});
}

/* What the index found and was too short to stay; or the rest of it. */
static void consider_found(struct fill *fill, struct find *best, size_t at, size_t end) {
    const struct match_list *found = fill->found;
    while (fill->next_found < found->count &&
           (size_t)found->items[fill->next_found].start + found->items[fill->next_found].length <= at) {
        fill->next_found++;
    }
    if (fill->next_found < found->count) {
        const struct match *match = &found->items[fill->next_found];
        if (match->kind == MATCH_SOURCE && match->start <= at) {
            consider_source(fill, best, at, match->from + (at - match->start), end, 0);
        }
    }
}

/* The copy at `at`, or a little before, ending at most at `end`, that saves most. Eight bytes can be read. */
static struct find find_best(struct fill *fill, size_t at, size_t end, bool far) {
    struct find best = {.saved = 0};
    const uint8_t *target = fill->target;
    uint64_t bytes = load_u64(target + at);
    const uint32_t place_mask = (UINT32_C(1) << PLACE_BITS) - 1;
    uint32_t hash = fill_hash(bytes, NEAR_HASH);
    const struct fill_bucket *near = near_bucket(fill, hash);
    for (unsigned i = 0; i < FILL_WAYS; i++) {
        size_t from = way(near, i) & place_mask;
        if ((way(near, i) & ~place_mask) != tag_of(hash) || from >= at ||
            !starts_alike(target + at, target + from)) {
            continue;
        }
        size_t length = common_prefix(target + at, target + from, end - at);
        consider(fill, &best, (struct match){from, (uint32_t)at, (uint32_t)length, MATCH_TARGET});
    }
    consider_source(fill, &best, at, at + fill->diagonal, end, 0);
    if (fill->line != fill->diagonal) {
        consider_source(fill, &best, at, at + fill->line, end, 0);
    }
    consider_found(fill, &best, at, end);
    if (!far) {
        return best;
    }
    hash = fill_hash(bytes, FAR_HASH);
    const struct fill_bucket *bucket = far_bucket(fill, hash);
    for (unsigned i = 0; i < FILL_WAYS; i++) {
        /* The last place before far_next that has these low bits. */
        uint64_t from = fill->far_next - 1 - ((fill->far_next - 1 - way(bucket, i)) & place_mask);
        if ((way(bucket, i) & ~place_mask) == tag_of(hash)) {
            consider_source(fill, &best, at, from, end, fill->effort->step - 1);
        }
    }
    return best;
}

/* Short gaps are many, and each worth less of the source. */
static void slide(struct fill *fill, size_t at, size_t end) {
    uint64_t reach = (uint64_t)(end - at) * fill->effort->reach_per_byte;
    reach = reach < fill->effort->reach ? reach : fill->effort->reach;
    uint64_t from = at + fill->line;
    if (from < fill->view->source_size) {
        remember_source(fill, from < reach ? 0 : from - reach, end + fill->line + reach);
    }
}

static vcd_error fill_gap(struct fill *fill, size_t at, size_t end) {
    enum { STRETCH = 1 << 14 }; /* of the gap for which the source is remembered at once */
    bool far = end - at >= FAR_GAP_MIN;
    size_t slid = at;
    size_t dry_since = at;
    fill->literal = at;
    fill->gap_end = end;
    struct find known = {.saved = 0}; /* what is best at `at`, found from the place before */
    while (at < end) {
        if (far && at >= slid) {
            slid = end - at < STRETCH ? end : at + STRETCH;
            slide(fill, at, slid);
        }
        if (fill->size - at < 8 || end - at < NEAR_HASH) {
            break;
        }
        if (fill->size - at >= 8 + LOOK_AHEAD) {
            uint64_t ahead = load_u64(fill->target + at + LOOK_AHEAD);
            VCD_PREFETCH(near_bucket(fill, fill_hash(ahead, NEAR_HASH)));
            VCD_PREFETCH(far_bucket(fill, fill_hash(ahead, FAR_HASH)));
        }
        struct find best = known.saved > 0 ? known : find_best(fill, at, end, far);
        known.saved = 0;
        remember_target(fill, at);
        if (best.saved > 0 && best.match.length < LONG_ENOUGH && fill->size - at > 8 && at + 1 < end) {
            struct find next = find_best(fill, at + 1, end, far);
            if (next.saved > best.saved) {
                known = next;
                at++;
                continue;
            }
        }
        if (best.saved <= 0) {
            at += 1 + ((at - dry_since) >> DRY_STEP_LOG2);
            at = at < end ? at : end;
            continue;
        }
        VCD_TRY(append(fill->out, best.match));
        note_recent(fill, &best.match);
        while (++at < (size_t)best.match.start + best.match.length) {
            remember_target(fill, at);
        }
        fill->literal = dry_since = at;
    }
    for (; at < end; at++) {
        remember_target(fill, at);
    }
    return VCD_OK;
}

/* `out` becomes `list` with more copies in its gaps. */
static vcd_error fill_gaps(const struct source_view *view, const uint8_t *target, size_t size,
                           uint64_t position, const struct match_list *list, const struct fill_effort *effort,
                           struct fill_tables *tables, struct match_list *out) {
    struct fill state = {
        .view = view,
        .target = target,
        .size = size,
        .tables = tables,
        .effort = effort,
        .found = list,
        .out = out,
    };
    struct fill *fill = &state;
    out->count = 0;
    memset(tables->near, 0, sizeof *tables->near << effort->near_bits);
    memset(tables->far, 0, sizeof *tables->far << effort->far_bits);
    fill->diagonal = fill->line = position;
    size_t at = 0;
    size_t literal = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct match *match = &list->items[i];
        if (match->start - literal >= effort->bound) {
            VCD_TRY(fill_gap(fill, at, literal));
            at = match->start;
        }
        literal = (size_t)match->start + match->length;
        if (match->kind == MATCH_SOURCE && match->length < effort->keep_min) {
            continue; /* part of the gap: it may be found again, or something better */
        }
        VCD_TRY(fill_gap(fill, at, match->start));
        VCD_TRY(append(out, *match));
        note_recent(fill, match);
        at = literal;
    }
    return fill_gap(fill, at, size - literal >= effort->bound ? literal : size);
}
