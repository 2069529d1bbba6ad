/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * decoder.c: a delta that arrives in pieces.
 *
 * A state machine over the file header, then windows for ever: VCDIFF has no end mark, so a delta is complete
 * when it ends between two windows. A window is decoded where it lies when it arrived in one piece; otherwise
 * its bytes are gathered first. The gathering buffer grows with what has arrived, never by what a header
 * claims, and both it and the output are bounded by the window limits.
 */
#include "decode.h"

#include <stdlib.h>

enum state {
    FILE_MAGIC,
    FILE_INDICATOR,
    FILE_SECONDARY_ID,
    FILE_APPLICATION_SIZE,
    FILE_APPLICATION,
    WINDOW,
    FAILED,
};

enum { WINDOW_HEADER_READ_MAX = 1 + 5 + VARINT_MAX + 5 };

struct vcd_decoder {
    const uint8_t *source;
    uint64_t source_size;
    uint64_t output_left;
    enum state state;
    uint8_t indicator;
    unsigned count;       /* bytes of the magic, or digits of the size, so far */
    uint64_t application; /* bytes of the application header to skip */
    bool any_window;
    uint8_t *gathered; /* the window's bytes so far */
    size_t gathered_size;
    size_t gathered_capacity;
    uint8_t *out;
    size_t out_capacity;
};

vcd_error vcd_decoder_new(vcd_decoder **decoder, const uint8_t *source, uint64_t source_size,
                          uint64_t max_output) {
    struct vcd_decoder *made = calloc(1, sizeof *made);
    VCD_CHECK(made != NULL, VCD_E_MEMORY);
    made->source = source;
    made->source_size = source_size;
    made->output_left = max_output;
    *decoder = made;
    return VCD_OK;
}

void vcd_decoder_free(vcd_decoder *decoder) {
    if (decoder != NULL) {
        free(decoder->gathered);
        free(decoder->out);
        free(decoder);
    }
}

/* ---- file header ---- */

static void next_file_state(vcd_decoder *decoder, enum state after) {
    decoder->count = 0;
    if (after < FILE_SECONDARY_ID && decoder->indicator & HEADER_SECONDARY) {
        decoder->state = FILE_SECONDARY_ID;
    } else if (after < FILE_APPLICATION_SIZE && decoder->indicator & HEADER_APPLICATION) {
        decoder->state = FILE_APPLICATION_SIZE;
    } else {
        decoder->state = WINDOW;
    }
}

static vcd_error take_header_byte(vcd_decoder *decoder, uint8_t byte) {
    switch (decoder->state) {
    case FILE_MAGIC: {
        static const uint8_t magic[3] = {0xd6, 0xc3, 0xc4};
        if (decoder->count == sizeof magic) {
            VCD_CHECK(byte == 0, VCD_E_VERSION);
            decoder->state = FILE_INDICATOR;
        } else {
            VCD_CHECK(byte == magic[decoder->count], VCD_E_MAGIC);
            decoder->count++;
        }
        return VCD_OK;
    }
    case FILE_INDICATOR:
        VCD_CHECK((byte & ~(HEADER_SECONDARY | HEADER_CODE_TABLE | HEADER_APPLICATION)) == 0, VCD_E_HEADER);
        VCD_CHECK((byte & HEADER_CODE_TABLE) == 0, VCD_E_CODE_TABLE);
        decoder->indicator = byte;
        next_file_state(decoder, FILE_INDICATOR);
        return VCD_OK;
    case FILE_SECONDARY_ID:
        VCD_CHECK(byte == SECONDARY_DJW || byte == SECONDARY_LZMA || byte == SECONDARY_FGK, VCD_E_SECONDARY);
        next_file_state(decoder, FILE_SECONDARY_ID);
        return VCD_OK;
    default:
        VCD_ASSERT(decoder->state == FILE_APPLICATION_SIZE);
        VCD_CHECK(decoder->count < 5, VCD_E_VARINT);
        decoder->count++;
        decoder->application = decoder->application << 7 | (byte & 0x7f);
        VCD_CHECK(decoder->application <= UINT32_MAX, VCD_E_VARINT);
        if (!(byte & 0x80)) {
            decoder->state = decoder->application > 0 ? FILE_APPLICATION : WINDOW;
        }
        return VCD_OK;
    }
}

static vcd_error take_file_header(vcd_decoder *decoder, struct reader *in) {
    while (in->left > 0 && decoder->state != WINDOW) {
        if (decoder->state == FILE_APPLICATION) {
            size_t size = decoder->application < in->left ? (size_t)decoder->application : in->left;
            in->next += size;
            in->left -= size;
            decoder->application -= size;
            if (decoder->application == 0) {
                decoder->state = WINDOW;
            }
        } else {
            VCD_TRY(take_header_byte(decoder, *in->next));
            in->next++;
            in->left--;
        }
    }
    return VCD_OK;
}

