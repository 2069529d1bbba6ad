/* SPDX-License-Identifier: GPL-2.0-only */
/* test_stream.c: streams give the same bytes under any chunking, and stop at the first error. */
#include "pair.h"

struct bytes {
    uint8_t *data;
    size_t size;
};

static void append(struct bytes *to, const uint8_t *data, size_t size) {
    if (size > 0) {
        to->data = realloc(to->data, to->size + size);
        CHECK(to->data != NULL);
        memcpy(to->data + to->size, data, size);
        to->size += size;
    }
}

/* Every piece is handed over in a block of its own size. */
static struct bytes encode(const struct pair *pair, size_t window_size, size_t most, uint64_t *state) {
    vcd_encoder *encoder = NULL;
    struct bytes delta = {NULL, 0};
    const uint8_t *out = NULL;
    size_t out_size = 0;
    CHECK(vcd_encoder_new(&encoder, pair->index, pair->index_size, pair->source, pair->source_size,
                          window_size, pair->target_size % 2 ? VCD_FAST : VCD_THOROUGH) == VCD_OK);
    for (size_t at = 0; at < pair->target_size;) {
        size_t size = random_below(state, most + 1);
        size = size < pair->target_size - at ? size : pair->target_size - at;
        uint8_t *piece = exactly(pair->target + at, size);
        size_t used = 0;
        CHECK(vcd_encoder_feed(encoder, piece, size, &used, &out, &out_size) == VCD_OK);
        CHECK(used <= size && (used > 0 || size == 0));
        append(&delta, out, out_size);
        at += used;
        free(piece);
    }
    CHECK(vcd_encoder_finish(encoder, &out, &out_size) == VCD_OK);
    append(&delta, out, out_size);
    CHECK(vcd_encoder_finish(encoder, &out, &out_size) == VCD_E_STATE);
    vcd_encoder_free(encoder);
    return delta;
}

static struct bytes decode(const struct pair *pair, struct bytes delta, size_t most, uint64_t *state) {
    vcd_decoder *decoder = NULL;
    struct bytes target = {NULL, 0};
    CHECK(vcd_decoder_new(&decoder, pair->source, pair->source_size, pair->target_size) == VCD_OK);
    for (size_t at = 0; at < delta.size;) {
        size_t size = random_below(state, most + 1);
        size = size < delta.size - at ? size : delta.size - at;
        uint8_t *piece = exactly(delta.data + at, size);
        const uint8_t *out = NULL;
        size_t out_size = 0;
        size_t used = 0;
        CHECK(vcd_decoder_feed(decoder, piece, size, &used, &out, &out_size) == VCD_OK);
        CHECK(used <= size && (used > 0 || size == 0));
        append(&target, out, out_size);
        at += used;
        free(piece);
    }
    CHECK(vcd_decoder_finish(decoder) == VCD_OK);
    CHECK(vcd_decoder_finish(decoder) == VCD_E_STATE);
    vcd_decoder_free(decoder);
    return target;
}

static void test_chunking(void) {
    uint64_t state = 17;
    for (uint64_t seed = 0; seed < 500; seed++) {
        struct pair pair = make_pair(seed, 1 << (3 + seed % 12), 5);
        size_t window_size = 1 + random_below(&state, 5000);
        struct bytes whole = encode(&pair, window_size, 1 << 20, &state);
        struct bytes delta = encode(&pair, window_size, seed % 5 == 0 ? 1 : 3000, &state);
        CHECK(whole.size == delta.size && memcmp(whole.data, delta.data, whole.size) == 0);
        struct bytes target = decode(&pair, delta, seed % 4 == 0 ? 1 : 3000, &state);
        CHECK(target.size == pair.target_size);
        CHECK(target.size == 0 || memcmp(target.data, pair.target, target.size) == 0);
        free(whole.data);
        free(delta.data);
        free(target.data);
        free_pair(&pair);
    }
}

static void test_error_is_final(void) {
    vcd_decoder *decoder = NULL;
    const uint8_t *out = NULL;
    size_t used = 0;
    size_t out_size = 0;
    CHECK(vcd_decoder_new(&decoder, NULL, 0, 0) == VCD_OK);
    CHECK(vcd_decoder_feed(decoder, (const uint8_t *)"no", 2, &used, &out, &out_size) == VCD_E_MAGIC);
    CHECK(vcd_decoder_feed(decoder, vcd_file_header, 5, &used, &out, &out_size) == VCD_E_STATE);
    CHECK(vcd_decoder_finish(decoder) == VCD_E_STATE);
    vcd_decoder_free(decoder);
    vcd_decoder_free(NULL);
    vcd_encoder_free(NULL);
}

int main(void) {
    test_chunking();
    test_error_is_final();
    return 0;
}
