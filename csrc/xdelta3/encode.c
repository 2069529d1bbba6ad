/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * encode.c: target bytes to VCDIFF windows.
 *
 * A window is made in three steps. match_impl.h says what can be copied. `plan` turns that into the
 * instruction and address sections, for which it must know the source segment: the narrowest that holds all
 * copies, since stock decoders read it through a small cache. Only then are all sizes known, and
 * `write_window` puts header and sections into the output, gathering the data section from the target.
 * Literals are thus moved once.
 *
 * Every buffer is sized before it is written, from bounds on what an instruction can take; the stream's own
 * buffer is only used when a window arrives in pieces.
 */
#include "kernels.h"

#include <stdlib.h>

enum {
    INSTRUCTIONS_PER_MATCH = 2 * (1 + 5), /* an ADD and a COPY or RUN, each an opcode and a size */
    ADDRESS_SIZE = 5,
    WINDOW_HEADER_MAX = 1 + 5 + VARINT_MAX + 5 + 5 + 1 + 3 * 5 + 4,
    SHORT_PIECE = 32, /* bytes of the target that are moved together, however few are wanted */
};

/* xdelta3 reads its source through 64 MiB of cache: copies within that much of each other are near. */
#define NEAR ((uint64_t)64 << 20)
enum { FAR_MIN = 32 };

/* Source segment plus target must stay below 2^32 (xdelta3 3.0.11). */
#define ADDRESS_SPACE ((uint64_t)UINT32_MAX)

const uint8_t vcd_file_header[VCD_FILE_HEADER_SIZE] = {0xd6, 0xc3, 0xc4, 0, 0};

/* Bytes with room to grow. */
struct buffer {
    uint8_t *data;
    size_t capacity;
};

struct vcd_encoder {
    const struct kernels *kernels;
    struct source_view view;
    size_t window_size;
    vcd_level level; /* of the stream */
    struct match_list matches;
    struct match_list filled;   /* VCD_THOROUGH: the matches, and short ones between them */
    struct fill_tables *tables; /* VCD_THOROUGH */
    struct buffer instructions;
    struct buffer addresses;
    struct buffer out;
    struct buffer pending; /* start of a window that has not all arrived */
    size_t pending_size;
    uint64_t position; /* target bytes in the windows made so far */
    bool started;      /* the file header is out */
    bool ended;        /* finished, or failed */
};

static vcd_error reserve(struct buffer *buffer, size_t size) {
    if (buffer->capacity < size) {
        free(buffer->data);
        buffer->capacity = 0;
        buffer->data = malloc(size);
        VCD_CHECK(buffer->data != NULL, VCD_E_MEMORY);
        buffer->capacity = size;
    }
    return VCD_OK;
}

/* ---- source segment ---- */

struct segment {
    uint64_t offset;
    uint64_t length; /* 0: no copies */
};

static struct segment segment_of(const struct match_list *matches) {
    uint64_t low = UINT64_MAX;
    uint64_t high = 0;
    for (size_t i = 0; i < matches->count; i++) {
        const struct match *match = &matches->items[i];
        if (match->kind == MATCH_SOURCE) {
            low = match->from < low ? match->from : low;
            high = match->from + match->length > high ? match->from + match->length : high;
        }
    }
    struct segment segment = {low, high - low};
    if (high == 0) {
        segment.offset = segment.length = 0;
    }
    return segment;
}

/*
 * The segment of at most `limit` bytes that holds the most copied bytes, of those that begin at the start
 * of `all` or a whole number of grains after it.
 */
static vcd_error best_segment(const struct match_list *matches, struct segment all, uint64_t limit,
                              struct segment *best) {
    enum { GRAINS_MIN = 4 };
    unsigned grain_log2 = 0; /* a power of two: there is a division for each match */
    while (limit >> grain_log2 >= 2 * GRAINS_MIN) {
        grain_log2++;
    }
    size_t grains = (size_t)(limit >> grain_log2);
    size_t count = (size_t)(all.length >> grain_log2) + 1;
    uint64_t *copied = calloc(count, sizeof *copied);
    VCD_CHECK(copied != NULL, VCD_E_MEMORY);
    for (size_t i = 0; i < matches->count; i++) {
        const struct match *match = &matches->items[i];
        if (match->kind == MATCH_SOURCE) {
            copied[(match->from - all.offset) >> grain_log2] += match->length;
        }
    }
    *best = (struct segment){all.offset, limit};
    uint64_t most = 0;
    uint64_t inside = 0;
    for (size_t i = 0; i < count; i++) {
        inside += copied[i];
        inside -= i >= grains ? copied[i - grains] : 0;
        if (inside > most) {
            most = inside;
            best->offset = all.offset + ((uint64_t)(i >= grains ? i - grains + 1 : 0) << grain_log2);
        }
    }
    free(copied);
    return VCD_OK;
}

