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
 * The source around a gap is hashed in proportion to it. In text the same words come again, and one is best
 * copied from where it was copied from before: the same cache has that address in a byte. What all this may
 * cost is the caller's choice.
 *
 * A place takes some 75 ns, mostly waits and wrong guesses, so what can be is done without branches, a bucket
 * as one vector, and memory is asked for early.
 *
 * A slot is only a hint: what is there is compared. An empty one is place 0. Included once by each
 * kernels_*.c, after match_impl.h.
 */
enum {
    NEAR_HASH = 4,
    FAR_HASH = 6,
    USED_HASH = 6,    /* by these bytes of a copy its address is found again */
    FAR_GAP_MIN = 12, /* shorter gaps do not make the source worth hashing */
    LINE_MIN = 32,
    LONG_ENOUGH = 64,   /* no lazy matching from here on */
    PLACE_BITS = 24,    /* of a slot; the rest is a tag */
    DRY_STEP_LOG2 = 8,  /* a place more is passed over for each 256 bytes without a copy */
    LOOK_AHEAD = 12,    /* places whose buckets are fetched before they are needed, */
    FAR_BATCH = 16,     /* and so for source places, */
    SOURCE_AHEAD = 512, /* and source bytes: too few are hashed in a row for hardware to guess them */
};

/*
 * Addresses before the window's segment is known: those in the source as they are, those in the target from
 * TARGET_ADDRESS on, so that none is near one of the other kind, before or after it; nor is NO_ADDRESS.
 */
#define TARGET_ADDRESS (UINT64_C(1) << 62)
#define NO_ADDRESS (UINT64_C(3) << 62)
#define FAR_AWAY ((UINT64_C(1) << 28) - 1) /* from all recent ones: four bytes */

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
    uint64_t recent[NEAR_SIZE]; /* what the near cache will hold */
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

/* Of a place the low PLACE_BITS are kept: all of one in the target. */
VCD_INLINE void remember(struct fill_bucket *bucket, uint32_t hash, uint64_t place) {
    uint32_t slot = tag_of(hash) | ((uint32_t)place & ((UINT32_C(1) << PLACE_BITS) - 1));
    slots_push(bucket->slots, slot);
}

static void remember_target(struct fill *fill, size_t at) {
    if (fill->size - at >= 8) {
        uint32_t hash = fill_hash(load_u64(fill->target + at), NEAR_HASH);
        remember(near_bucket(fill, hash), hash, at);
    }
}

/* Hash up to FAR_BATCH places of the source from `begin` on and ask for their buckets; says how many. */
VCD_INLINE size_t hash_source(const struct fill *fill, uint64_t begin, uint64_t end, uint32_t *hashes) {
    unsigned step = fill->effort->step;
    const uint8_t *source = fill->view->source;
    if (fill->view->source_size - begin > SOURCE_AHEAD) {
        VCD_PREFETCH(source + begin + SOURCE_AHEAD);
    }
    size_t count = 0;
    for (; count < FAR_BATCH && begin < end; begin += step) {
        hashes[count] = fill_hash(load_u64(source + begin), FAR_HASH);
        VCD_PREFETCH(far_bucket(fill, hashes[count]));
        count++;
    }
    return count;
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
    struct fill_bucket *far = fill->tables->far;
    unsigned shift = 32 - fill->effort->far_bits;
    uint32_t hashes[2][FAR_BATCH]; /* of the places at hand, and of those after them */
    size_t count = begin < end ? hash_source(fill, begin, end, hashes[0]) : 0;
    for (unsigned turn = 0; count > 0; turn ^= 1) {
        uint64_t after = begin + count * step;
        size_t next = after < end ? hash_source(fill, after, end, hashes[turn ^ 1]) : 0;
        for (size_t i = 0; i < count; i++, begin += step) {
            uint32_t hash = hashes[turn][i];
            remember(&far[hash >> shift], hash, begin);
        }
        count = next;
    }
    fill->far_next = begin > fill->far_next || begin < fill->far_begin ? begin : fill->far_next;
}

VCD_INLINE uint64_t address_of(enum match_kind kind, uint64_t from) {
    return from + (kind == MATCH_TARGET ? TARGET_ADDRESS : 0);
}

/* Where the last copy that begins like this left its address. */
VCD_INLINE uint64_t *used_address(const struct fill *fill, uint64_t bytes) {
    return &fill->tables->used[fill_hash(bytes, USED_HASH) >> (32 - USED_BITS)];
}

