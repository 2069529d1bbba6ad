/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * decode.c: one VCDIFF window back to target bytes.
 *
 * The input is hostile. The rules that keep it harmless, each with its error in vcdiff.h:
 *
 *  - All sizes of the header are checked against each other and against what is really there before a section
 * is touched; nothing is allocated here at all.
 *  - An instruction is checked against what is left of the window and of its section before it writes a byte.
 * Sizes are compared by subtraction from what is left, never by adding up to something that could wrap.
 *  - A copy comes whole from the source or whole from what the window has produced.
 *  - Instructions of size 0 do nothing, but each takes a byte of input, so the work is bounded by input plus
 * output.
 *
 * In the residual form (vcdiff.h) whether an ADD holds differences is known only when the copy after it is
 * read. Until then its bytes are taken as they are; then the source's are added where they lie. No
 * instruction comes between, so nobody has read them.
 *
 * Every rule is enforced here, one instruction after the other. decode_quick.h takes the instructions before
 * them for which it can tell at a glance that no rule is near.
 *
 * Who writes the target to a file needs no copy of what lies ready in memory: with `pieces` long runs stay
 * where they are, in the source or the data section. Their places in `out` are holes, which a later copy from
 * the target may need filled.
 */
#include "decode_work.h"

vcd_error vcd_window_header_read(struct reader *in, struct window_header *window) {
    memset(window, 0, sizeof *window);
    VCD_TRY(read_byte(in, &window->indicator));
    VCD_CHECK((window->indicator & ~(WINDOW_SOURCE | WINDOW_TARGET | WINDOW_ADLER32)) == 0,
              VCD_E_WINDOW_FLAGS);
    VCD_CHECK((window->indicator & WINDOW_TARGET) == 0, VCD_E_VCD_TARGET);
    if (window->indicator & WINDOW_SOURCE) {
        uint32_t length = 0;
        vcd_error error = read_u32(in, &length);
        VCD_CHECK(error != VCD_E_VARINT, VCD_E_SEGMENT);
        VCD_TRY(error);
        window->segment_length = length;
        VCD_TRY(read_u64(in, &window->segment_offset));
        VCD_CHECK(window->segment_offset <= INT64_MAX - (uint64_t)length, VCD_E_SEGMENT);
    }
    uint32_t encoding = 0;
    VCD_TRY(read_u32(in, &encoding));
    VCD_CHECK(encoding <= VCD_ENCODED_MAX, VCD_E_WINDOW_SIZE);
    window->encoding_length = encoding;
    return VCD_OK;
}

/* What the rest of a window's header says. */
struct fields {
    uint32_t target;
    uint32_t data; /* bytes of each section */
    uint32_t instructions;
    uint32_t addresses;
    uint32_t checksum;
};

static vcd_error read_fields(struct reader *in, const struct window_header *window, struct fields *fields) {
    uint8_t delta_indicator = 0;
    *fields = (struct fields){0};
    VCD_TRY(read_u32(in, &fields->target));
    VCD_CHECK(fields->target <= VCD_WINDOW_MAX, VCD_E_WINDOW_SIZE);
    VCD_CHECK(window->segment_length <= UINT32_MAX - fields->target, VCD_E_SEGMENT);
    VCD_TRY(read_byte(in, &delta_indicator));
    VCD_CHECK(delta_indicator == 0, VCD_E_SECONDARY);
    VCD_TRY(read_u32(in, &fields->data));
    VCD_TRY(read_u32(in, &fields->instructions));
    VCD_TRY(read_u32(in, &fields->addresses));
    if (window->indicator & WINDOW_ADLER32) {
        for (int i = 0; i < 4; i++) {
            uint8_t byte = 0;
            VCD_TRY(read_byte(in, &byte));
            fields->checksum = fields->checksum << 8 | byte;
        }
    }
    return VCD_OK;
}

/* What follows the encoding length: `in` holds exactly that many bytes. */
static vcd_error read_sections(struct reader *in, const struct window_header *window, struct work *work) {
    struct fields fields;
    VCD_TRY(read_fields(in, window, &fields));
    VCD_CHECK((uint64_t)fields.data + fields.instructions + fields.addresses == in->left, VCD_E_SECTIONS);
    work->out_size = fields.target;
    work->checksum = fields.checksum;
    work->data = (struct reader){in->next, fields.data};
    work->instructions = (struct reader){in->next + fields.data, fields.instructions};
    work->addresses = (struct reader){in->next + fields.data + fields.instructions, fields.addresses};
    return VCD_OK;
}