/* Give up the copies that are not in the segment and are shorter than `shorter`. */
static void drop_outside(struct match_list *matches, struct segment segment, size_t shorter) {
    size_t kept = 0;
    for (size_t i = 0; i < matches->count; i++) {
        const struct match *match = &matches->items[i];
        uint64_t from = match->from - segment.offset; /* before the segment wraps to far behind it */
        bool inside = from <= segment.length && match->length <= segment.length - from;
        if (match->kind != MATCH_SOURCE || inside || match->length >= shorter) {
            matches->items[kept++] = *match;
        }
    }
    matches->count = kept;
}

/*
 * Keep the source segment narrow. Far from the others a short copy saves next to nothing and costs stock
 * decoders a read of their source; and what one window cannot address must go whatever its length.
 */
static vcd_error narrow(struct match_list *matches, size_t size, struct segment *segment) {
    *segment = segment_of(matches);
    struct segment best;
    if (segment->length > NEAR) {
        VCD_TRY(best_segment(matches, *segment, NEAR, &best));
        drop_outside(matches, best, FAR_MIN);
        *segment = segment_of(matches);
    }
    if (segment->length > ADDRESS_SPACE - size) {
        VCD_TRY(best_segment(matches, *segment, ADDRESS_SPACE - size, &best));
        drop_outside(matches, best, SIZE_MAX);
        *segment = segment_of(matches);
    }
    return VCD_OK;
}

/* ---- instructions ---- */

/* The sections being written, and what is needed to choose encodings. */
struct plan {
    uint8_t *instruction;
    uint8_t *address;
    struct address_cache cache;
    size_t data_size;
    vcd_form form;
};

static void put_add(struct plan *plan, uint32_t size) {
    if (size <= 17) {
        *plan->instruction++ = (uint8_t)(1 + size);
    } else {
        *plan->instruction++ = 1;
        plan->instruction = varint_write(plan->instruction, size);
    }
    plan->data_size += size;
}

static void put_run(struct plan *plan, uint32_t size) {
    *plan->instruction++ = 0;
    plan->instruction = varint_write(plan->instruction, size);
    plan->data_size += 1;
}

static void put_copy(struct plan *plan, uint32_t size, unsigned mode) {
    unsigned base = 19 + 16 * mode;
    if (size >= 4 && size <= 18) {
        *plan->instruction++ = (uint8_t)(base + size - 3);
    } else {
        *plan->instruction++ = (uint8_t)base;
        plan->instruction = varint_write(plan->instruction, size);
    }
}

/* One opcode for a short literal and the copy after it, where the table has it. */
static bool put_add_copy(struct plan *plan, uint32_t literal, uint32_t size, unsigned mode) {
    if (literal < 1 || literal > 4 || size < 4 || size > (mode < MODE_SAME ? 6 : 4)) {
        return false;
    }
    unsigned opcode = mode < MODE_SAME ? 163 + 12 * mode + 3 * (literal - 1) + (size - 4)
                                       : 235 + 4 * (mode - MODE_SAME) + (literal - 1);
    *plan->instruction++ = (uint8_t)opcode;
    plan->data_size += literal;
    return true;
}

/*
 * Write an address. What is to be compressed has it as the distance from here: up to four bytes, but the same
 * four for all copies on one diagonal, which a compressor writes once. The plain form takes the mode that
 * needs the fewest bytes, the lowest such mode.
 */
