/* SPDX-License-Identifier: GPL-2.0-only */
/* error.c: names and sentences of the errors, from the list in vcdiff.h. */
#include "vcdiff.h"

const char *vcd_error_name(vcd_error error) {
    switch (error) {
#define VCD_ERROR_NAME(name, text) \
    case name:                     \
        return #name;
        VCD_ERRORS(VCD_ERROR_NAME)
#undef VCD_ERROR_NAME
    }
    return "VCD_E_UNKNOWN";
}

const char *vcd_error_text(vcd_error error) {
    switch (error) {
#define VCD_ERROR_TEXT(name, text) \
    case name:                     \
        return text;
        VCD_ERRORS(VCD_ERROR_TEXT)
#undef VCD_ERROR_TEXT
    }
    return "unknown error";
}