/* The same of a window whose sections lie apart; `head` is what is left of its header. */
static vcd_error read_parts(struct reader head, const vcd_parts *parts, const struct window_header *window,
                            struct work *work) {
    struct fields fields;
    size_t left = head.left;
    VCD_TRY(read_fields(&head, window, &fields));
    VCD_CHECK(head.left == 0, VCD_E_SECTIONS);
    VCD_CHECK(fields.data == parts->data_size && fields.instructions == parts->instructions_size &&
                  fields.addresses == parts->addresses_size,
              VCD_E_SECTIONS);
    VCD_CHECK((uint64_t)left + fields.data + fields.instructions + fields.addresses ==
                  window->encoding_length,
              VCD_E_SECTIONS);
    work->out_size = fields.target;
    work->checksum = fields.checksum;
    work->data = (struct reader){parts->data, parts->data_size};
    work->instructions = (struct reader){parts->instructions, parts->instructions_size};
    work->addresses = (struct reader){parts->addresses, parts->addresses_size};
    return VCD_OK;
}

vcd_error vcd_window_target_size(struct reader in, size_t *size) {
    uint32_t target = 0;
    VCD_TRY(read_u32(&in, &target));
    VCD_CHECK(target <= VCD_WINDOW_MAX, VCD_E_WINDOW_SIZE);
    *size = target;
    return VCD_OK;
}

static vcd_error read_address(struct work *work, unsigned mode, uint64_t *address) {
    struct address_cache *cache = &work->cache;
    uint64_t here = work->segment_length + work->done;
    if (mode >= MODE_SAME) {
        uint8_t slot = 0;
        VCD_CHECK(read_byte(&work->addresses, &slot) == VCD_OK, VCD_E_ADDRESSES);
        *address = cache->same[(mode - MODE_SAME) * 256 + slot];
    } else {
        uint32_t value = 0;
        vcd_error error = read_u32(&work->addresses, &value);
        VCD_CHECK(error != VCD_E_TRUNCATED, VCD_E_ADDRESSES);
        VCD_TRY(error);
        if (mode == MODE_SELF) {
            *address = value;
        } else if (mode == MODE_HERE) {
            VCD_CHECK(value <= here, VCD_E_ADDRESS);
            *address = here - value;
        } else {
            *address = cache->near[mode - MODE_NEAR] + value;
        }
    }
    VCD_CHECK(*address < here, VCD_E_ADDRESS);
    address_cache_update(cache, *address);
    return VCD_OK;
}

/* Eight bytes at once, each modulo 256. */
VCD_INLINE uint64_t add_each(uint64_t a, uint64_t b) {
    const uint64_t low7 = UINT64_C(0x7f7f7f7f7f7f7f7f);
    return ((a & low7) + (b & low7)) ^ ((a ^ b) & ~low7);
}

VCD_INLINE uint64_t subtract_each(uint64_t a, uint64_t b) {
    const uint64_t top = UINT64_C(0x8080808080808080);
    return ((a | top) - (b & ~top)) ^ ((a ^ ~b) & top);
}

/* to[i] += from[i], or -= when a window is made residual. Most gaps are short; eight bytes are touched at once where that many belong to both. */
VCD_INLINE void add_bytes(uint8_t *to, size_t to_room, const uint8_t *from, uint64_t from_room, size_t size,
                          enum pass pass) {
    if (size <= 8 && to_room >= 8 && from_room >= 8) {
        uint64_t other = load_u64(from) & UINT64_MAX >> (64 - 8 * size);
        store_u64(to,
                  pass == MAKE_RESIDUAL ? subtract_each(load_u64(to), other) : add_each(load_u64(to), other));
        return;
    }
    for (size_t i = 0; i < size; i++) {
        to[i] = (uint8_t)(pass == MAKE_RESIDUAL ? to[i] - from[i] : to[i] + from[i]);
    }
}

enum { SHORT = 32 };

/* Copy `size` bytes; short ones as a whole 32 when there is room for that on both sides. */
VCD_INLINE void copy_apart(uint8_t *to, size_t to_room, const uint8_t *from, uint64_t from_room,
                           size_t size) {
    if (size <= SHORT && to_room >= SHORT && from_room >= SHORT) {
        memcpy(to, from, SHORT);
    } else {
        memcpy(to, from, size);
    }
}