static unsigned put_address(struct plan *plan, uint64_t address, uint64_t here) {
    struct address_cache *cache = &plan->cache;
    if (plan->form != VCD_PLAIN) {
        plan->address = varint_write(plan->address, here - address);
        return MODE_HERE;
    }
    unsigned mode = MODE_SELF;
    uint64_t value = address;
    if (here - address < value) {
        mode = MODE_HERE;
        value = here - address;
    }
    for (unsigned i = 0; i < NEAR_SIZE; i++) {
        if (address >= cache->near[i] && address - cache->near[i] < value) {
            mode = MODE_NEAR + i;
            value = address - cache->near[i];
        }
    }
    unsigned slot = (unsigned)(address % SAME_SLOTS);
    if (value > 0x7f && cache->same[slot] == address) {
        mode = MODE_SAME + slot / 256;
        *plan->address++ = (uint8_t)(slot % 256);
    } else {
        plan->address = varint_write(plan->address, value);
    }
    address_cache_update(cache, address);
    return mode;
}

static void plan_match(struct plan *plan, const struct match *match, uint32_t literal,
                       struct segment segment) {
    if (match->kind == MATCH_RUN) {
        if (literal > 0) {
            put_add(plan, literal);
        }
        put_run(plan, match->length);
        return;
    }
    uint64_t address =
        match->kind == MATCH_TARGET ? segment.length + match->from : match->from - segment.offset;
    unsigned mode = put_address(plan, address, segment.length + match->start);
    if (!put_add_copy(plan, literal, match->length, mode)) {
        if (literal > 0) {
            put_add(plan, literal);
        }
        put_copy(plan, match->length, mode);
    }
}

/* ---- sections ---- */

struct sections {
    size_t data;
    size_t instructions;
    size_t addresses;
};

static vcd_error plan_window(struct vcd_encoder *encoder, vcd_form form, size_t size, struct segment segment,
                             struct sections *sections) {
    const struct match_list *matches = &encoder->matches;
    VCD_TRY(reserve(&encoder->instructions, (matches->count + 1) * INSTRUCTIONS_PER_MATCH));
    VCD_TRY(reserve(&encoder->addresses, (matches->count + 1) * ADDRESS_SIZE));
    struct plan plan = {
        .instruction = encoder->instructions.data,
        .address = encoder->addresses.data,
        .form = form,
    };
    size_t at = 0;
    for (size_t i = 0; i < matches->count; i++) {
        const struct match *match = &matches->items[i];
        plan_match(&plan, match, (uint32_t)(match->start - at), segment);
        at = match->start + match->length;
    }
    if (at < size) {
        put_add(&plan, (uint32_t)(size - at));
    }
    sections->data = plan.data_size;
    sections->instructions = (size_t)(plan.instruction - encoder->instructions.data);
    sections->addresses = (size_t)(plan.address - encoder->addresses.data);
    return VCD_OK;
}

static uint8_t *put_bytes(uint8_t *out, const uint8_t *data, size_t size) {
    if (size > 0) {
        memcpy(out, data, size);
    }
    return out + size;
}

static uint8_t *put_header(uint8_t *out, size_t size, struct segment segment,
                           const struct sections *sections) {
    size_t after_length = varint_size(size) + 1 + varint_size(sections->data) +
                          varint_size(sections->instructions) + varint_size(sections->addresses) + 4;
    *out++ = segment.length > 0 ? WINDOW_SOURCE | WINDOW_ADLER32 : WINDOW_ADLER32;
    if (segment.length > 0) {
        out = varint_write(out, segment.length);
        out = varint_write(out, segment.offset);
    }
    out = varint_write(out, after_length + sections->data + sections->instructions + sections->addresses);
    out = varint_write(out, size);
    *out++ = 0; /* no section is compressed */
    out = varint_write(out, sections->data);
    out = varint_write(out, sections->instructions);
    return varint_write(out, sections->addresses);
}

static uint8_t *put_differences(uint8_t *out, const uint8_t *target, const uint8_t *source, size_t size) {
    for (size_t i = 0; i < size; i++) {
        out[i] = (uint8_t)(target[i] - source[i]);
    }
    return out + size;
}

static bool same_diagonal(const struct match *a, const struct match *b) {
    return a->kind == MATCH_SOURCE && b->kind == MATCH_SOURCE && a->from - a->start == b->from - b->start;
}

/*
 * The data section: what lies between the matches, and the byte of each run. Most of it is pieces of a few
 * bytes: SHORT_PIECE are moved at once where as many can be read, and those too many written over by the
 * next. `out` has room for SHORT_PIECE more than the section.
 */
