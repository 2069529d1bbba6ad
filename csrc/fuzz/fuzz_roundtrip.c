/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fuzz_roundtrip.c: any source, index and target. The input is split into source and target; the first
 * bytes choose where, the stride, and whether the index is damaged. What is encoded must decode to the same
 * bytes.
 */
#include "vcdiff.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(vcd_error error) {
    if (error != VCD_OK) {
        abort();
    }
}

static uint8_t *exactly(const uint8_t *data, size_t size) {
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, data, size);
    return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 4) {
        return 0;
    }
    unsigned stride_log2 = 4 + data[0] % 8;
    uint8_t damage = data[1];
    size_t source_size = ((size_t)data[2] << 8 | data[3]) % (size - 3);
    size_t target_size = size - 4 - source_size;
    uint8_t *source = exactly(data + 4, source_size);
    uint8_t *target = exactly(data + 4 + source_size, target_size);
    size_t index_size = 0;
    must(vcd_index_size(source_size, stride_log2, &index_size));
    uint8_t *index = aligned_alloc(16, (index_size + 15) / 16 * 16);
    if (index == NULL) {
        abort();
    }
    memset(index, 0, index_size);
    must(vcd_index_init(index, index_size, source_size, stride_log2, 1));
    must(vcd_index_add(index, index_size, source, source_size, 0, source_size));
    for (size_t i = 64; damage != 0 && i < index_size; i += damage) {
        index[i] = (uint8_t)(index[i] + damage);
    }
    vcd_encoder *encoder = NULL;
    const uint8_t *window = NULL;
    size_t window_size = 0;
    must(vcd_encoder_new(&encoder, index, index_size, source, source_size, 1, VCD_FAST));
    vcd_form form = (vcd_form)((data[0] >> 3) % 3);
    vcd_form other = form == VCD_RESIDUAL ? VCD_PLAIN : VCD_RESIDUAL;
    must(vcd_encode_window(encoder, form, data[0] & 128 ? VCD_THOROUGH : VCD_FAST, data[0] & 15, target,
                           target_size, &window, &window_size));
    uint8_t *copy = exactly(window, window_size);
    uint8_t *out = exactly(target, target_size);
    memset(out, 0, target_size);
    must(vcd_decode_window(source, source_size, copy, window_size, form, out, target_size));
    if (memcmp(out, target, target_size) != 0) {
        abort();
    }
    uint8_t *converted = exactly(copy, window_size);
    must(vcd_convert_window(source, source_size, copy, window_size, other, converted));
    must(vcd_decode_window(source, source_size, converted, window_size, other, out, target_size));
    free(converted);
    if (memcmp(out, target, target_size) != 0) {
        abort();
    }
    vcd_encoder_free(encoder);
    free(copy);
    free(out);
    free(index);
    free(source);
    free(target);
    return 0;
}