VCD_INLINE bool decodes(enum pass pass) {
    return pass == DECODE || pass == DECODE_RESIDUAL;
}

/* Where the last `gap` added bytes lie, and how many may be touched from there. */
VCD_INLINE uint8_t *gap_bytes(struct work *work, enum pass pass, size_t *room) {
    if (decodes(pass)) {
        *room = work->out_size - work->done + work->gap;
        return work->out + work->done - work->gap;
    }
    *room = work->data.left + work->gap;
    return work->out - work->gap;
}

/* Sum up what is done and stays so: an open gap of a residual window may yet change. */
static void sum_up(struct work *work, enum pass pass) {
    size_t end = work->done - (pass == DECODE_RESIDUAL ? work->gap : 0);
    if (work->kernels != NULL && end > work->summed) {
        work->sum = work->kernels->adler32(work->sum, work->out + work->summed, end - work->summed);
    }
    work->summed = end;
}

VCD_INLINE void leave_diagonal(struct work *work) {
    work->diagonal = NO_DIAGONAL;
    work->gap = 0;
}

/* ---- pieces ---- */

/* Add target[listed, end), which lies at `data`, to the pieces. */
static void list_piece(struct work *work, const uint8_t *data, size_t end) {
    if (end > work->listed) {
        work->pieces->list[work->pieces->count++] = (vcd_piece){data, work->listed, end - work->listed};
        work->listed = end;
    }
}

VCD_INLINE bool stays(const struct work *work, size_t size) {
    return work->pieces != NULL && size >= work->pieces->least;
}

/* The next `size` bytes of the target stay at `data`. No gap is open. */
static void leave_there(struct work *work, const uint8_t *data, size_t size, enum pass pass) {
    list_piece(work, work->out + work->listed, work->done);
    list_piece(work, data, work->done + size);
    sum_up(work, pass);
    if (work->kernels != NULL) {
        work->sum = work->kernels->adler32(work->sum, data, size);
    }
    work->summed = work->done + size;
}

/* Bring what `out` lacks of target[begin, end): what is in pieces that lie elsewhere. */
static void fill_holes(struct work *work, size_t begin, size_t end) {
    const vcd_piece *pieces = work->pieces->list;
    size_t count = work->pieces->count;
    size_t low = 0;
    for (size_t high = count; low < high;) { /* the first piece that ends behind `begin` */
        size_t middle = low + (high - low) / 2;
        if (pieces[middle].place + pieces[middle].size <= begin) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < count && pieces[low].place < end; low++) {
        const vcd_piece *piece = &pieces[low];
        size_t from = begin > piece->place ? begin : piece->place;
        size_t to = end < piece->place + piece->size ? end : piece->place + piece->size;
        if (piece->data != work->out + piece->place) {
            memcpy(work->out + from, piece->data + (from - piece->place), to - from);
        }
    }
}

/* ---- instructions ---- */

VCD_INLINE vcd_error do_add(struct work *work, size_t size, enum pass pass) {
    VCD_CHECK(size <= work->data.left, VCD_E_DATA);
    if (pass == DECODE && stays(work, size)) {
        leave_there(work, work->data.next, size, pass);
    } else if (decodes(pass)) {
        copy_apart(work->out + work->done, work->out_size - work->done, work->data.next, work->data.left,
                   size);
    } else {
        work->out += size;
    }
    work->data.next += size;
    work->data.left -= size;
    work->gap += size;
    return VCD_OK;
}

VCD_INLINE vcd_error do_run(struct work *work, size_t size, enum pass pass) {
    uint8_t byte = 0;
    VCD_CHECK(read_byte(&work->data, &byte) == VCD_OK, VCD_E_DATA);
    if (decodes(pass)) {
        memset(work->out + work->done, byte, size);
    } else {
        work->out++;
    }
    leave_diagonal(work);
    return VCD_OK;
}

/* Copy from earlier in this window; `distance` bytes back, repeating them when that is less than `size`. */
static void copy_target(struct work *work, size_t distance, size_t size) {
    uint8_t *to = work->out + work->done;
    if (work->listed > work->done - distance) {
        fill_holes(work, work->done - distance, work->done - distance + (size < distance ? size : distance));
    }
    if (distance >= size) {
        memcpy(to, to - distance, size);
        return;
    }
    if (distance == 1) {
        memset(to, to[-1], size);
        return;
    }
    /* Each round doubles what can be copied at once. */
    while (size > 0) {
        size_t chunk = distance < size ? distance : size;
        memcpy(to, to - distance, chunk);
        to += chunk;
        size -= chunk;
        distance += chunk;
    }
}