static uint8_t *put_data(uint8_t *out, const struct vcd_encoder *encoder, vcd_form form,
                         const uint8_t *target, size_t size) {
    const struct match_list *matches = &encoder->matches;
    size_t at = 0;
    for (size_t i = 0; i < matches->count; i++) {
        const struct match *match = &matches->items[i];
        size_t gap = match->start - at;
        if (form == VCD_RESIDUAL && i > 0 && same_diagonal(match - 1, match)) {
            out = put_differences(out, target + at, encoder->view.source + (match->from - gap), gap);
        } else if (VCD_LIKELY(gap <= SHORT_PIECE && size - at >= SHORT_PIECE)) {
            memcpy(out, target + at, SHORT_PIECE);
            out += gap;
        } else {
            out = put_bytes(out, target + at, gap);
        }
        if (match->kind == MATCH_RUN) {
            *out++ = target[match->start];
        }
        at = match->start + match->length;
    }
    return put_bytes(out, target + at, size - at);
}

/* ---- what is copied ---- */

/*
 * For a compressor short copies are mostly a loss: it finds them itself, and they tear up what it would have
 * found beside them. Not so where it has nothing to learn from. Windows that consist of copies but for a few
 * bytes here and there are filled as at the thorough level, all but their long literals; and long literals
 * that look random are searched for what nearby source has of them.
 */
enum {
    LONG_LITERAL = 1 << 10,
    FEW_LITERALS_LOG2 = 9,   /* few: less than 1 in 512 bytes of the window, long literals not counted */
    RANDOM_SAMPLE = 1 << 14, /* bytes looked at */
    RANDOM_16THS = 17,       /* most pairs of equal bytes, in 16ths of what chance gives */
    RANDOM_LEAST = 8,        /* 1 in 8 bytes: less is not worth the time, */
    RANDOM_MOST = 2,         /* and of more than half the window nothing is nearby: it is new */
};

/*
 * What filling may cost. The first is the fast level's. At the thorough level the source is hashed at every
 * offset where copies are short, in what looks random, and where it costs nothing, as gaps are less than 1 in
 * 512 bytes. Of more gaps each gets more of the source, as long as they are less than 1 in 12, and addresses
 * are used again: that takes 1.4 % off the delta of a dump, and in programs it is not worth its time.
 */
enum { GAPS_RARE = 512, GAPS_FEW = 12, KEEP_MIN = 80 };
static const struct fill_effort effort_fast = {LONG_LITERAL, 112, 14, 14, 2, 8, 1 << 16, false};
static const struct fill_effort effort_dense = {SIZE_MAX, KEEP_MIN, FILL_NEAR_BITS, 16,
                                                1,        16,       1 << 16,        false};
static const struct fill_effort effort_few = {SIZE_MAX, KEEP_MIN, 15, 16, 4, 28, 1 << 18, true};
static const struct fill_effort effort_many = {SIZE_MAX, KEEP_MIN, 15, 15, 4, 12, 1 << 16, false};

/* How soon find_matches gives up. With 16 at the fast level libraries and text take an eighth more time. */
enum { DRY_PER_STEP_FAST = 4, DRY_PER_STEP_THOROUGH = 16 };

struct literals {
    size_t in_short;
    size_t in_long;
};

/* What is before the i-th match, or behind the last; `*at` goes from the end of a match to that of the next. */
static size_t literal_before(const struct match_list *matches, size_t i, size_t size, size_t *at) {
    size_t literal = (i < matches->count ? matches->items[i].start : size) - *at;
    *at += literal + (i < matches->count ? matches->items[i].length : 0);
    return literal;
}

static struct literals count_literals(const struct match_list *matches, size_t size) {
    size_t all = 0;
    size_t in_long = 0;
    size_t at = 0;
    for (size_t i = 0; i <= matches->count; i++) {
        size_t literal = literal_before(matches, i, size, &at);
        all += literal;
        in_long += literal >= LONG_LITERAL ? literal : 0;
    }
    return (struct literals){all - in_long, in_long};
}

/* Whether two bytes of the long literals are about as seldom the same as chance has it. */
static bool looks_random(const struct match_list *matches, const uint8_t *target, size_t size,
                         size_t in_long) {
    uint32_t counts[256] = {0};
    uint64_t seen = 0;
    size_t step = in_long / RANDOM_SAMPLE | 1; /* odd, to meet all bytes of numbers */
    size_t at = 0;
    for (size_t i = 0; i <= matches->count; i++) {
        size_t start = at;
        size_t literal = literal_before(matches, i, size, &at);
        for (size_t j = 0; literal >= LONG_LITERAL && j < literal; j += step) {
            counts[target[start + j]]++;
            seen++;
        }
    }
    uint64_t pairs = 0;
    for (unsigned i = 0; i < 256; i++) {
        pairs += counts[i] > 0 ? (uint64_t)counts[i] * (counts[i] - 1) : 0;
    }
    return seen > 1 && pairs * 256 * 16 < seen * (seen - 1) * RANDOM_16THS;
}

