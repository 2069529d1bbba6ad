/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fuzz_limits.c: any bytes as one window, in every form, for a target and a source of any small size, and
 * converted, and in parts and to pieces. Nothing may be touched outside them; forms agree on what is wrong
 * with the instructions; what converts one way converts back to the same bytes; and pieces are the target.
 */
#include "guard.h"

#include "../tests/parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static vcd_error decode(const struct guarded *source, size_t source_size, const struct guarded *window,
                        size_t size, vcd_form form, size_t out_size) {
    struct guarded out = guard_make(out_size);
    vcd_error error =
        vcd_decode_window(source->data, source_size, window->data, size, form, out.data, out_size);
    guard_free(&out);
    return error;
}

/* The same in parts and to pieces, which must agree. */
static void decode_pieces(const struct guarded *source, size_t source_size, const struct guarded *window,
                          size_t size, vcd_form form, size_t out_size, size_t least, vcd_error expected) {
    struct apart apart;
    if (!take_apart(&apart, window->data, size)) {
        return;
    }
    struct guarded out = guard_make(out_size);
    struct guarded list = guard_make(VCD_PIECES_MAX(out_size, least) * sizeof(vcd_piece));
    vcd_pieces pieces = {(vcd_piece *)(void *)list.data, 0, least};
    vcd_error error =
        vcd_decode_parts(source->data, source_size, &apart.parts, form, out.data, out_size, &pieces);
    if (error != expected) {
        abort();
    }
    if (error == VCD_OK) {
        struct guarded whole = guard_make(out_size);
        struct guarded joined = guard_make(out_size);
        must(vcd_decode_window(source->data, source_size, window->data, size, form, whole.data, out_size));
        if (!join_pieces(&pieces, joined.data, out_size) || memcmp(joined.data, whole.data, out_size) != 0) {
            abort();
        }
        guard_free(&whole);
        guard_free(&joined);
    }
    guard_free(&list);
    guard_free(&out);
    free_apart(&apart);
}

/* The error, and the window in the other form. */
static vcd_error convert(const struct guarded *source, size_t source_size, const struct guarded *window,
                         size_t size, vcd_form form, struct guarded *out) {
    *out = guard_make(size);
    return vcd_convert_window(source->data, source_size, window->data, size, form, out->data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3) {
        return 0;
    }
    size_t source_size = (size_t)data[0] * 4;
    size_t out_size = (size_t)data[1] << (data[2] % 8);
    struct guarded source = guard_make(source_size);
    for (size_t i = 0; i < source_size; i++) {
        source.data[i] = (uint8_t)(i * i >> 3);
    }
    size_t least = 1 + (size_t)(data[2] >> 3);
    data += 3;
    size -= 3;
    struct guarded window = guard_copy(data, size);
    vcd_error plain = decode(&source, source_size, &window, size, VCD_PLAIN, out_size);
    vcd_error residual = decode(&source, source_size, &window, size, VCD_RESIDUAL, out_size);
    if (plain != residual && plain != VCD_E_CHECKSUM && residual != VCD_E_CHECKSUM) {
        abort();
    }
    decode_pieces(&source, source_size, &window, size, VCD_PLAIN, out_size, least, plain);
    decode_pieces(&source, source_size, &window, size, VCD_RESIDUAL, out_size, least, residual);
    struct guarded other;
    vcd_error error = convert(&source, source_size, &window, size, VCD_RESIDUAL, &other);
    if (error != plain && plain != VCD_E_CHECKSUM && plain != VCD_E_LENGTH) {
        abort();
    }
    if (error == VCD_OK) {
        struct guarded again;
        must(convert(&source, source_size, &other, size, VCD_PLAIN, &again));
        if (memcmp(again.data, window.data, size) != 0 ||
            decode(&source, source_size, &other, size, VCD_RESIDUAL, out_size) != plain) {
            abort();
        }
        guard_free(&again);
    }
    guard_free(&other);
    guard_free(&window);
    guard_free(&source);
    return 0;
}
