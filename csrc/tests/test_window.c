/* SPDX-License-Identifier: GPL-2.0-only */
/* test_window.c: windows round trip; a damaged window or index never leaves its buffers. */
#include "pair.h"
#include "parts.h"

struct bytes {
    uint8_t *data;
    size_t size;
};

static struct bytes encode(const struct pair *pair, vcd_form form, vcd_level level) {
    vcd_encoder *encoder = NULL;
    const uint8_t *out = NULL;
    struct bytes window = {NULL, 0};
    CHECK(vcd_encoder_new(&encoder, pair->index, pair->index_size, pair->source, pair->source_size, 1,
                          VCD_FAST) == VCD_OK);
    CHECK(vcd_encode_window(encoder, form, level, pair->source_size / 3, pair->target, pair->target_size,
                            &out, &window.size) == VCD_OK);
    window.data = exactly(out, window.size);
    vcd_encoder_free(encoder);
    return window;
}

static vcd_error decode(const struct pair *pair, struct bytes window, vcd_form form, uint8_t *out) {
    return vcd_decode_window(pair->source, pair->source_size, window.data, window.size, form, out,
                             pair->target_size);
}

static vcd_error convert(const struct pair *pair, struct bytes window, vcd_form form, struct bytes *out) {
    out->data = exactly(window.data, window.size);
    out->size = window.size;
    memset(out->data, 0, out->size);
    return vcd_convert_window(pair->source, pair->source_size, window.data, window.size, form, out->data);
}

static void check_conversion(const struct pair *pair, struct bytes from, struct bytes to, vcd_form form) {
    struct bytes converted;
    CHECK(convert(pair, from, form, &converted) == VCD_OK);
    CHECK(converted.size == to.size && memcmp(converted.data, to.data, to.size) == 0);
    free(converted.data);
}

static void test_round_trip(void) {
    for (uint64_t seed = 0; seed < 2000; seed++) {
        struct pair pair = make_pair(seed, 1 << (4 + seed % 12), 4 + seed % 4);
        struct bytes window[3];
        uint8_t *out = exactly(pair.target, pair.target_size);
        for (vcd_form form = VCD_PLAIN; form <= VCD_RESIDUAL; form++) {
            window[form] = encode(&pair, form, seed % 8 != 3 ? VCD_FAST : VCD_THOROUGH);
            memset(out, 0, pair.target_size);
            CHECK(decode(&pair, window[form], form, out) == VCD_OK);
            CHECK(memcmp(out, pair.target, pair.target_size) == 0);
        }
        CHECK(window[VCD_PLAIN].size <= window[VCD_DEFAULT].size);
        check_conversion(&pair, window[VCD_RESIDUAL], window[VCD_DEFAULT], VCD_DEFAULT);
        check_conversion(&pair, window[VCD_DEFAULT], window[VCD_RESIDUAL], VCD_RESIDUAL);
        free(out);
        for (vcd_form form = VCD_PLAIN; form <= VCD_RESIDUAL; form++) {
            free(window[form].data);
        }
        free_pair(&pair);
    }
}

/* Decodes a window in parts, to pieces; the target is in `out` if that succeeds. */
static vcd_error decode_pieces(const struct pair *pair, struct bytes window, vcd_form form, size_t least,
                               uint8_t *out) {
    size_t size = pair->target_size;
    struct apart apart;
    CHECK(take_apart(&apart, window.data, window.size));
    uint8_t *room = exactly(pair->target, size);
    memset(room, 0xee, size);
    vcd_pieces pieces = {malloc(VCD_PIECES_MAX(size, least) * sizeof(vcd_piece)), 0, least};
    CHECK(pieces.list != NULL);
    vcd_error error =
        vcd_decode_parts(pair->source, pair->source_size, &apart.parts, form, room, size, &pieces);
    CHECK(pieces.count <= VCD_PIECES_MAX(size, least));
    CHECK(error != VCD_OK || join_pieces(&pieces, out, size));
    free(pieces.list);
    free(room);
    free_apart(&apart);
    return error;
}