/* A source copy from `address`, offset `from` of the source: what the bytes added before it are. */
VCD_INLINE void close_gap(struct work *work, uint64_t address, uint64_t from, enum pass pass) {
    uint64_t diagonal = address - work->done;
    size_t gap = work->gap;
    if (gap > 0 && diagonal == work->diagonal) {
        /* A copy on the same diagonal lies before the gap, so `gap` bytes before `from` are in the segment. */
        size_t room = 0;
        uint8_t *bytes = gap_bytes(work, pass, &room);
        add_bytes(bytes, room, work->source + (from - gap), work->source_size - from + gap, gap, pass);
    }
    work->diagonal = diagonal;
    work->gap = 0;
}

/* A source copy of more than SUM_STEP bytes, summed up on the way. No gap is open. */
static void copy_long(struct work *work, uint64_t from, size_t size, enum pass pass) {
    size_t before = work->done;
    for (size_t copied = 0; copied < size; copied += SUM_STEP) {
        size_t chunk = size - copied < SUM_STEP ? size - copied : SUM_STEP;
        memcpy(work->out + before + copied, work->source + from + copied, chunk);
        work->done = before + copied + chunk;
        sum_up(work, pass);
    }
    work->done = before;
}

VCD_INLINE vcd_error do_copy(struct work *work, unsigned mode, size_t size, enum pass pass) {
    uint64_t address = 0;
    VCD_TRY(read_address(work, mode, &address));
    if (address >= work->segment_length) {
        leave_diagonal(work);
        if (decodes(pass)) {
            copy_target(work, (size_t)(work->segment_length + work->done - address), size);
        }
        return VCD_OK;
    }
    VCD_CHECK(size <= work->segment_length - address, VCD_E_STRADDLE);
    uint64_t from = work->segment_offset + address;
    VCD_CHECK(from <= work->source_size && size <= work->source_size - from, VCD_E_SOURCE_END);
    if (pass != DECODE) {
        close_gap(work, address, from, pass);
    }
    if (decodes(pass) && stays(work, size)) {
        leave_there(work, work->source + from, size, pass);
    } else if (decodes(pass) && VCD_UNLIKELY(size > SUM_STEP)) {
        copy_long(work, from, size, pass);
    } else if (decodes(pass) && size > 0) {
        copy_apart(work->out + work->done, work->out_size - work->done, work->source + from,
                   work->source_size - from, size);
    }
    return VCD_OK;
}

VCD_INLINE vcd_error do_half(struct work *work, struct half half, enum pass pass) {
    uint32_t size = half.size;
    if (size == 0) {
        VCD_TRY(read_u32(&work->instructions, &size));
    }
    VCD_CHECK(size <= work->out_size - work->done, VCD_E_OVERRUN);
    switch (half.type) {
    case ADD:
        VCD_TRY(do_add(work, size, pass));
        break;
    case RUN:
        VCD_TRY(do_run(work, size, pass));
        break;
    default:
        VCD_ASSERT(half.type == COPY);
        VCD_TRY(do_copy(work, half.mode, size, pass));
    }
    work->done += size;
    return VCD_OK;
}

#include "decode_quick.h"

VCD_INLINE vcd_error run_instructions(struct work *work, enum pass pass) {
    while (work->instructions.left > 0) {
        if (decodes(pass) && VCD_UNLIKELY(work->done - work->summed >= SUM_STEP)) {
            sum_up(work, pass);
        }
        if (decodes(pass)) {
            run_quick(work, pass);
            VCD_ASSERT(work->instructions.left > 0); /* it needs more than there is of an instruction */
        }
        const struct opcode *opcode = &vcd_code_table[*work->instructions.next++];
        work->instructions.left--;
        VCD_TRY(do_half(work, opcode->first, pass));
        if (opcode->second.type != NOOP) {
            VCD_TRY(do_half(work, opcode->second, pass));
        }
    }
    VCD_CHECK(work->done == work->out_size, VCD_E_UNDERRUN);
    VCD_CHECK(work->data.left == 0, VCD_E_DATA);
    VCD_CHECK(work->addresses.left == 0, VCD_E_ADDRESSES);
    return VCD_OK;
}

