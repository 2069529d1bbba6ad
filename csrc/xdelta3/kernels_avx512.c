/* SPDX-License-Identifier: GPL-2.0-only */
/* kernels_avx512.c: the hot loops for x86-64 with AVX512, 512 bits at a time. */
#include "kernels.h"

#if VCD_X86_64

#include <immintrin.h>
#include <stdlib.h>

/* Everything defined from here on is compiled for AVX512. */
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx2,bmi,bmi2"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx2,bmi,bmi2")
#endif

#define VCD_WIDE_AVX512 1
#include "wide.h"

#include "adler32_impl.h"
#include "index_impl.h"
#include "match_impl.h"

#include "fill_impl.h"
#include "nearby_impl.h"

const struct kernels vcd_kernels_avx512 = {"avx512",     adler32,   index_blocks,
                                           find_matches, fill_gaps, fill_nearby};

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif
