/* SPDX-License-Identifier: GPL-2.0-only */
/* test_kernels.c: every kernel this processor can run gives what the portable one gives. */
#include "kernels.h"
#include "pair.h"

static const struct kernels *portable(void) {
    const struct kernels *last = NULL;
    for (unsigned rank = 0; vcd_kernels_at(rank) != NULL; rank++) {
        last = vcd_kernels_at(rank);
    }
    CHECK(last == &vcd_kernels_portable);
    return last;
}

/* RFC 1950, 8.2, by the letter. */
static uint32_t plain_adler32(const uint8_t *data, size_t size) {
    uint32_t a = 1;
    uint32_t b = 0;
    for (size_t i = 0; i < size; i++) {
        a = (a + data[i]) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

static void test_adler32(const struct kernels *kernels) {
    uint64_t state = 3;
    for (size_t round = 0; round < 3000; round++) {
        size_t size = round < 600 ? round : random_below(&state, 40000);
        uint8_t *data = malloc(size + 1);
        CHECK(data != NULL);
        if (round % 3 == 0) {
            memset(data, 0xff, size); /* the largest sums */
        } else {
            fill(data, size, &state, 256);
        }
        uint8_t *copy = exactly(data, size);
        CHECK(kernels->adler32(copy, size) == plain_adler32(copy, size));
        free(copy);
        free(data);
    }
}

static void check_same(const struct match_list *a, const struct match_list *b) {
    CHECK(a->count == b->count);
    for (size_t i = 0; i < a->count; i++) {
        CHECK(a->items[i].kind == b->items[i].kind);
        CHECK(a->items[i].from == b->items[i].from);
        CHECK(a->items[i].start == b->items[i].start);
        CHECK(a->items[i].length == b->items[i].length);
    }
}

static void test_find_matches(const struct kernels *kernels) {
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct pair pair = make_pair(seed, (size_t)1 << (4 + seed % 12), 4 + seed % 4);
        struct source_view view;
        CHECK(vcd_source_view_open(&view, pair.index, pair.index_size, pair.source, pair.source_size) ==
              VCD_OK);
        struct match_list expected = {NULL, 0, 0};
        struct match_list found = {NULL, 0, 0};
        vcd_level level = seed % 2 ? VCD_FAST : VCD_THOROUGH;
        const uint8_t *target = pair.target;
        size_t size = pair.target_size;
        CHECK(portable()->find_matches(&view, target, size, seed, level, &expected) == VCD_OK);
        CHECK(kernels->find_matches(&view, target, size, seed, level, &found) == VCD_OK);
        check_same(&expected, &found);
        struct match_list filled_expected = {NULL, 0, 0};
        struct match_list filled = {NULL, 0, 0};
        struct fill_tables *tables = take(sizeof *tables);
        CHECK(portable()->fill_gaps(&view, target, size, seed, &expected, tables, &filled_expected) ==
              VCD_OK);
        CHECK(kernels->fill_gaps(&view, target, size, seed, &expected, tables, &filled) == VCD_OK);
        check_same(&filled_expected, &filled);
        free(tables);
        free(filled_expected.items);
        free(filled.items);
        free(expected.items);
        free(found.items);
        free_pair(&pair);
    }
}

int main(void) {
    for (unsigned rank = 0; vcd_kernels_at(rank) != NULL; rank++) {
        printf("%s\n", vcd_kernels_at(rank)->name);
        test_adler32(vcd_kernels_at(rank));
        test_find_matches(vcd_kernels_at(rank));
    }
    return 0;
}
