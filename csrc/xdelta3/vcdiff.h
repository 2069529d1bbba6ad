/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vcdiff.h: delta encoding of one run of bytes (the target) against another (the source).
 *
 * The format is VCDIFF, RFC 3284, in the dialect of xdelta3: windows may carry an Adler-32 of their target
 * bytes, the file header may carry an application header. What the encoder writes, `xdelta3 -d` reads.
 *
 * A delta is a file header and then windows. A window stands for up to VCD_WINDOW_MAX target bytes and is
 * independent of the other windows: given the source, windows can be encoded and decoded in any order and in
 * parallel.
 *
 *     vcd_index     where the blocks of a source are found. One flat run of memory without pointers: it can
 *                   be saved, mapped, and shared between threads and processes. Its content is never
 *                   trusted: damage costs compression, not correctness.
 *     vcd_encoder   target bytes in, delta out; as a stream, or one window at a time.
 *     vcd_decoder   delta in, target bytes out, as a stream; vcd_decode_window does one window without one.
 *
 * Nothing here reads files, starts threads or has global state. An encoder or decoder is used by one thread
 * at a time; an index and a source by any number. The source is plain memory (usually a mapped file) of up to
 * 2^63 bytes.
 */
#ifndef VCD_VCDIFF_H
#define VCD_VCDIFF_H

#include <stddef.h>
#include <stdint.h>

/* Longest target window written or accepted. xdelta3 3.0.11 refuses one byte more. */
#define VCD_WINDOW_MAX ((size_t)1 << 24)

/* Longest encoding of one window accepted: the worst useful one spends two bytes on a byte. */
#define VCD_ENCODED_MAX (2 * VCD_WINDOW_MAX)

/* Everything that can go wrong, once. What follows VCD_E_INDEX is the delta's fault. */
#define VCD_ERRORS(X)                                                               \
    X(VCD_OK, "no error")                                                           \
    X(VCD_E_MEMORY, "out of memory")                                                \
    X(VCD_E_ARGUMENT, "an argument is out of its range")                            \
    X(VCD_E_STATE, "the stream has ended or failed before")                         \
    X(VCD_E_INDEX, "not an index of this source")                                   \
    X(VCD_E_MAGIC, "not a VCDIFF file")                                             \
    X(VCD_E_VERSION, "a VCDIFF version other than 0")                               \
    X(VCD_E_HEADER, "reserved bits set in the file header")                         \
    X(VCD_E_CODE_TABLE, "application-defined code tables are not supported")        \
    X(VCD_E_SECONDARY, "a secondary compressor that is unknown or not supported")   \
    X(VCD_E_COMPRESSED, "a compressed section is damaged")                          \
    X(VCD_E_TRUNCATED, "the delta ends too early")                                  \
    X(VCD_E_TRAILING, "bytes follow the end of the window")                         \
    X(VCD_E_VARINT, "an integer is too large")                                      \
    X(VCD_E_WINDOW_FLAGS, "reserved bits set in a window's indicator")              \
    X(VCD_E_VCD_TARGET, "windows that copy from the target file are not supported") \
    X(VCD_E_SEGMENT, "the source segment is larger than 2^32 or wraps around")      \
    X(VCD_E_WINDOW_SIZE, "the window is larger than supported")                     \
    X(VCD_E_SECTIONS, "section sizes and encoding length disagree")                 \
    X(VCD_E_OUTPUT_LIMIT, "the delta produces more than was allowed")               \
    X(VCD_E_OVERRUN, "an instruction writes past the end of its window")            \
    X(VCD_E_UNDERRUN, "the instructions end before the window is full")             \
    X(VCD_E_DATA, "the data section is too short or not used up")                   \
    X(VCD_E_ADDRESSES, "the address section is too short or not used up")           \
    X(VCD_E_ADDRESS, "a copy from an address that does not exist yet")              \
    X(VCD_E_STRADDLE, "a copy crosses from the source into the target")             \
    X(VCD_E_SOURCE_END, "a copy from past the end of the source")                   \
    X(VCD_E_CHECKSUM, "the Adler-32 of the window differs")                         \
    X(VCD_E_LENGTH, "the window has another length than expected")

typedef enum vcd_error {
#define VCD_ERROR_MEMBER(name, text) name,
    VCD_ERRORS(VCD_ERROR_MEMBER)
#undef VCD_ERROR_MEMBER
} vcd_error;

/* "VCD_E_TRUNCATED", and the sentence beside it above. */
const char *vcd_error_name(vcd_error error);
const char *vcd_error_text(vcd_error error);

/* The file header written: version 0, no secondary compressor, no code table, no application header. */
#define VCD_FILE_HEADER_SIZE 5
extern const uint8_t vcd_file_header[VCD_FILE_HEADER_SIZE];