/* The walk, compiled once for each purpose. */
static vcd_error run_pass(struct work *work, enum pass pass) {
    switch (pass) {
    case DECODE:
        return run_instructions(work, DECODE);
    case DECODE_RESIDUAL:
        return run_instructions(work, DECODE_RESIDUAL);
    case MAKE_PLAIN:
        return run_instructions(work, MAKE_PLAIN);
    default:
        VCD_ASSERT(pass == MAKE_RESIDUAL);
        return run_instructions(work, MAKE_RESIDUAL);
    }
}

static struct work work_on(const struct window_header *window, const uint8_t *source, uint64_t source_size) {
    struct work work = {
        .source = source,
        .source_size = source_size,
        .segment_offset = window->segment_offset,
        .segment_length = window->segment_length,
        .diagonal = NO_DIAGONAL,
    };
    return work;
}

/* Decode what `work` has the sections of. */
static vcd_error decode_sections(struct work *work, const struct window_header *window, vcd_form form,
                                 uint8_t *out, size_t out_size) {
    static uint8_t nothing[1];
    VCD_CHECK(work->out_size == out_size, VCD_E_LENGTH);
    work->out = out_size > 0 ? out : nothing; /* NULL is a fine address for no bytes, but not to count from */
    work->kernels = window->indicator & WINDOW_ADLER32 ? vcd_kernels() : NULL;
    work->sum = ADLER32_NONE;
    VCD_TRY(run_pass(work, form == VCD_RESIDUAL ? DECODE_RESIDUAL : DECODE));
    if (window->indicator & WINDOW_ADLER32) {
        sum_up(work, DECODE);
        VCD_CHECK(work->sum == work->checksum, VCD_E_CHECKSUM);
    }
    return VCD_OK;
}

vcd_error vcd_window_decode(struct reader in, const struct window_header *window, vcd_form form,
                            const uint8_t *source, uint64_t source_size, uint8_t *out, size_t out_size) {
    struct work work = work_on(window, source, source_size);
    VCD_TRY(read_sections(&in, window, &work));
    return decode_sections(&work, window, form, out, out_size);
}

vcd_error vcd_decode_parts(const uint8_t *source, uint64_t source_size, const vcd_parts *parts, vcd_form form,
                           uint8_t *out, size_t out_size, vcd_pieces *pieces) {
    struct reader head = {parts->head, parts->head_size};
    struct window_header window;
    VCD_TRY(vcd_window_header_read(&head, &window));
    struct work work = work_on(&window, source, source_size);
    VCD_TRY(read_parts(head, parts, &window, &work));
    work.pieces = pieces;
    if (pieces == NULL) {
        return decode_sections(&work, &window, form, out, out_size);
    }
    VCD_CHECK(pieces->least > 0, VCD_E_ARGUMENT);
    pieces->count = 0;
    VCD_TRY(decode_sections(&work, &window, form, out, out_size));
    list_piece(&work, work.out + work.listed, out_size);
    return VCD_OK;
}

/* The header of the one window that `in` holds, and nothing else. */
static vcd_error read_only_window(struct reader *in, struct window_header *window) {
    VCD_TRY(vcd_window_header_read(in, window));
    VCD_CHECK(in->left >= window->encoding_length, VCD_E_TRUNCATED);
    VCD_CHECK(in->left == window->encoding_length, VCD_E_TRAILING);
    return VCD_OK;
}

vcd_error vcd_decode_window(const uint8_t *source, uint64_t source_size, const uint8_t *window, size_t size,
                            vcd_form form, uint8_t *out, size_t out_size) {
    struct reader in = {window, size};
    struct window_header header;
    VCD_TRY(read_only_window(&in, &header));
    return vcd_window_decode(in, &header, form, source, source_size, out, out_size);
}

vcd_error vcd_convert_window(const uint8_t *source, uint64_t source_size, const uint8_t *window, size_t size,
                             vcd_form form, uint8_t *out) {
    struct reader in = {window, size};
    struct window_header header;
    VCD_TRY(read_only_window(&in, &header));
    struct work work = work_on(&header, source, source_size);
    VCD_TRY(read_sections(&in, &header, &work));
    memcpy(out, window, size);
    work.out = out + (size_t)(work.data.next - window);
    return run_pass(&work, form == VCD_RESIDUAL ? MAKE_RESIDUAL : MAKE_PLAIN);
}