static void test_pieces(void) {
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct pair pair = make_pair(seed, 1 << (4 + seed % 14), 4 + seed % 4);
        vcd_form form = (vcd_form)(seed % 3);
        struct bytes window = encode(&pair, form, seed % 2 ? VCD_FAST : VCD_THOROUGH);
        uint8_t *out = exactly(pair.target, pair.target_size);
        for (size_t least = 1; least <= (size_t)1 << 16; least *= 4) {
            memset(out, 0, pair.target_size);
            CHECK(decode_pieces(&pair, window, form, least, out) == VCD_OK);
            CHECK(memcmp(out, pair.target, pair.target_size) == 0);
        }
        free(out);
        free(window.data);
        free_pair(&pair);
    }
}

/* A copy from what was left in the source, and one from what was left in the data section. */
static void test_holes(void) {
    static const uint8_t source[] = "abcdefghijklmnop";
    static const uint8_t data[] = "ABCDEFGHIJ";
    /* The source segment; 5 bytes and the sections; the target; not compressed; the sections; no checksum. */
    static const uint8_t head[] = {WINDOW_SOURCE, 16, 0, 5 + 20, 39, 0, 10, 7, 3};
    static const uint8_t instructions[] = {19, 12, 11, 19, 9, 19, 8}; /* COPY 12, ADD 10, COPY 9, COPY 8 */
    static const uint8_t addresses[] = {2, 16 + 1, 16 + 13};
    uint8_t out[39];
    uint8_t joined[39];
    vcd_piece list[VCD_PIECES_MAX(sizeof out, 10)];
    vcd_pieces pieces = {list, 0, 10};
    const vcd_parts parts = {head, sizeof head, data, 10, instructions, 7, addresses, 3};
    CHECK(vcd_decode_parts(source, 16, &parts, VCD_PLAIN, out, sizeof out, &pieces) == VCD_OK);
    CHECK(pieces.count == 3 && list[0].data == source + 2 && list[1].data == data);
    CHECK(join_pieces(&pieces, joined, sizeof joined));
    CHECK(memcmp(joined, "cdefghijklmnABCDEFGHIJdefghijklBCDEFGHI", sizeof joined) == 0);
}

static void test_damaged_window(void) {
    uint64_t state = 99;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct pair pair = make_pair(seed, 3000, 5);
        vcd_form form = seed % 2 ? VCD_RESIDUAL : VCD_PLAIN;
        struct bytes window = encode(&pair, form, seed % 8 != 3 ? VCD_FAST : VCD_THOROUGH);
        uint8_t *out = exactly(pair.target, pair.target_size);
        for (int round = 0; round < 200; round++) {
            struct bytes damaged = {exactly(window.data, window.size), window.size};
            for (size_t flips = 1 + random_below(&state, 3); flips > 0; flips--) {
                damaged.data[random_below(&state, damaged.size)] = (uint8_t)next_random(&state);
            }
            vcd_error error = decode(&pair, damaged, form, out);
            if (error == VCD_OK && (damaged.data[0] & 4)) {
                CHECK(memcmp(out, pair.target, pair.target_size) == 0);
            }
            struct bytes converted;
            vcd_error other =
                convert(&pair, damaged, form == VCD_PLAIN ? VCD_RESIDUAL : VCD_PLAIN, &converted);
            CHECK(other == error || error == VCD_E_CHECKSUM || error == VCD_E_LENGTH);
            free(converted.data);
            free(damaged.data);
        }
        for (size_t size = 0; size < window.size; size++) {
            struct bytes cut = {exactly(window.data, size), size};
            CHECK(decode(&pair, cut, form, out) != VCD_OK);
            free(cut.data);
        }
        free(out);
        free(window.data);
        free_pair(&pair);
    }
}

