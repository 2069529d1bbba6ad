/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nearby_impl.h: short copies for long literals that look random.
 *
 * A compressor finds nothing in compressed data, so what comes after the encoder gains nothing from leaving
 * such literals whole. Yet an archive that was packed again has bits of a few bytes in common with the old
 * one, at nearly the same place, and where one is there are more. So 64 bytes are compared along the diagonal
 * of the last copy at once; and the source within NEARBY_REACH of it is hashed into a table small enough for
 * the first cache, which slides along with the literals, and in which all 64 are looked up.
 *
 * An entry holds a tag, so that the source is seldom looked at in vain; still it is only a hint, and what is
 * there is compared. Included once by each kernels_*.c, after match_impl.h.
 */
enum {
    NEARBY_HASH = 4,          /* bytes */
    NEARBY_MIN = 5,           /* shortest copy: in random data chance seldom gives as much */
    NEARBY_ALONG = 4,         /* shortest on the diagonal of the one before */
    NEARBY_REACH = 1 << 12,   /* twice as far finds no more in a wheel */
    NEARBY_STEP = 2,          /* every other offset of the source is hashed: most copies are longer */
    NEARBY_STRETCH = 1 << 10, /* of the target, for which the source is hashed at once */
    NEARBY_AT_ONCE = 16,      /* entries written or looked up together */
    NEARBY_PLACE = 0xffff,    /* of an entry: the low bits of a source offset; the others are the tag */
    NEARBY_READ = 40,         /* bytes that NEARBY_AT_ONCE entries may read, NEARBY_STEP apart */
};
#define NEARBY_MULTIPLIER UINT32_C(0x9e3779b1) /* a prime beside 2^32 divided by the golden ratio */

struct nearby {
    const struct source_view *view;
    const uint8_t *target;
    uint32_t *table;
    struct match_list *out;
    uint64_t diagonal; /* source offset minus target offset of the last copy */
    uint64_t begin;    /* the source from here */
    uint64_t next;     /* to here is in the table */
    size_t literal;    /* start of what no copy covers yet, */
    size_t end;        /* and the end of these literals */
};

/* Of a hash the top bits are the slot; moved up by as much, its next ones are the tag. */
#if defined(VCD_WIDE_AVX512)

/* Enter the NEARBY_AT_ONCE places from `place` on, `data` in the source. */
VCD_INLINE void nearby_enter(uint32_t *table, const uint8_t *data, uint64_t place) {
    static_assert(NEARBY_STEP == 2 && NEARBY_HASH == 4, "two bytes and the two after them");
    const __m512i steps = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)data));
    __m512i high = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)(data + 2)));
    __m512i bytes = _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
    __m512i hash = _mm512_mullo_epi32(bytes, _mm512_set1_epi32((int32_t)NEARBY_MULTIPLIER));
    __m512i places = _mm512_add_epi32(_mm512_set1_epi32((int32_t)place), steps);
    __m512i tags = _mm512_slli_epi32(hash, NEARBY_BITS);
    __m512i entries = _mm512_mask_blend_epi16(0x55555555, tags, places);
    /* Of two for the same slot the last one stays, as below. */
    _mm512_i32scatter_epi32(table, _mm512_srli_epi32(hash, 32 - NEARBY_BITS), entries, 4);
}

/* The entries of NEARBY_AT_ONCE consecutive offsets, and a bit for each that has the tag; reads 32 bytes. */
VCD_INLINE unsigned nearby_look(const uint32_t *table, const uint8_t *data, uint32_t *entries) {
    const __m512i words = _mm512_set_epi32(7, 6, 4, 3, 7, 6, 3, 2, 7, 6, 2, 1, 7, 6, 1, 0);
    const __m128i each = _mm_set_epi8(6, 5, 4, 3, 5, 4, 3, 2, 4, 3, 2, 1, 3, 2, 1, 0);
    __m512i loaded = _mm512_castsi256_si512(_mm256_loadu_si256((const void *)data));
    __m512i spread = _mm512_permutexvar_epi32(words, loaded); /* seven bytes for four offsets */
    __m512i bytes = _mm512_shuffle_epi8(spread, _mm512_broadcast_i32x4(each));
    __m512i hash = _mm512_mullo_epi32(bytes, _mm512_set1_epi32((int32_t)NEARBY_MULTIPLIER));
    __m512i found = _mm512_i32gather_epi32(_mm512_srli_epi32(hash, 32 - NEARBY_BITS), table, 4);
    __m512i differs = _mm512_xor_si512(found, _mm512_slli_epi32(hash, NEARBY_BITS));
    _mm512_storeu_si512(entries, found);
    return _mm512_cmple_epu32_mask(differs, _mm512_set1_epi32(NEARBY_PLACE));
}

