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
        CHECK(kernels->adler32(ADLER32_NONE, copy, size) == plain_adler32(copy, size));
        size_t half = random_below(&state, size + 1);
        uint32_t sum = kernels->adler32(ADLER32_NONE, copy, half);
        CHECK(kernels->adler32(sum, copy + half, size - half) == plain_adler32(copy, size));
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

/* In order, apart, and copies of what they are said to be. */
static void check_right(const struct pair *pair, const struct match_list *list) {
    size_t at = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct match *match = &list->items[i];
        CHECK(match->start >= at && match->length > 0 && match->length <= pair->target_size - match->start);
        at = (size_t)match->start + match->length;
        const uint8_t *target = pair->target + match->start;
        if (match->kind == MATCH_SOURCE) {
            CHECK(match->from <= pair->source_size && match->length <= pair->source_size - match->from);
            CHECK(memcmp(target, pair->source + match->from, match->length) == 0);
        } else {
            const uint8_t *from = match->kind == MATCH_RUN ? target : pair->target + match->from;
            CHECK(from < target || match->kind == MATCH_RUN);
            for (size_t j = 0; j < match->length; j++) {
                CHECK(target[j] == from[match->kind == MATCH_RUN ? 0 : j]);
            }
        }
    }
}

/* In any ranges, one after the other. */
static void test_index_blocks(const struct kernels *kernels) {
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct pair pair = make_pair(seed, (size_t)1 << (4 + seed % 12), 4 + seed % 4);
        struct source_view view;
        CHECK(vcd_source_view_open(&view, pair.index, pair.index_size, pair.source, pair.source_size) ==
              VCD_OK);
        size_t size = (size_t)view.bucket_count * BUCKET_SLOTS * sizeof *view.slots;
        uint64_t blocks = pair.source_size < FINGERPRINT_SIZE
                              ? 0
                              : ((pair.source_size - FINGERPRINT_SIZE) >> view.stride_log2) + 1;
        uint32_t *expected = calloc(size + 1, 1);
        uint32_t *slots = calloc(size + 1, 1);
        CHECK(expected != NULL && slots != NULL);
        portable()->index_blocks(&view, expected, 0, blocks);
        CHECK(memcmp(expected, view.slots, size) == 0);
        uint64_t state = seed;
        for (uint64_t first = 0; first < blocks;) {
            uint64_t last = first + random_below(&state, 100);
            last = last < blocks ? last : blocks;
            kernels->index_blocks(&view, slots, first, last);
            first = last;
        }
        CHECK(memcmp(expected, slots, size) == 0);
        free(expected);
        free(slots);
        free_pair(&pair);
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
        const uint8_t *target = pair.target;
        size_t size = pair.target_size;
        uint32_t checksum = 0;
        CHECK(portable()->find_matches(&view, target, size, seed, 1 + seed % 16, &expected, &checksum) ==
              VCD_OK);
        CHECK(checksum == plain_adler32(target, size));
        CHECK(kernels->find_matches(&view, target, size, seed, 1 + seed % 16, &found, &checksum) == VCD_OK);
        CHECK(checksum == plain_adler32(target, size));
        check_same(&expected, &found);
        struct fill_tables *tables = take(sizeof *tables);
        size_t limit = seed % 3 ? (size_t)1 << seed % 12 : SIZE_MAX;
        struct fill_effort effort = {
            .bound = limit,
            .keep_min = seed % 2 ? 80 : 200,
            .near_bits = 10 + (unsigned)(seed % 7),
            .far_bits = 10 + (unsigned)(seed / 7 % 7),
            .step = 1U << seed % 4,
            .reach_per_byte = 1 + (unsigned)(seed % 50),
            .reach = 1 << (4 + seed % 14),
            .reuse = seed % 5 < 2,
        };
        for (unsigned which = 0; which < 2; which++) {
            const struct kernels *both[2] = {portable(), kernels};
            struct match_list lists[2] = {{NULL, 0, 0}, {NULL, 0, 0}};
            for (unsigned i = 0; i < 2; i++) {
                const struct kernels *used = both[i];
                CHECK((which == 0
                           ? used->fill_gaps(&view, target, size, seed, &expected, &effort, tables, &lists[i])
                           : used->fill_nearby(&view, target, size, seed, &expected, seed % 40, tables,
                                               &lists[i])) == VCD_OK);
            }
            check_same(&lists[0], &lists[1]);
            check_right(&pair, &lists[1]);
            free(lists[0].items);
            free(lists[1].items);
        }
        free(tables);
        free(expected.items);
        free(found.items);
        free_pair(&pair);
    }
}

int main(void) {
    for (unsigned rank = 0; vcd_kernels_at(rank) != NULL; rank++) {
        printf("%s\n", vcd_kernels_at(rank)->name);
        test_adler32(vcd_kernels_at(rank));
        test_index_blocks(vcd_kernels_at(rank));
        test_find_matches(vcd_kernels_at(rank));
    }
    return 0;
}