static void test_damaged_index(void) {
    uint64_t state = 5;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct pair pair = make_pair(seed, 20000, 5);
        uint8_t *slots = (uint8_t *)pair.index + 64;
        for (size_t i = 0; i + 64 < pair.index_size; i++) {
            slots[i] = (uint8_t)(seed % 3 == 0 ? 0xff : next_random(&state));
        }
        struct bytes window = encode(&pair, VCD_PLAIN, VCD_THOROUGH);
        uint8_t *out = exactly(pair.target, pair.target_size);
        CHECK(decode(&pair, window, VCD_PLAIN, out) == VCD_OK);
        CHECK(memcmp(out, pair.target, pair.target_size) == 0);
        uint32_t places = 0;
        uint32_t found = 0;
        for (uint32_t places_max = 1; places_max < 5; places_max++) {
            CHECK(vcd_index_similarity(pair.index, pair.index_size, pair.source, pair.source_size,
                                       pair.target, pair.target_size, places_max, &places, &found) == VCD_OK);
            CHECK(found <= places && places <= places_max);
        }
        free(out);
        free(window.data);
        free_pair(&pair);
    }
}

static void test_arguments(void) {
    size_t size = 0;
    vcd_encoder *encoder = NULL;
    CHECK(vcd_index_size(1 << 20, 3, &size) == VCD_E_ARGUMENT);
    CHECK(vcd_index_size(1 << 20, 25, &size) == VCD_E_ARGUMENT);
    CHECK(vcd_index_size((uint64_t)1 << 40, 5, &size) == VCD_E_ARGUMENT);
    CHECK(vcd_index_size((uint64_t)1 << 40, 13, &size) == VCD_OK); /* a terabyte */
    CHECK(vcd_index_size((uint64_t)1 << 63, 24, &size) == VCD_E_ARGUMENT);
    CHECK(vcd_index_stride(1 << 20, 5, 1 << 20) == 5);
    CHECK(vcd_index_stride(1 << 20, 5, 1 << 15) > 5);
    CHECK(vcd_index_stride(1 << 20, 5, 10) == 0);
    CHECK(vcd_encoder_new(&encoder, NULL, 0, NULL, 0, 0, VCD_FAST) == VCD_E_ARGUMENT);
    CHECK(vcd_encoder_new(&encoder, NULL, 0, NULL, 0, VCD_WINDOW_MAX + 1, VCD_FAST) == VCD_E_ARGUMENT);
    CHECK(strcmp(vcd_error_name(VCD_E_STRADDLE), "VCD_E_STRADDLE") == 0);
    CHECK(strcmp(vcd_error_name((vcd_error)999), "VCD_E_UNKNOWN") == 0);
}

/* An encoder that goes from source to source makes the windows that new ones make. */
static void test_other_source(void) {
    vcd_encoder *encoder = NULL;
    CHECK(vcd_encoder_new(&encoder, NULL, 0, NULL, 0, 1, VCD_FAST) == VCD_OK);
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct pair pair = make_pair(seed, 1 << (14 - seed % 11), 4 + seed % 4);
        struct bytes window = encode(&pair, VCD_DEFAULT, VCD_FAST);
        const uint8_t *out = NULL;
        size_t size = 0;
        CHECK(vcd_encoder_source(encoder, pair.index, pair.index_size, pair.source, pair.source_size) ==
              VCD_OK);
        CHECK(vcd_encoder_source(encoder, pair.index, pair.index_size - 1, pair.source, pair.source_size) ==
              VCD_E_INDEX);
        CHECK(vcd_encode_window(encoder, VCD_DEFAULT, VCD_FAST, pair.source_size / 3, pair.target,
                                pair.target_size, &out, &size) == VCD_OK);
        CHECK(size == window.size && memcmp(out, window.data, size) == 0);
        free(window.data);
        free_pair(&pair);
    }
    const uint8_t *out = NULL;
    size_t used = 0;
    size_t size = 0;
    CHECK(vcd_encoder_source(encoder, NULL, 0, NULL, 0) == VCD_OK);
    CHECK(vcd_encoder_feed(encoder, (const uint8_t *)"a", 1, &used, &out, &size) == VCD_OK);
    CHECK(vcd_encoder_source(encoder, NULL, 0, NULL, 0) == VCD_E_STATE);
    vcd_encoder_free(encoder);
}

int main(void) {
    test_arguments();
    test_other_source();
    test_round_trip();
    test_pieces();
    test_holes();
    test_damaged_window();
    test_damaged_index();
    return 0;
}
