/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fuzz_index.c: any bytes as the saved index of a source, and an index whose slots are any bytes. What is
 * accepted must be usable: the window made with it decodes to the same bytes.
 */
#include "guard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const void *index, size_t index_size, const struct guarded *source, size_t source_size,
                vcd_level level) {
    enum { TARGET_SIZE = 3000 };
    uint32_t places = 0;
    uint32_t found = 0;
    struct guarded target = guard_make(TARGET_SIZE);
    for (size_t i = 0; i < TARGET_SIZE; i++) { /* the source backwards by pieces, with changes */
        target.data[i] = source_size == 0 ? 1 : source->data[(i * 7 / 500 * 500 + i) % source_size];
        target.data[i] = (uint8_t)(i % 97 == 0 ? ~target.data[i] : target.data[i]);
    }
    enum { PLACES_MAX = 50 };
    must(vcd_index_similarity(index, index_size, source->data, source_size, target.data, TARGET_SIZE,
                              PLACES_MAX, &places, &found));
    if (found > places || places > PLACES_MAX) {
        abort();
    }
    vcd_encoder *encoder = NULL;
    const uint8_t *window = NULL;
    size_t window_size = 0;
    must(vcd_encoder_new(&encoder, index, index_size, source->data, source_size, 1, VCD_FAST));
    must(vcd_encode_window(encoder, VCD_PLAIN, level, 0, target.data, TARGET_SIZE, &window, &window_size));
    struct guarded out = guard_make(TARGET_SIZE);
    must(vcd_decode_window(source->data, source_size, window, window_size, VCD_PLAIN, out.data, TARGET_SIZE));
    if (memcmp(out.data, target.data, TARGET_SIZE) != 0) {
        abort();
    }
    guard_free(&out);
    guard_free(&target);
    vcd_encoder_free(encoder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 4) {
        return 0;
    }
    size_t source_size = (size_t)data[0] << 3 | data[1] >> 5;
    unsigned stride_log2 = 4 + data[1] % 4;
    vcd_level level = data[2] & 1 ? VCD_THOROUGH : VCD_FAST;
    struct guarded source = guard_make(source_size);
    for (size_t i = 0; i < source_size; i++) {
        source.data[i] = (uint8_t)(i * i >> 3);
    }
    data += 3;
    size -= 3;
    /* The input as the whole image; sizes are multiples of 16, so guard pages keep the alignment. */
    struct guarded image = guard_copy(data, size / 16 * 16);
    if (size >= 16 && vcd_index_check(image.data, size / 16 * 16, source_size) == VCD_OK) {
        use(image.data, size / 16 * 16, &source, source_size, level);
    }
    guard_free(&image);
    /* The input as the slots behind a right header. */
    size_t index_size = 0;
    must(vcd_index_size(source_size, stride_log2, &index_size));
    struct guarded index = guard_make(index_size);
    must(vcd_index_init(index.data, index_size, source_size, stride_log2, 1));
    for (size_t i = 64; i < index_size; i++) {
        index.data[i] = data[i % size];
    }
    use(index.data, index_size, &source, source_size, level);
    guard_free(&index);
    guard_free(&source);
    return 0;
}
