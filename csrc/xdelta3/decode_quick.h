/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * decode_quick.h: the instructions that most windows consist of, without asking about every byte.
 *
 * In programs that were built again an instruction stands for twenty bytes, so that its rules cost more than
 * the bytes. Here one comparison for each section tells that the longest opcode, size and address are there,
 * and that a step can be moved beyond the end of what is wanted: integers are read from eight bytes at once,
 * bytes are moved 32 at a time. What lands behind the end of an instruction is overwritten by those after it.
 *
 * Nothing is refused here. An instruction for which a rule could be in question is left as it is, whole, for
 * decode.c: RUNs, what is long, what is near the end of its section, source or window, and what is wrong.
 * Included once, by decode.c.
 */
enum {
    QUICK_STEP = 64,
    QUICK_SLACK = QUICK_STEP + 1, /* bytes that may be touched behind those of a round; 1: the second ADD's */
    QUICK_INTEGER = 8,            /* bytes read for an integer, */
    QUICK_DIGITS = 5,             /* of at most so many digits */
    QUICK_ROUND = 2 * (1 + QUICK_DIGITS), /* most bytes of instructions in a round */
    QUICK_LONG = 1 << 12,                 /* from this size on the rules cost nothing */
};

/* Reads an integer; false if it has more than QUICK_DIGITS digits. */
VCD_INLINE bool quick_integer(const uint8_t **in, uint64_t *value) {
    uint64_t bytes = load_u64(*in);
    uint64_t ends = ~bytes & UINT64_C(0x8080808080);
    if (VCD_UNLIKELY(ends == 0)) {
        return false;
    }
    unsigned bits = (unsigned)__builtin_ctzll(ends) + 1;
    uint64_t digits = __builtin_bswap64(bytes) >> (64 - bits); /* the last one lowest */
    *value = (digits & 0x7f) | (digits >> 1 & UINT64_C(0x3f80)) | (digits >> 2 & UINT64_C(0x1fc000)) |
             (digits >> 3 & UINT64_C(0xfe00000)) | (digits >> 4 & UINT64_C(0x7f0000000));
    *in += bits / 8;
    return true;
}

/* The size of a COPY: that of its opcode or, if it is 0, an integer. False if that is not for here. */
VCD_INLINE bool quick_size(const uint8_t **in, uint64_t *size) {
    bool follows = *size == 0; /* as good as random, and so not a branch */
    *size = follows ? **in : *size;
    if (VCD_LIKELY(*size < 0x80)) { /* no opcode's is larger */
        *in += follows;
        return true;
    }
    return quick_integer(in, size) && *size < QUICK_LONG;
}

/* Copies a whole number of steps, at least one, that has `size` bytes in it. */
VCD_INLINE void quick_copy(uint8_t *to, const uint8_t *from, size_t size) {
    memcpy(to, from, QUICK_STEP);
    for (size_t i = QUICK_STEP; VCD_UNLIKELY(i < size); i += QUICK_STEP) {
        memcpy(to + i, from + i, QUICK_STEP);
    }
}

/* to[i] += from[i] for `size` bytes and up to 15 more. */
VCD_INLINE void quick_add(uint8_t *to, const uint8_t *from, size_t size) {
    enum { LANES = 16 };
    for (size_t i = 0; i < size; i += LANES) {
        uint8_t sum[LANES];
        uint8_t other[LANES];
        memcpy(sum, to + i, LANES);
        memcpy(other, from + i, LANES);
        for (unsigned j = 0; j < LANES; j++) {
            sum[j] = (uint8_t)(sum[j] + other[j]);
        }
        memcpy(to + i, sum, LANES);
    }
}

/* The last distance from here to a copy's address, as it was read. Copies on one diagonal have the same. */
struct quick_distance {
    uint64_t mask; /* of the bytes it takes, of eight */
    uint64_t bytes;
    unsigned digits;
    uint64_t value;
};

VCD_INLINE bool quick_distance_read(struct quick_distance *last, const uint8_t **in) {
    uint64_t bytes = load_u64(*in);
    if (VCD_LIKELY((bytes & last->mask) == last->bytes)) {
        *in += last->digits;
        return true;
    }
    const uint8_t *start = *in;
    if (!quick_integer(in, &last->value)) {
        last->mask = 0; /* and `bytes` is not */
        last->bytes = 1;
        return false;
    }
    last->digits = (unsigned)(*in - start);
    last->mask = UINT64_MAX >> (64 - 8 * last->digits);
    last->bytes = bytes & last->mask;
    return true;
}