/* Bytes the address will take: as one that was used, from a recent address, from here, or in full. */
VCD_INLINE int address_cost(const struct fill *fill, enum match_kind kind, size_t at, uint64_t from) {
    uint64_t address = address_of(kind, from);
    if (fill->effort->reuse && fill->tables->same[address % SAME_SLOTS] == address) {
        return 1;
    }
    uint64_t least = kind == MATCH_TARGET ? at - from : FAR_AWAY;
    for (unsigned i = 0; i < NEAR_SIZE; i++) {
        uint64_t distance = address - fill->recent[i]; /* of one before it wraps to far behind it */
        least = distance < least ? distance : least;
    }
    return (int)varint_size(least);
}

static void note_address(struct fill *fill, const struct match *match) {
    uint64_t address = address_of(match->kind, match->from);
    fill->recent[fill->next_recent] = address;
    fill->next_recent = (fill->next_recent + 1) % NEAR_SIZE;
    if (fill->effort->reuse) {
        fill->tables->same[address % SAME_SLOTS] = address;
        if (fill->size - match->start >= 8) {
            *used_address(fill, load_u64(fill->target + match->start)) = address;
        }
    }
}

static void note_copy(struct fill *fill, const struct match *match) {
    if (match->kind == MATCH_SOURCE) {
        fill->diagonal = match->from - match->start;
        fill->line = match->length >= LINE_MIN ? fill->diagonal : fill->line;
    }
    if (match->kind != MATCH_RUN) {
        note_address(fill, match);
    }
}

/*
 * Bytes of opcodes and sizes that a copy costs. It makes two ADDs of one, or one where it begins or ends with
 * the literals; and a short ADD and a short copy have an opcode together.
 */
VCD_INLINE int opcode_cost(const struct fill *fill, size_t at, size_t length) {
    size_t literal = at - fill->literal;
    int cost = length <= 18 ? 1 : 2;
    cost += literal > 0;
    cost -= at + length == fill->gap_end;
    cost -= literal >= 1 && literal <= 4 && length <= 6;
    return cost;
}

/*
 * What `best` becomes when there is a copy of `length` bytes for those at `at`, too. Field by field: a struct
 * that is copied right after it was made waits for its parts.
 */
static void consider(const struct fill *fill, struct find *best, enum match_kind kind, size_t at,
                     uint64_t from, size_t length) {
    int saved = (int)length - opcode_cost(fill, at, length);
    if (saved - 1 <= best->saved) {
        return; /* however short the address is */
    }
    saved -= address_cost(fill, kind, at, from);
    if (saved > best->saved) {
        best->saved = saved;
        best->match.from = from;
        best->match.start = (uint32_t)at;
        best->match.length = (uint32_t)length;
        best->match.kind = kind;
    }
}

/* Copies of fewer than NEAR_HASH bytes save nothing, and most candidates end there. */
VCD_INLINE bool starts_alike(const uint8_t *bytes, const uint8_t *others) {
    return (load_u64(bytes) ^ load_u64(others)) << (64 - 8 * NEAR_HASH) == 0;
}

/* Length of the common start of two runs of `max` bytes, eight of which can be read. */
VCD_INLINE size_t short_prefix(const uint8_t *a, const uint8_t *b, size_t max) {
    uint64_t differs = load_u64(a) ^ load_u64(b);
    size_t length = differs != 0 ? (unsigned)__builtin_ctzll(differs) / 8 : 8;
    return length < 8 || max <= 8 ? (length < max ? length : max) : 8 + common_prefix(a + 8, b + 8, max - 8);
}

static void consider_alike(const struct fill *fill, struct find *best, size_t at, uint64_t from, size_t end,
                           size_t back) {
    const uint8_t *target = fill->target;
    const uint8_t *source = fill->view->source;
    uint64_t left = fill->view->source_size - from;
    size_t max = left < end - at ? (size_t)left : end - at;
    size_t length = short_prefix(target + at, source + from, max);
    while (back > 0 && at > fill->literal && from > 0 && target[at - 1] == source[from - 1]) {
        back--, at--, from--, length++;
    }
    consider(fill, best, MATCH_SOURCE, at, from, length);
}

/* The copy from the source at `from`, and up to `back` bytes before. */
VCD_INLINE void consider_source(const struct fill *fill, struct find *best, size_t at, uint64_t from,
                                size_t end, size_t back) {
    uint64_t source_size = fill->view->source_size;
    if (from < source_size && source_size - from >= 8 &&
        starts_alike(fill->target + at, fill->view->source + from)) {
        consider_alike(fill, best, at, from, end, back);
    }
}

/* The copy from the target at `from`. */
VCD_INLINE void consider_target(const struct fill *fill, struct find *best, size_t at, size_t from,
                                size_t end) {
    const uint8_t *target = fill->target;
    if (from < at && starts_alike(target + at, target + from)) {
        consider(fill, best, MATCH_TARGET, at, from, short_prefix(target + at, target + from, end - at));
    }
}

