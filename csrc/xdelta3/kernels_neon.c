/* SPDX-License-Identifier: GPL-2.0-only */
/* kernels_neon.c: the hot loops for 64-bit ARM, 128 bits at a time. */
#include "kernels.h"

#if VCD_AARCH64

#include <arm_neon.h>
#include <stdlib.h>

#define VCD_WIDE_NEON 1
#include "wide.h"

#include "adler32_impl.h"
#include "index_impl.h"
#include "match_impl.h"

#include "fill_impl.h"
#include "nearby_impl.h"

const struct kernels vcd_kernels_neon = {"neon", adler32, index_blocks, find_matches, fill_gaps, fill_nearby};

#endif