#else

/* Enter the NEARBY_AT_ONCE places from `place` on, `data` in the source. */
VCD_INLINE void nearby_enter(uint32_t *table, const uint8_t *data, uint64_t place) {
    for (unsigned i = 0; i < NEARBY_AT_ONCE * NEARBY_STEP; i += NEARBY_STEP) {
        uint32_t hash = (uint32_t)load_u64(data + i) * NEARBY_MULTIPLIER;
        uint32_t tag = hash << NEARBY_BITS & ~(uint32_t)NEARBY_PLACE;
        table[hash >> (32 - NEARBY_BITS)] = tag | ((uint32_t)(place + i) & NEARBY_PLACE);
    }
}

/* The entries of NEARBY_AT_ONCE consecutive offsets, and a bit for each that has the tag; reads 32 bytes. */
VCD_INLINE unsigned nearby_look(const uint32_t *table, const uint8_t *data, uint32_t *entries) {
    unsigned fits = 0;
    for (unsigned i = 0; i < NEARBY_AT_ONCE; i++) {
        uint32_t hash = (uint32_t)load_u64(data + i) * NEARBY_MULTIPLIER;
        entries[i] = table[hash >> (32 - NEARBY_BITS)];
        fits |= (unsigned)((entries[i] ^ hash << NEARBY_BITS) <= NEARBY_PLACE) << i;
    }
    return fits;
}

#endif

/* Hash the source around the diagonal for target[at, end). */
static void nearby_slide(struct nearby *nearby, size_t at, size_t end) {
    const struct source_view *view = nearby->view;
    uint64_t from = at + nearby->diagonal;
    if (from >= view->source_size || view->source_size < NEARBY_READ) {
        return; /* before the start wraps to past the end */
    }
    uint64_t begin = from < NEARBY_REACH ? 0 : from - NEARBY_REACH;
    uint64_t limit = view->source_size - NEARBY_READ + 1;
    uint64_t until = from + (end - at) + NEARBY_REACH < limit ? from + (end - at) + NEARBY_REACH : limit;
    if (begin >= nearby->begin && begin <= nearby->next) {
        begin = nearby->next;
    } else {
        nearby->begin = begin;
    }
    for (; begin < until; begin += NEARBY_AT_ONCE * NEARBY_STEP) {
        nearby_enter(nearby->table, view->source + begin, begin);
    }
    nearby->next = begin;
}

/* Where, from `begin` to before `stop`, NEARBY_ALONG bytes along the diagonal are the same; or `stop`. */
static size_t nearby_along(const struct nearby *nearby, size_t begin, size_t stop) {
    uint64_t from = begin + nearby->diagonal;
    if (from >= nearby->view->source_size) {
        return stop;
    }
    uint64_t left = nearby->view->source_size - from;
    size_t size = nearby->end - begin < BATCH ? nearby->end - begin : BATCH;
    size = left < size ? (size_t)left : size;
    uint64_t runs = equal_mask(nearby->target + begin, nearby->view->source + from, size);
    static_assert(NEARBY_ALONG == 4, "what shifts by 1 and 2 leave");
    runs &= runs >> 1;
    runs &= runs >> 2;
    size_t first = runs != 0 ? begin + (unsigned)__builtin_ctzll(runs) : stop;
    return first < stop ? first : stop;
}