static const struct fill_effort *thorough_effort(const struct match_list *matches, const uint8_t *target,
                                                 size_t size, struct literals literals) {
    size_t gaps = size;
    for (size_t i = 0; i < matches->count; i++) {
        gaps -= matches->items[i].length >= KEEP_MIN ? matches->items[i].length : 0;
    }
    if (gaps < size / GAPS_RARE ||
        (literals.in_long > literals.in_short && looks_random(matches, target, size, literals.in_long))) {
        return &effort_dense;
    }
    return gaps < size / GAPS_FEW ? &effort_few : &effort_many;
}

static void swap_lists(struct vcd_encoder *encoder) {
    struct match_list swapped = encoder->matches;
    encoder->matches = encoder->filled;
    encoder->filled = swapped;
}

/* What is copied, into encoder->matches, and the checksum of the target. */
static vcd_error find_all(struct vcd_encoder *encoder, vcd_level level, uint64_t position,
                          const uint8_t *target, size_t size, uint32_t *checksum) {
    const struct kernels *kernels = encoder->kernels;
    bool fast = level == VCD_FAST;
    VCD_TRY(kernels->find_matches(&encoder->view, target, size, position,
                                  fast ? DRY_PER_STEP_FAST : DRY_PER_STEP_THOROUGH, &encoder->matches,
                                  checksum));
    struct literals literals = count_literals(&encoder->matches, size);
    bool few = literals.in_short > 0 && literals.in_short < size >> FEW_LITERALS_LOG2;
    bool random = fast && literals.in_long > size / RANDOM_LEAST && literals.in_long < size / RANDOM_MOST &&
                  looks_random(&encoder->matches, target, size, literals.in_long);
    if (encoder->tables == NULL && (!fast || few || random)) {
        encoder->tables = malloc(sizeof *encoder->tables);
        VCD_CHECK(encoder->tables != NULL, VCD_E_MEMORY);
    }
    if (!fast || few) {
        const struct fill_effort *effort =
            fast ? &effort_fast : thorough_effort(&encoder->matches, target, size, literals);
        VCD_TRY(kernels->fill_gaps(&encoder->view, target, size, position, &encoder->matches, effort,
                                   encoder->tables, &encoder->filled));
        swap_lists(encoder);
    }
    if (random) {
        VCD_TRY(kernels->fill_nearby(&encoder->view, target, size, position, &encoder->matches, LONG_LITERAL,
                                     encoder->tables, &encoder->filled));
        swap_lists(encoder);
    }
    return VCD_OK;
}

/* ---- a whole window ---- */

/* One window after `prefix` bytes of the output that stay as they are. */
static vcd_error make_window(struct vcd_encoder *encoder, vcd_form form, vcd_level level, uint64_t position,
                             const uint8_t *target, size_t size, size_t prefix, size_t *out_size) {
    static const uint8_t nothing[1] = {0};
    target = size > 0 ? target : nothing; /* NULL is a fine address for no bytes, but not to count from */
    uint32_t checksum = ADLER32_NONE;
    VCD_TRY(find_all(encoder, level, position, target, size, &checksum));
    struct segment segment;
    VCD_TRY(narrow(&encoder->matches, size, &segment));
    struct sections sections;
    VCD_TRY(plan_window(encoder, form, size, segment, &sections));
    size_t bound = prefix + WINDOW_HEADER_MAX + sections.data + sections.instructions + sections.addresses;
    VCD_TRY(reserve(&encoder->out, bound + SHORT_PIECE));
    uint8_t *out = put_bytes(encoder->out.data, vcd_file_header, prefix);
    out = put_header(out, size, segment, &sections);
    for (int shift = 24; shift >= 0; shift -= 8) {
        *out++ = (uint8_t)(checksum >> shift);
    }
    out = put_data(out, encoder, form, target, size);
    out = put_bytes(out, encoder->instructions.data, sections.instructions);
    out = put_bytes(out, encoder->addresses.data, sections.addresses);
    *out_size = (size_t)(out - encoder->out.data);
    VCD_ASSERT(*out_size <= bound);
    return VCD_OK;
}

