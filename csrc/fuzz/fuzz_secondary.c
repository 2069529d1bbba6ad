/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fuzz_secondary.c: any bytes as compressed sections. The first byte chooses compressor and size; what
 * follows is cut into sections that one reader takes after each other.
 */
#include "guard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3) {
        return 0;
    }
    vcd_secondary *secondary = NULL;
    must(vcd_secondary_new(&secondary, data[0] & 1 ? 16 : 1));
    size_t out_size = (size_t)1 << (data[0] >> 4);
    size_t step = (size_t)data[1] + 1;
    data += 2;
    size -= 2;
    for (vcd_error error = VCD_OK; size > 0 && error == VCD_OK;) {
        size_t piece = step < 256 && step < size ? step : size;
        struct guarded section = guard_copy(data, piece);
        struct guarded out = guard_make(out_size);
        error = vcd_secondary_decode(secondary, section.data, piece, out.data, out_size);
        guard_free(&section);
        guard_free(&out);
        data += piece;
        size -= piece;
    }
    vcd_secondary_free(secondary);
    return 0;
}
