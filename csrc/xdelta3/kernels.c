/* SPDX-License-Identifier: GPL-2.0-only */
/* kernels.c: which of the compiled kernels this processor can run. */
#include "kernels.h"

#if VCD_X86_64
static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}

static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
#endif

const struct kernels *vcd_kernels_at(unsigned rank) {
    const struct kernels *able[3] = {NULL, NULL, NULL};
    unsigned count = 0;
#if VCD_X86_64
    if (has_avx512()) {
        able[count++] = &vcd_kernels_avx512;
    }
    if (has_avx2()) {
        able[count++] = &vcd_kernels_avx2;
    }
#endif
#if VCD_AARCH64
    able[count++] = &vcd_kernels_neon; /* part of the architecture */
#endif
    able[count++] = &vcd_kernels_portable;
    return rank < count ? able[rank] : NULL;
}

const struct kernels *vcd_kernels(void) {
    return vcd_kernels_at(0);
}