vcd_error vcd_encoder_new(vcd_encoder **encoder, const void *memory, size_t size, const uint8_t *source,
                          uint64_t source_size, size_t window_size, vcd_level level) {
    VCD_CHECK(window_size > 0 && window_size <= VCD_WINDOW_MAX, VCD_E_ARGUMENT);
    struct source_view view;
    VCD_TRY(vcd_source_view_open(&view, memory, size, source, source_size));
    struct vcd_encoder *made = calloc(1, sizeof *made);
    VCD_CHECK(made != NULL, VCD_E_MEMORY);
    made->kernels = vcd_kernels();
    made->view = view;
    made->window_size = window_size;
    made->level = level;
    *encoder = made;
    return VCD_OK;
}

void vcd_encoder_free(vcd_encoder *encoder) {
    if (encoder != NULL) {
        free(encoder->matches.items);
        free(encoder->filled.items);
        free(encoder->tables);
        free(encoder->instructions.data);
        free(encoder->addresses.data);
        free(encoder->out.data);
        free(encoder->pending.data);
        free(encoder);
    }
}

vcd_error vcd_encoder_source(vcd_encoder *encoder, const void *memory, size_t size, const uint8_t *source,
                             uint64_t source_size) {
    VCD_CHECK(!encoder->started && !encoder->ended && encoder->pending_size == 0, VCD_E_STATE);
    struct source_view view;
    VCD_TRY(vcd_source_view_open(&view, memory, size, source, source_size));
    encoder->view = view;
    return VCD_OK;
}

vcd_error vcd_encode_window(vcd_encoder *encoder, vcd_form form, vcd_level level, uint64_t position,
                            const uint8_t *target, size_t size, const uint8_t **out, size_t *out_size) {
    *out_size = 0;
    VCD_CHECK(size <= VCD_WINDOW_MAX, VCD_E_ARGUMENT);
    VCD_TRY(make_window(encoder, form, level, position, target, size, 0, out_size));
    *out = encoder->out.data;
    return VCD_OK;
}

/* ---- stream ---- */

static vcd_error stream_window(vcd_encoder *encoder, const uint8_t *target, size_t size, const uint8_t **out,
                               size_t *out_size) {
    encoder->ended = true; /* unless this succeeds */
    size_t prefix = encoder->started ? 0 : VCD_FILE_HEADER_SIZE;
    VCD_TRY(
        make_window(encoder, VCD_PLAIN, encoder->level, encoder->position, target, size, prefix, out_size));
    *out = encoder->out.data;
    encoder->started = true;
    encoder->position += size;
    encoder->ended = false;
    return VCD_OK;
}

vcd_error vcd_encoder_feed(vcd_encoder *encoder, const uint8_t *target, size_t size, size_t *used,
                           const uint8_t **out, size_t *out_size) {
    *used = 0;
    *out_size = 0;
    VCD_CHECK(!encoder->ended, VCD_E_STATE);
    if (encoder->pending_size == 0 && size >= encoder->window_size) {
        *used = encoder->window_size;
        return stream_window(encoder, target, encoder->window_size, out, out_size);
    }
    size_t room = encoder->window_size - encoder->pending_size;
    size_t taken = size < room ? size : room;
    if (taken > 0) {
        VCD_TRY(reserve(&encoder->pending, encoder->window_size));
        memcpy(encoder->pending.data + encoder->pending_size, target, taken);
        encoder->pending_size += taken;
    }
    *used = taken;
    if (encoder->pending_size < encoder->window_size) {
        return VCD_OK;
    }
    encoder->pending_size = 0;
    return stream_window(encoder, encoder->pending.data, encoder->window_size, out, out_size);
}

vcd_error vcd_encoder_finish(vcd_encoder *encoder, const uint8_t **out, size_t *out_size) {
    *out_size = 0;
    VCD_CHECK(!encoder->ended, VCD_E_STATE);
    if (encoder->pending_size > 0 || !encoder->started) {
        VCD_TRY(stream_window(encoder, encoder->pending.data, encoder->pending_size, out, out_size));
    }
    encoder->ended = true;
    return VCD_OK;
}
