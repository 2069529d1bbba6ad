/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * parts.h: a window taken apart, each part in a block of its own, so that a byte too far is found in any of
 * them; and a target put together.
 */
#ifndef VCD_PARTS_H
#define VCD_PARTS_H

#include "decode.h"

#include <stdlib.h>

struct apart {
    vcd_parts parts;
    uint8_t *blocks[4];
};

static inline const uint8_t *part_take(struct apart *apart, unsigned i, const uint8_t *data, size_t size) {
    apart->blocks[i] = malloc(size > 0 ? size : 1);
    if (apart->blocks[i] == NULL) {
        abort();
    }
    if (size > 0) {
        memcpy(apart->blocks[i], data, size);
    }
    return apart->blocks[i];
}

/* False when the window's header is not one, or its sections are not there. */
static inline bool take_apart(struct apart *apart, const uint8_t *window, size_t size) {
    struct reader in = {window, size};
    struct window_header header;
    uint32_t fields[4]; /* the target's size, and those of the sections */
    uint8_t compressed = 0;
    if (vcd_window_header_read(&in, &header) != VCD_OK || in.left != header.encoding_length ||
        read_u32(&in, &fields[0]) != VCD_OK || read_byte(&in, &compressed) != VCD_OK) {
        return false;
    }
    for (unsigned i = 1; i < 4; i++) {
        if (read_u32(&in, &fields[i]) != VCD_OK) {
            return false;
        }
    }
    size_t checksum = header.indicator & WINDOW_ADLER32 ? 4 : 0;
    if (in.left < checksum || (uint64_t)fields[1] + fields[2] + fields[3] != in.left - checksum) {
        return false;
    }
    size_t head = size - in.left + checksum;
    vcd_parts *parts = &apart->parts;
    parts->head_size = head;
    parts->data_size = fields[1];
    parts->instructions_size = fields[2];
    parts->addresses_size = fields[3];
    parts->head = part_take(apart, 0, window, head);
    parts->data = part_take(apart, 1, window + head, fields[1]);
    parts->instructions = part_take(apart, 2, window + head + fields[1], fields[2]);
    parts->addresses = part_take(apart, 3, window + head + fields[1] + fields[2], fields[3]);
    return true;
}

static inline void free_apart(struct apart *apart) {
    for (unsigned i = 0; i < 4; i++) {
        free(apart->blocks[i]);
    }
}

/* Puts what is in pieces together; false unless they are the target from its start to its end. */
static inline bool join_pieces(const vcd_pieces *pieces, uint8_t *target, size_t size) {
    size_t at = 0;
    for (size_t i = 0; i < pieces->count; i++) {
        const vcd_piece *piece = &pieces->list[i];
        if (piece->place != at || piece->size == 0 || piece->size > size - at) {
            return false;
        }
        memcpy(target + at, piece->data, piece->size);
        at += piece->size;
    }
    return at == size;
}

#endif
