/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nearby_impl.h: short copies for long literals that look random.
 *
 * A compressor finds nothing in compressed data, so what comes after the encoder gains nothing from leaving
 * such literals whole. Yet an archive that was packed again has bits of a few bytes in common with the old
 * one, at nearly the same place. Here the source within NEARBY_REACH of the diagonal is hashed, at every
 * offset, into a table small enough for the first cache, which slides along with the literals; and the last
 * diagonal it led to is compared first.
 *
 * A slot is only a hint: what is there is compared. Included once by each kernels_*.c, after match_impl.h.
 */
enum {
    NEARBY_HASH = 5,          /* bytes, and the shortest copy: in random data chance seldom gives as many */
    NEARBY_ALONG = 4,         /* shortest copy on the diagonal of the one before */
    NEARBY_REACH = 1 << 13,   /* twice as far finds 1 % less literals in a wheel and takes longer */
    NEARBY_STEP = 2,          /* every other offset of the source is hashed: most copies are longer */
    NEARBY_STRETCH = 1 << 10, /* of the target, for which the source is hashed at once */
};

struct nearby {
    const struct source_view *view;
    const uint8_t *target;
    uint16_t *table; /* the low 16 bits of places */
    struct match_list *out;
    uint64_t diagonal; /* source offset minus target offset of the last copy, */
    uint64_t line;     /* and of the last one that was there before */
    uint64_t begin;    /* the source from here */
    uint64_t next;     /* to here is in the table */
};

VCD_INLINE size_t nearby_slot(uint64_t bytes) {
    return (size_t)((bytes << (64 - 8 * NEARBY_HASH)) * UINT64_C(0x9e3779b97f4a7c15) >> (64 - NEARBY_BITS));
}

/* Hash the source around the line for the target before `end`; `at` is where the last call ended. */
static void nearby_slide(struct nearby *nearby, size_t at, size_t end) {
    const struct source_view *view = nearby->view;
    uint64_t from = at + nearby->line;
    if (from >= view->source_size || view->source_size < 8) {
        return; /* before the start wraps to past the end */
    }
    uint64_t begin = from < NEARBY_REACH ? 0 : from - NEARBY_REACH;
    uint64_t limit = view->source_size - 7; /* where eight bytes can be read */
    uint64_t until = from + (end - at) + NEARBY_REACH < limit ? from + (end - at) + NEARBY_REACH : limit;
    if (begin >= nearby->begin && begin <= nearby->next) {
        begin = nearby->next;
    } else {
        nearby->begin = begin;
        nearby->next = begin;
    }
    uint16_t *table = nearby->table;
    const uint8_t *source = view->source;
    for (; begin < until; begin += NEARBY_STEP) {
        table[nearby_slot(load_u64(source + begin))] = (uint16_t)begin;
    }
    nearby->next = begin;
}

/* Whether the first `count` of the eight bytes at `from` are those of `bytes`. */
VCD_INLINE bool nearby_fits(const struct nearby *nearby, uint64_t bytes, uint64_t from, unsigned count) {
    return from <= nearby->view->source_size - 8 &&
           (bytes ^ load_u64(nearby->view->source + from)) << (64 - 8 * count) == 0;
}

/* Take the copy that begins at (at, from), made longer both ways inside [*literal, end). */
static vcd_error nearby_take(struct nearby *nearby, size_t at, uint64_t from, size_t *literal, size_t end) {
    const uint8_t *source = nearby->view->source;
    size_t back_max = from < at - *literal ? (size_t)from : at - *literal;
    size_t back = common_suffix(nearby->target + at, source + from, back_max);
    uint64_t left = nearby->view->source_size - from;
    size_t length =
        common_prefix(nearby->target + at, source + from, left < end - at ? (size_t)left : end - at);
    struct match match = {from - back, (uint32_t)(at - back), (uint32_t)(back + length), MATCH_SOURCE};
    nearby->diagonal = from - at;
    *literal = at + length;
    return append(nearby->out, match);
}

/* The literals target[at, end), and eight bytes can be read from each place but the last seven. */
static vcd_error nearby_literals(struct nearby *nearby, size_t at, size_t end) {
    size_t literal = at; /* start of what no copy covers yet */
    size_t slid = at;
    while (end - at >= 8) {
        if (at >= slid) {
            size_t until = end - at < NEARBY_STRETCH ? end : at + NEARBY_STRETCH;
            nearby_slide(nearby, at, until);
            slid = until;
        }
        uint64_t bytes = load_u64(nearby->target + at);
        uint16_t back = (uint16_t)(nearby->next - nearby->table[nearby_slot(bytes)]);
        if (nearby_fits(nearby, bytes, at + nearby->diagonal, NEARBY_ALONG)) {
            VCD_TRY(nearby_take(nearby, at, at + nearby->diagonal, &literal, end));
        } else if (back <= nearby->next && nearby_fits(nearby, bytes, nearby->next - back, NEARBY_HASH)) {
            VCD_TRY(nearby_take(nearby, at, nearby->next - back, &literal, end));
        }
        at = literal > at ? literal : at + 1;
    }
    return VCD_OK;
}

/* `out` becomes `list` with copies from nearby source in literals of `bound` bytes or more. */
static vcd_error fill_nearby(const struct source_view *view, const uint8_t *target, size_t size,
                             uint64_t position, const struct match_list *list, size_t bound,
                             struct fill_tables *tables, struct match_list *out) {
    struct nearby state = {.view = view, .target = target, .table = tables->nearby, .out = out};
    struct nearby *nearby = &state;
    out->count = 0;
    memset(tables->nearby, 0, sizeof tables->nearby);
    nearby->diagonal = nearby->line = position;
    size_t at = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct match *match = &list->items[i];
        if (match->start - at >= bound && view->source_size >= 8) {
            VCD_TRY(nearby_literals(nearby, at, match->start));
        }
        VCD_TRY(append(out, *match));
        if (match->kind == MATCH_SOURCE) {
            nearby->diagonal = nearby->line = match->from - match->start;
        }
        at = (size_t)match->start + match->length;
    }
    if (size - at >= bound && view->source_size >= 8) {
        VCD_TRY(nearby_literals(nearby, at, size));
    }
    return VCD_OK;
}
