/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guard.h: memory that ends where a page without access begins, so that a byte too far is a fault in any
 * build, also in code that no sanitizer instruments.
 */
#ifndef VCD_GUARD_H
#define VCD_GUARD_H

#define _DEFAULT_SOURCE 1 /* MAP_ANONYMOUS */

#include "vcdiff.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct guarded {
    uint8_t *data;
    void *pages;
    size_t pages_size;
};

static inline void must(vcd_error error) {
    if (error != VCD_OK) {
        abort();
    }
}

/* `size` zero bytes, the last just before the guard page. */
static inline struct guarded guard_make(size_t size) {
    const size_t page = 4096;
    size_t room = (size + page - 1) / page * page;
    struct guarded made = {NULL, NULL, room + page};
    made.pages = mmap(NULL, made.pages_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made.pages == MAP_FAILED || mprotect((uint8_t *)made.pages + room, page, PROT_NONE) != 0) {
        abort();
    }
    made.data = (uint8_t *)made.pages + room - size;
    return made;
}

/* A copy that nobody may write to. */
static inline struct guarded guard_copy(const uint8_t *data, size_t size) {
    struct guarded made = guard_make(size);
    if (size > 0) {
        memcpy(made.data, data, size);
        if (mprotect(made.pages, made.pages_size, PROT_READ) != 0 ||
            mprotect((uint8_t *)made.pages + made.pages_size - 4096, 4096, PROT_NONE) != 0) {
            abort();
        }
    }
    return made;
}

static inline void guard_free(struct guarded *guarded) {
    if (munmap(guarded->pages, guarded->pages_size) != 0) {
        abort();
    }
}

#endif