/* ---- windows ---- */

static vcd_error gather(vcd_decoder *decoder, struct reader *in, size_t size) {
    size_t needed = decoder->gathered_size + size;
    if (needed > decoder->gathered_capacity) {
        size_t capacity = needed < 4096 ? 4096 : needed + needed / 2;
        uint8_t *data = realloc(decoder->gathered, capacity);
        VCD_CHECK(data != NULL, VCD_E_MEMORY);
        decoder->gathered = data;
        decoder->gathered_capacity = capacity;
    }
    memcpy(decoder->gathered + decoder->gathered_size, in->next, size);
    decoder->gathered_size = needed;
    in->next += size;
    in->left -= size;
    return VCD_OK;
}

/* `in` holds the bytes after the window's header, exactly. */
static vcd_error decode_one(vcd_decoder *decoder, struct reader in, const struct window_header *window,
                            const uint8_t **out, size_t *out_size) {
    size_t size = 0;
    VCD_TRY(vcd_window_target_size(in, &size));
    VCD_CHECK(size <= decoder->output_left, VCD_E_OUTPUT_LIMIT);
    if (decoder->out_capacity < size || decoder->out == NULL) {
        free(decoder->out);
        decoder->out_capacity = 0;
        decoder->out = malloc(size > 0 ? size : 1);
        VCD_CHECK(decoder->out != NULL, VCD_E_MEMORY);
        decoder->out_capacity = size;
    }
    VCD_TRY(
        vcd_window_decode(in, window, VCD_PLAIN, decoder->source, decoder->source_size, decoder->out, size));
    decoder->output_left -= size;
    decoder->any_window = true;
    *out = decoder->out;
    *out_size = size;
    return VCD_OK;
}

/* The header of the window that starts at `in`. VCD_E_TRUNCATED: more bytes are needed to tell. */
static vcd_error peek_header(struct reader *in, struct window_header *window) {
    struct reader start = {in->next, in->left < WINDOW_HEADER_READ_MAX ? in->left : WINDOW_HEADER_READ_MAX};
    size_t before = start.left;
    VCD_TRY(vcd_window_header_read(&start, window));
    in->next += before - start.left;
    in->left -= before - start.left;
    return VCD_OK;
}

static vcd_error take_window(vcd_decoder *decoder, struct reader *in, const uint8_t **out, size_t *out_size) {
    struct window_header window;
    if (decoder->gathered_size == 0) {
        struct reader whole = *in;
        vcd_error error = peek_header(&whole, &window);
        VCD_CHECK(error == VCD_OK || error == VCD_E_TRUNCATED, error);
        if (error == VCD_OK && whole.left >= window.encoding_length) {
            struct reader body = {whole.next, window.encoding_length};
            VCD_TRY(decode_one(decoder, body, &window, out, out_size));
            in->next = whole.next + window.encoding_length;
            in->left = whole.left - window.encoding_length;
            return VCD_OK;
        }
    }
    for (;;) {
        struct reader body = {decoder->gathered, decoder->gathered_size};
        vcd_error error = peek_header(&body, &window);
        VCD_CHECK(error == VCD_OK || error == VCD_E_TRUNCATED, error);
        /* While the header's end is not known a byte at a time, so as not to take one too many. */
        size_t missing = error == VCD_OK ? window.encoding_length - body.left : 1;
        if (missing == 0) {
            decoder->gathered_size = 0;
            return decode_one(decoder, body, &window, out, out_size);
        }
        if (in->left == 0) {
            return VCD_OK;
        }
        VCD_TRY(gather(decoder, in, missing < in->left ? missing : in->left));
    }
}

vcd_error vcd_decoder_feed(vcd_decoder *decoder, const uint8_t *delta, size_t size, size_t *used,
                           const uint8_t **out, size_t *out_size) {
    *used = 0;
    *out_size = 0;
    VCD_CHECK(decoder->state != FAILED, VCD_E_STATE);
    struct reader in = {delta, size};
    vcd_error error = take_file_header(decoder, &in);
    if (error == VCD_OK && decoder->state == WINDOW && in.left > 0) {
        error = take_window(decoder, &in, out, out_size);
    }
    if (error != VCD_OK) {
        decoder->state = FAILED;
        return error;
    }
    *used = size - in.left;
    return VCD_OK;
}

vcd_error vcd_decoder_finish(vcd_decoder *decoder) {
    VCD_CHECK(decoder->state != FAILED, VCD_E_STATE);
    bool complete = decoder->state == WINDOW && decoder->gathered_size == 0 && decoder->any_window;
    decoder->state = FAILED;
    return complete ? VCD_OK : VCD_E_TRUNCATED;
}