/* Takes instructions up to the first that is not for here, or until a checksum is due. */
VCD_INLINE void run_quick(struct work *work, enum pass pass) {
    if (work->instructions.left < QUICK_INTEGER || work->addresses.left < QUICK_INTEGER ||
        work->data.left < QUICK_SLACK || work->out_size - work->done < QUICK_SLACK ||
        work->source_size < QUICK_SLACK || work->source_size - QUICK_SLACK < work->segment_offset) {
        return;
    }
    const uint8_t *segment = work->source + work->segment_offset;
    uint64_t copyable = work->source_size - QUICK_SLACK - work->segment_offset;
    copyable = copyable < work->segment_length ? copyable : work->segment_length;
    size_t room = work->out_size - work->done - QUICK_SLACK;
    size_t unsummed = work->done - work->summed;
    size_t until_sum = unsummed < SUM_STEP ? SUM_STEP - unsummed : 0;
    size_t rounds = (work->instructions.left - QUICK_INTEGER) / QUICK_ROUND;
    size_t rounds_of_addresses = (work->addresses.left - QUICK_INTEGER) / QUICK_DIGITS;
    rounds = rounds < rounds_of_addresses ? rounds : rounds_of_addresses;

    uint8_t *to = work->out + work->done;
    const uint8_t *data = work->data.next;
    const uint8_t *instruction = work->instructions.next;
    const uint8_t *address = work->addresses.next;
    uint8_t *const to_last = to + (room < until_sum ? room : until_sum);
    const uint8_t *const data_last = data + (work->data.left - QUICK_SLACK);
    struct quick_distance distance = {.bytes = 1};
    uint64_t diagonal = work->diagonal;
    size_t gap = work->gap;

    /* A round is an ADD, a COPY, or the one and then the other. What it moves counts when it has succeeded. */
    for (; rounds > 0; rounds--) {
        const struct opcode *opcode = &vcd_code_table[*instruction];
        const struct half *copy = &opcode->first;
        const uint8_t *in = instruction + 1;
        uint64_t added = 0;
        if (copy->type == ADD) {
            added = copy->size;
            if (added == 0 && (!quick_integer(&in, &added) || added >= QUICK_LONG)) {
                break;
            }
            if ((int64_t)added > data_last - data || (int64_t)added > to_last - to) {
                break;
            }
            quick_copy(to, data, (size_t)added);
            copy = &opcode->second;
            if (copy->type == NOOP) {
                opcode = &vcd_code_table[*in];
                copy = &opcode->first;
                if (VCD_UNLIKELY(copy->type != COPY)) {
                    to += added;
                    data += added;
                    gap += (size_t)added;
                    instruction = in;
                    continue;
                }
                in++;
            }
        }
        uint64_t size = copy->size;
        if (VCD_UNLIKELY(copy->type != COPY) || !quick_size(&in, &size) ||
            (int64_t)(added + size) > to_last - to) {
            break;
        }

        uint8_t *here = to + added;
        const uint8_t *next_address = address;
        size_t place = (size_t)(here - work->out);
        uint64_t from = 0;
        if (VCD_LIKELY(copy->mode == MODE_HERE)) {
            if (!quick_distance_read(&distance, &next_address)) {
                break;
            }
            from = work->segment_length + place - distance.value; /* too far wraps to where nothing is */
        } else if (copy->mode < MODE_SAME) {
            if (!quick_integer(&next_address, &from) || from > UINT32_MAX) {
                break;
            }
            from += copy->mode == MODE_SELF ? 0 : work->cache.near[copy->mode - MODE_NEAR];
        } else {
            from = work->cache.same[(copy->mode - MODE_SAME) * 256 + *next_address++];
        }

        if (opcode->second.type == ADD && data > data_last) {
            break;
        }
        if (VCD_LIKELY(from < copyable && size <= copyable - from)) {
            if (pass == DECODE_RESIDUAL) {
                gap += (size_t)added;
                if (gap > 0 && from - place == diagonal) {
                    quick_add(here - gap, segment + from - gap, gap);
                }
                diagonal = from - place;
            }
            quick_copy(here, segment + from, (size_t)size);
        } else {
            uint64_t back = work->segment_length + place - from;
            if (from < work->segment_length || back < QUICK_STEP || back > place ||
                place - back < work->listed) {
                break;
            }
            quick_copy(here, here - back, (size_t)size);
            diagonal = NO_DIAGONAL;
        }
        address_cache_update(&work->cache, from);
        gap = 0;
        to = here + size;
        data += added;
        address = next_address;
        instruction = in;
        if (opcode->second.type == ADD) { /* always of one byte */
            *to++ = *data++;
            gap = 1;
        }
    }

    work->done = (size_t)(to - work->out);
    work->data.left -= (size_t)(data - work->data.next);
    work->data.next = data;
    work->instructions.left -= (size_t)(instruction - work->instructions.next);
    work->instructions.next = instruction;
    work->addresses.left -= (size_t)(address - work->addresses.next);
    work->addresses.next = address;
    work->diagonal = diagonal;
    work->gap = gap;
}
