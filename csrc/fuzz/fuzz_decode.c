/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fuzz_decode.c: any bytes as a delta, whole and in pieces. Both ways must agree, and no more than the
 * limit may come out. The first byte chooses the size of the pieces.
 */
#include "vcdiff.h"

#include <stdlib.h>
#include <string.h>

enum { LIMIT = 1 << 20, SOURCE_SIZE = 1000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The error, and a sum over the output. */
static vcd_error run(const uint8_t *source, const uint8_t *delta, size_t size, size_t step, uint64_t *sum) {
    vcd_decoder *decoder = NULL;
    if (vcd_decoder_new(&decoder, source, SOURCE_SIZE, LIMIT) != VCD_OK) {
        abort();
    }
    vcd_error error = VCD_OK;
    size_t total = 0;
    for (size_t at = 0; at < size && error == VCD_OK;) {
        const uint8_t *out = NULL;
        size_t out_size = 0;
        size_t used = 0;
        size_t piece = step < size - at ? step : size - at;
        uint8_t *copy = malloc(piece);
        if (copy == NULL) {
            abort();
        }
        memcpy(copy, delta + at, piece);
        error = vcd_decoder_feed(decoder, copy, piece, &used, &out, &out_size);
        free(copy);
        for (size_t i = 0; error == VCD_OK && i < out_size; i++) {
            *sum = *sum * 31 + out[i];
        }
        total += out_size;
        at += used;
    }
    if (total > LIMIT) {
        abort();
    }
    if (error == VCD_OK) {
        error = vcd_decoder_finish(decoder);
    }
    vcd_decoder_free(decoder);
    return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    uint8_t *source = malloc(SOURCE_SIZE);
    if (source == NULL) {
        abort();
    }
    for (size_t i = 0; i < SOURCE_SIZE; i++) {
        source[i] = (uint8_t)(i * i >> 3);
    }
    uint64_t whole = 0;
    uint64_t pieces = 0;
    vcd_error first = run(source, data + 1, size - 1, SIZE_MAX, &whole);
    vcd_error second = run(source, data + 1, size - 1, (size_t)data[0] + 1, &pieces);
    if ((first == VCD_OK) != (second == VCD_OK) || (first == VCD_OK && whole != pieces)) {
        abort();
    }
    free(source);
    return 0;
}