/* Whether a copy begins at (at, from), or a byte before; eight bytes can be read there. */
static bool nearby_fits(const struct nearby *nearby, size_t at, uint64_t from) {
    if (from > nearby->view->source_size - 8) {
        return false; /* so does what is from before the start */
    }
    const uint8_t *target = nearby->target + at;
    const uint8_t *source = nearby->view->source + from;
    uint64_t differs = load_u64(target) ^ load_u64(source);
    static_assert(NEARBY_MIN == NEARBY_HASH + 1, "what is hashed, and a byte on either side");
    return differs << (64 - 8 * NEARBY_HASH) == 0 &&
           (differs << (64 - 8 * NEARBY_MIN) == 0 ||
            (at > nearby->literal && from > 0 && *(target - 1) == *(source - 1)));
}

/* Take the copy that begins at (at, from), made longer both ways inside the literals. */
static vcd_error nearby_take(struct nearby *nearby, size_t at, uint64_t from) {
    const uint8_t *source = nearby->view->source;
    size_t back_max = from < at - nearby->literal ? (size_t)from : at - nearby->literal;
    size_t back = common_suffix(nearby->target + at, source + from, back_max);
    uint64_t left = nearby->view->source_size - from;
    size_t length_max = left < nearby->end - at ? (size_t)left : nearby->end - at;
    size_t length = common_prefix(nearby->target + at, source + from, length_max);
    struct match match = {from - back, (uint32_t)(at - back), (uint32_t)(back + length), MATCH_SOURCE};
    nearby->diagonal = from - at;
    nearby->literal = at + length;
    return append(nearby->out, match);
}

/* The copies that begin in target[begin, stop), BATCH bytes or what is left of the literals. */
static vcd_error nearby_batch(struct nearby *nearby, size_t begin, size_t stop) {
    uint32_t entries[BATCH];
    uint64_t fits = 0;
    for (unsigned i = 0; i < BATCH && nearby->end - begin >= i + 32; i += NEARBY_AT_ONCE) {
        fits |= (uint64_t)nearby_look(nearby->table, nearby->target + begin + i, entries + i) << i;
    }
    for (size_t at = begin; at < stop; at = nearby->literal) {
        size_t back = at - nearby->literal < NEARBY_ALONG - 1 ? at - nearby->literal : NEARBY_ALONG - 1;
        size_t start = nearby_along(nearby, at - back, stop);
        uint64_t from = start + nearby->diagonal;
        for (fits &= UINT64_MAX << (at - begin); fits != 0; fits &= fits - 1) {
            unsigned i = (unsigned)__builtin_ctzll(fits);
            uint64_t hint = nearby->next - (uint16_t)(nearby->next - entries[i]);
            if (begin + i >= start) {
                break;
            }
            if (nearby_fits(nearby, begin + i, hint)) {
                start = begin + i;
                from = hint;
                break;
            }
        }
        if (start == stop) {
            break;
        }
        VCD_TRY(nearby_take(nearby, start, from));
    }
    return VCD_OK;
}

/* Copies in the literals target[at, end). */
static vcd_error nearby_literals(struct nearby *nearby, size_t at, size_t end) {
    size_t slid = at;
    nearby->literal = at;
    nearby->end = end;
    while (at < end) {
        if (at >= slid) {
            slid = end - at < NEARBY_STRETCH ? end : at + NEARBY_STRETCH;
            nearby_slide(nearby, at, slid);
        }
        size_t stop = end - at < BATCH ? end : at + BATCH;
        VCD_TRY(nearby_batch(nearby, at, stop));
        at = nearby->literal > stop ? nearby->literal : stop;
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
    nearby->diagonal = position;
    size_t at = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct match *match = &list->items[i];
        if (match->start - at >= bound && view->source_size >= 8) {
            VCD_TRY(nearby_literals(nearby, at, match->start));
        }
        VCD_TRY(append(out, *match));
        if (match->kind == MATCH_SOURCE) {
            nearby->diagonal = match->from - match->start;
        }
        at = (size_t)match->start + match->length;
    }
    if (size - at >= bound && view->source_size >= 8) {
        VCD_TRY(nearby_literals(nearby, at, size));
    }
    return VCD_OK;
}