/* What the index found and was too short to stay; or the rest of it. */
VCD_INLINE void consider_found(struct fill *fill, struct find *best, size_t at, size_t end) {
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

/* The copy that was made when a copy began like this one: SAME writes its address in a byte. */
VCD_INLINE void consider_used(const struct fill *fill, struct find *best, size_t at, uint64_t bytes,
                              size_t end) {
    uint64_t used = *used_address(fill, bytes);
    if (used < TARGET_ADDRESS) {
        consider_source(fill, best, at, used, end, 0);
    } else if (used != NO_ADDRESS) {
        consider_target(fill, best, at, (size_t)(used - TARGET_ADDRESS), end);
    }
}

/* The copy at `at`, or a little before, ending at most at `end`, that saves most. Eight bytes can be read. */
VCD_INLINE void find_best(struct fill *fill, size_t at, size_t end, bool with_far, struct find *best) {
    uint64_t bytes = load_u64(fill->target + at);
    const uint32_t place_mask = (UINT32_C(1) << PLACE_BITS) - 1;
    best->saved = 0;
    consider_source(fill, best, at, at + fill->diagonal, end, 0);
    if (fill->line != fill->diagonal) {
        consider_source(fill, best, at, at + fill->line, end, 0);
    }
    consider_found(fill, best, at, end);
    uint32_t hash = fill_hash(bytes, NEAR_HASH);
    const struct fill_bucket *near = near_bucket(fill, hash);
    for (unsigned fits = slots_equal(near->slots, ~place_mask, tag_of(hash)); fits != 0; fits &= fits - 1) {
        consider_target(fill, best, at, near->slots[__builtin_ctz(fits)] & place_mask, end);
    }
    if (fill->effort->reuse) {
        consider_used(fill, best, at, bytes, end);
    }
    if (!with_far) {
        return;
    }
    hash = fill_hash(bytes, FAR_HASH);
    const struct fill_bucket *far = far_bucket(fill, hash);
    for (unsigned fits = slots_equal(far->slots, ~place_mask, tag_of(hash)); fits != 0; fits &= fits - 1) {
        /* The last place before far_next that has these low bits. */
        uint64_t from =
            fill->far_next - 1 - ((fill->far_next - 1 - far->slots[__builtin_ctz(fits)]) & place_mask);
        consider_source(fill, best, at, from, end, fill->effort->step - 1);
    }
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
    struct find finds[2] = {{.saved = 0}, {.saved = 0}};
    struct find *best = &finds[0]; /* what was found at the place before, and */
    struct find *next = &finds[1]; /* what is found here */
    for (;;) {
        if (fill->size - at >= 8 && at < end && end - at >= NEAR_HASH) {
            if (far && at >= slid) {
                slid = end - at < STRETCH ? end : at + STRETCH;
                slide(fill, at, slid);
            }
            if (fill->size - at >= 8 + LOOK_AHEAD) {
                uint64_t ahead = load_u64(fill->target + at + LOOK_AHEAD);
                VCD_PREFETCH(near_bucket(fill, fill_hash(ahead, NEAR_HASH)));
                VCD_PREFETCH(far_bucket(fill, fill_hash(ahead, FAR_HASH)));
            }
            find_best(fill, at, end, far, next);
            if (next->saved > best->saved) {
                struct find *swapped = best;
                best = next;
                next = swapped;
                remember_target(fill, at++);
                if (best->match.length < LONG_ENOUGH) {
                    continue;
                }
            } else if (best->saved == 0) {
                remember_target(fill, at);
                at += 1 + ((at - dry_since) >> DRY_STEP_LOG2);
                at = at < end ? at : end;
                continue;
            }
        } else if (best->saved == 0) {
            break;
        }
        VCD_TRY(append(fill->out, best->match));
        note_copy(fill, &best->match);
        size_t behind = (size_t)best->match.start + best->match.length;
        for (; at < behind; at++) {
            remember_target(fill, at);
        }
        best->saved = 0;
        fill->literal = dry_since = at;
    }
    for (; at < end; at++) {
        remember_target(fill, at);
    }
    return VCD_OK;
}

static void clear_addresses(uint64_t *addresses, size_t count) {
    for (size_t i = 0; i < count; i++) {
        addresses[i] = NO_ADDRESS;
    }
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
    clear_addresses(fill->recent, NEAR_SIZE);
    clear_addresses(tables->same, SAME_SLOTS);
    clear_addresses(tables->used, (size_t)1 << USED_BITS);
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
        note_copy(fill, match);
        at = literal;
    }
    return fill_gap(fill, at, size - literal >= effort->bound ? literal : size);
}
