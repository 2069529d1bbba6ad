/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernels.h: the hot loops, once for each instruction set they are compiled for. All give the same results.
 */
#ifndef VCD_KERNELS_H
#define VCD_KERNELS_H

#include "match.h"

enum { ADLER32_NONE = 1 };

struct kernels {
    const char *name;

    /* Adler-32 (RFC 1950, 8.2) of what `sum` is of, and then of these bytes; ADLER32_NONE is that of none. */
    uint32_t (*adler32)(uint32_t sum, const uint8_t *data, size_t size);

    /* Put the blocks from `first` to before `last` into the slots, after those that are there. */
    void (*index_blocks)(const struct source_view *view, uint32_t *slots, uint64_t first, uint64_t last);

    /*
     * Replaces what is in `list`, and says the target's Adler-32. `position`: where in the source to look
     * first. `dry_per_step`: after how many bytes without a match the index is looked at a byte further on,
     * 1 to 16. VCD_E_MEMORY or VCD_OK.
     */
    vcd_error (*find_matches)(const struct source_view *view, const uint8_t *target, size_t size,
                              uint64_t position, unsigned dry_per_step, struct match_list *list,
                              uint32_t *checksum);

    /* Replaces what is in `out` by `list` with short copies between its matches. VCD_E_MEMORY or VCD_OK. */
    vcd_error (*fill_gaps)(const struct source_view *view, const uint8_t *target, size_t size,
                           uint64_t position, const struct match_list *list, const struct fill_effort *effort,
                           struct fill_tables *tables, struct match_list *out);

    /* The same, with short copies from the source in literals of `bound` bytes or more. */
    vcd_error (*fill_nearby)(const struct source_view *view, const uint8_t *target, size_t size,
                             uint64_t position, const struct match_list *list, size_t bound,
                             struct fill_tables *tables, struct match_list *out);
};

/* The best for this processor. */
const struct kernels *vcd_kernels(void);

/* Those this processor can run, the best first; NULL past the last. For tests. */
const struct kernels *vcd_kernels_at(unsigned rank);

extern const struct kernels vcd_kernels_portable;
#if defined(__x86_64__) && defined(__GNUC__)
#define VCD_X86_64 1
extern const struct kernels vcd_kernels_avx2;
extern const struct kernels vcd_kernels_avx512;
#else
#define VCD_X86_64 0
#endif
#if defined(__aarch64__) && defined(__ARM_NEON)
#define VCD_AARCH64 1
extern const struct kernels vcd_kernels_neon;
#else
#define VCD_AARCH64 0
#endif

#endif
