/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fuzz_limits.c: any bytes as one window, in every form, for a target and a source of any small size, and
 * converted. Nothing may be touched outside them; forms agree on what is wrong with the instructions; and
 * what converts one way converts back to the same bytes.
 */
#include "guard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static vcd_error decode(const struct guarded *source, size_t source_size, const struct guarded *window,
                        size_t size, vcd_form form, size_t out_size) {
    struct guarded out = guard_make(out_size);
    vcd_error error =
        vcd_decode_window(source->data, source_size, window->data, size, form, out.data, out_size);
    guard_free(&out);
    return error;
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
    data += 3;
    size -= 3;
    struct guarded window = guard_copy(data, size);
    vcd_error plain = decode(&source, source_size, &window, size, VCD_PLAIN, out_size);
    vcd_error residual = decode(&source, source_size, &window, size, VCD_RESIDUAL, out_size);
    if (plain != residual && plain != VCD_E_CHECKSUM && residual != VCD_E_CHECKSUM) {
        abort();
    }
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
