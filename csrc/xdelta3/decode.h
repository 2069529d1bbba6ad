/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * decode.h: the steps of decoding one window, for the one-shot function and for the stream.
 */
#ifndef VCD_DECODE_H
#define VCD_DECODE_H

#include "internal.h"

/* A window's header up to and including the encoding length. */
struct window_header {
    uint8_t indicator;
    uint64_t segment_length;
    uint64_t segment_offset;
    size_t encoding_length; /* bytes that follow */
};

/* VCD_E_TRUNCATED when `in` ends inside the header; `in` is then to be forgotten. */
vcd_error vcd_window_header_read(struct reader *in, struct window_header *window);

/* The target size that the bytes after the header begin with, within VCD_WINDOW_MAX. */
vcd_error vcd_window_target_size(struct reader in, size_t *size);

/* `in` holds the encoding_length bytes after the header. All of out[0, out_size) is written, or an error
 * returned. */
vcd_error vcd_window_decode(struct reader in, const struct window_header *window, vcd_form form,
                            const uint8_t *source, uint64_t source_size, uint8_t *out, size_t out_size);

#endif
