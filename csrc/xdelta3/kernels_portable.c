/* SPDX-License-Identifier: GPL-2.0-only */
/* kernels_portable.c: the hot loops for any processor, 64 bits at a time. */
#include "kernels.h"

#include <stdlib.h>

#include "wide.h"

#include "adler32_impl.h"
#include "index_impl.h"
#include "match_impl.h"

#include "fill_impl.h"
#include "nearby_impl.h"

const struct kernels vcd_kernels_portable = {"portable",   adler32,   index_blocks,
                                             find_matches, fill_gaps, fill_nearby};