/*
 * What a window is made for.
 *
 * VCD_PLAIN is VCDIFF that is small as it is. VCD_DEFAULT is VCDIFF that is small once compressed: addresses
 * are longer and more alike.
 *
 * VCD_RESIDUAL is for storage, to be compressed as well, and not VCDIFF: bytes that ADDs put between two source
 * copies on one diagonal (the second copy starts as far behind the first in the source as in the target,
 * and nothing but ADDs stands between them) are stored as target minus source, modulo 256. In programs that
 * were built again and in numbers that changed a little, these differences repeat where the bytes do not.
 * Which bytes these are follows from the instructions, which are those of VCD_DEFAULT, so nothing marks them,
 * and vcd_convert_window makes one form from the other. Reading takes VCD_PLAIN and VCD_DEFAULT as the same.
 */
typedef enum vcd_form { VCD_PLAIN, VCD_DEFAULT, VCD_RESIDUAL } vcd_form;

/*
 * How hard to look. VCD_FAST copies from the source what an index finds and what lies along it, and looks for
 * short copies only where a compressor would find none. VCD_THOROUGH looks for short copies everywhere, from
 * nearby source and from the window itself: smaller as it is, but what it copies a compressor would often have
 * found, too.
 */
typedef enum vcd_level { VCD_FAST, VCD_THOROUGH } vcd_level;

/* ---- index ---- */

/*
 * Bytes of memory an index of `source_size` bytes takes, with a fingerprint at every 2^`stride_log2`-th
 * offset. `stride_log2` is 4 to 24. VCD_E_ARGUMENT when the source is too large for the stride (more than
 * 2^28 blocks).
 */
vcd_error vcd_index_size(uint64_t source_size, unsigned stride_log2, size_t *size);

/* The finest stride of at least `stride_log2` whose index takes at most `memory_max` bytes; 0 when there is
 * none. */
unsigned vcd_index_stride(uint64_t source_size, unsigned stride_log2, size_t memory_max);

/*
 * Make an empty index in zero-filled `memory`, aligned to 16 bytes. `seed` makes fingerprints unguessable for
 * whoever could choose the source's bytes; any value is right.
 */
vcd_error vcd_index_init(void *memory, size_t size, uint64_t source_size, unsigned stride_log2,
                         uint64_t seed);

/* Add the blocks that begin in source[begin, end). Called in order, with adjoining ranges, the whole source
 * is indexed. */
vcd_error vcd_index_add(void *memory, size_t size, const uint8_t *source, uint64_t source_size,
                        uint64_t begin, uint64_t end);

/* Check that `memory`, aligned to 16 bytes, can be used as an index of a source of that size. */
vcd_error vcd_index_check(const void *memory, size_t size, uint64_t source_size);

/*
 * How much of `sample` was taken from the source: places looked at, at most `places_max` (not 0), evenly spread
 * over the sample, and those of them whose bytes occur in the source.
 */
vcd_error vcd_index_similarity(const void *memory, size_t size, const uint8_t *source, uint64_t source_size,
                               const uint8_t *sample, size_t sample_size, uint32_t places_max,
                               uint32_t *places, uint32_t *found);

/* out[i] = one[i] - other[i] (modulo 256), which compresses where both are numbers that differ little. */
void vcd_difference(const uint8_t *one, const uint8_t *other, uint8_t *out, size_t size);

/* ---- encoder ---- */

typedef struct vcd_encoder vcd_encoder;

/*
 * `memory` is the index of `source`; NULL encodes without a source. All three must stay as they are until
 * vcd_encoder_free, or vcd_encoder_source. `window_size`, 1 to VCD_WINDOW_MAX, and `level` are for streams.
 */
vcd_error vcd_encoder_new(vcd_encoder **encoder, const void *memory, size_t size, const uint8_t *source,
                          uint64_t source_size, size_t window_size, vcd_level level);
void vcd_encoder_free(vcd_encoder *encoder);

/*
 * Encode against another source from now on, in the room that was needed for the last one. VCD_E_STATE once a
 * stream has begun. The encoder keeps its source when this fails.
 */
vcd_error vcd_encoder_source(vcd_encoder *encoder, const void *memory, size_t size, const uint8_t *source,
                             uint64_t source_size);

/*
 * Encode target[0, size) as one window. `*out` stays valid until the next call with this encoder. `position`
 * is a hint: the offset of the source that is most like the start of the target, usually that of the window
 * in its object. Data that is similar everywhere and equal nowhere is found by nothing else.
 */
vcd_error vcd_encode_window(vcd_encoder *encoder, vcd_form form, vcd_level level, uint64_t position,
                            const uint8_t *target, size_t size, const uint8_t **out, size_t *out_size);

/*
 * Take up to one window of the stream's target. `*used` bytes of `target` were taken; call again with the
 * rest. `*out_size` is 0 unless a window was completed. The file header comes with the first output. Streams
 * are plain.
 */
vcd_error vcd_encoder_feed(vcd_encoder *encoder, const uint8_t *target, size_t size, size_t *used,
                           const uint8_t **out, size_t *out_size);

/* End the stream: what was still pending, or an empty window when there was no target at all. */
vcd_error vcd_encoder_finish(vcd_encoder *encoder, const uint8_t **out, size_t *out_size);

/* ---- decoder ---- */

/* Decode exactly one window, of that form and of exactly `out_size` target bytes, that fills `window`. */
vcd_error vcd_decode_window(const uint8_t *source, uint64_t source_size, const uint8_t *window, size_t size,
                            vcd_form form, uint8_t *out, size_t out_size);

/* A window in its parts, each wherever it lies: the header, up to and with the checksum, and the sections. */
typedef struct vcd_parts {
    const uint8_t *head;
    size_t head_size;
    const uint8_t *data;
    size_t data_size;
    const uint8_t *instructions;
    size_t instructions_size;
    const uint8_t *addresses;
    size_t addresses_size;
} vcd_parts;

/* target[place, place + size) is at `data`. */
typedef struct vcd_piece {
    const uint8_t *data;
    size_t place;
    size_t size;
} vcd_piece;

/* The target in order: list[0, count), with room for VCD_PIECES_MAX. The caller chooses `least`, 1 or more. */
typedef struct vcd_pieces {
    vcd_piece *list;
    size_t count;
    size_t least;
} vcd_pieces;

#define VCD_PIECES_MAX(out_size, least) (2 * ((out_size) / (least)) + 1)

/*
 * Decode a window in parts. `pieces` saves who only passes the target on from having all of it in one place:
 * what is copied in runs of `least` bytes or more may stay where it is, in the source or the data section, and
 * `out` is undefined there. With NULL all of the target is in `out`.
 */
vcd_error vcd_decode_parts(const uint8_t *source, uint64_t source_size, const vcd_parts *parts, vcd_form form,
                           uint8_t *out, size_t out_size, vcd_pieces *pieces);

/*
 * Make the window that fills `window` one of the given form, from residual to VCDIFF or from VCDIFF to
 * residual: `size` bytes go to `out`, apart from `window`. All rules are checked but the checksum, for which the target would be needed.
 */
vcd_error vcd_convert_window(const uint8_t *source, uint64_t source_size, const uint8_t *window, size_t size,
                             vcd_form form, uint8_t *out);

typedef struct vcd_decoder vcd_decoder;

/* `max_output`: most target bytes the whole stream may produce. The source must stay as it is until
 * vcd_decoder_free. */
vcd_error vcd_decoder_new(vcd_decoder **decoder, const uint8_t *source, uint64_t source_size,
                          uint64_t max_output);
void vcd_decoder_free(vcd_decoder *decoder);

/*
 * Take delta bytes, up to the end of one window. `*used` bytes of `delta` were taken; call again with the
 * rest.
 * `*out_size` is 0 unless a (non-empty) window was completed; `*out` stays valid until the next call with
 * this decoder. After an error every further call is VCD_E_STATE.
 */
vcd_error vcd_decoder_feed(vcd_decoder *decoder, const uint8_t *delta, size_t size, size_t *used,
                           const uint8_t **out, size_t *out_size);

/* VCD_E_TRUNCATED unless the delta so far is a file header and at least one window, all complete. */
vcd_error vcd_decoder_finish(vcd_decoder *decoder);

/* ---- secondary compression ---- */

typedef struct vcd_secondary vcd_secondary;

/*
 * Read sections of one kind (data, instructions or addresses) that xdelta3 compressed with `compressor`, the
 * id of the file header: 1, DJW, or 16, FGK; VCD_E_SECONDARY for others. FGK learns from window to window,
 * so that its sections must be given in order, from the file's first.
 */
vcd_error vcd_secondary_new(vcd_secondary **secondary, unsigned compressor);
void vcd_secondary_free(vcd_secondary *secondary);

/*
 * Decompress `section` to exactly `out_size` bytes, at most VCD_ENCODED_MAX: the integer that the section
 * starts with, which is not part of `section`. After an error every further call is VCD_E_STATE.
 */
vcd_error vcd_secondary_decode(vcd_secondary *secondary, const uint8_t *section, size_t size, uint8_t *out,
                               size_t out_size);

#endif
