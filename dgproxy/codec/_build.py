# SPDX-License-Identifier: GPL-2.0-only
"""Compile the C core into `dgproxy.codec._vcd`.

cffi in API mode: the C compiler checks the types, calls drop the GIL. Only what `delta` calls is declared
here, in the words of csrc/xdelta3/vcdiff.h. No codec logic belongs in this file.
"""

from pathlib import Path

from cffi import FFI

_ROOT = Path(__file__).resolve().parents[2]
_SOURCES = sorted((_ROOT / "csrc" / "xdelta3").glob("*.c"))

_DECLARATIONS = """
typedef enum { VCD_OK, ... } vcd_error;
typedef enum { VCD_PLAIN, VCD_DEFAULT, VCD_RESIDUAL, ... } vcd_form;
typedef enum { VCD_FAST, VCD_THOROUGH, ... } vcd_level;
typedef struct vcd_encoder vcd_encoder;
typedef struct vcd_decoder vcd_decoder;
#define VCD_WINDOW_MAX ...
#define VCD_FILE_HEADER_SIZE ...
extern const uint8_t vcd_file_header[];
const char *vcd_error_name(vcd_error error);
const char *vcd_error_text(vcd_error error);
vcd_error vcd_index_size(uint64_t source_size, unsigned stride_log2, size_t *size);
unsigned vcd_index_stride(uint64_t source_size, unsigned stride_log2, size_t memory_max);
vcd_error vcd_index_init(void *memory, size_t size, uint64_t source_size, unsigned stride_log2,
                         uint64_t seed);
vcd_error vcd_index_add(void *memory, size_t size, const uint8_t *source, uint64_t source_size,
                        uint64_t begin, uint64_t end);
vcd_error vcd_index_check(const void *memory, size_t size, uint64_t source_size);
vcd_error vcd_index_similarity(const void *memory, size_t size, const uint8_t *source, uint64_t source_size,
                               const uint8_t *sample, size_t sample_size, uint32_t places_max,
                               uint32_t *places, uint32_t *found);
void vcd_difference(const uint8_t *one, const uint8_t *other, uint8_t *out, size_t size);
vcd_error vcd_encoder_new(vcd_encoder **encoder, const void *memory, size_t size, const uint8_t *source,
                          uint64_t source_size, size_t window_size, vcd_level level);
void vcd_encoder_free(vcd_encoder *encoder);
vcd_error vcd_encoder_source(vcd_encoder *encoder, const void *memory, size_t size, const uint8_t *source,
                             uint64_t source_size);
vcd_error vcd_encode_window(vcd_encoder *encoder, vcd_form form, vcd_level level, uint64_t position,
                            const uint8_t *target, size_t size, const uint8_t **out, size_t *out_size);
vcd_error vcd_encoder_feed(vcd_encoder *encoder, const uint8_t *target, size_t size, size_t *used,
                           const uint8_t **out, size_t *out_size);
vcd_error vcd_encoder_finish(vcd_encoder *encoder, const uint8_t **out, size_t *out_size);
vcd_error vcd_decode_window(const uint8_t *source, uint64_t source_size, const uint8_t *window, size_t size,
                            vcd_form form, uint8_t *out, size_t out_size);
typedef struct {
    const uint8_t *head;
    size_t head_size;
    const uint8_t *data;
    size_t data_size;
    const uint8_t *instructions;
    size_t instructions_size;
    const uint8_t *addresses;
    size_t addresses_size;
} vcd_parts;
typedef struct { const uint8_t *data; size_t place; size_t size; } vcd_piece;
typedef struct { vcd_piece *list; size_t count; size_t least; } vcd_pieces;
vcd_error vcd_decode_parts(const uint8_t *source, uint64_t source_size, const vcd_parts *parts, vcd_form form,
                           uint8_t *out, size_t out_size, vcd_pieces *pieces);
vcd_error vcd_convert_window(const uint8_t *source, uint64_t source_size, const uint8_t *window, size_t size,
                             vcd_form form, uint8_t *out);
vcd_error vcd_decoder_new(vcd_decoder **decoder, const uint8_t *source, uint64_t source_size,
                          uint64_t max_output);
void vcd_decoder_free(vcd_decoder *decoder);
vcd_error vcd_decoder_feed(vcd_decoder *decoder, const uint8_t *delta, size_t size, size_t *used,
                           const uint8_t **out, size_t *out_size);
vcd_error vcd_decoder_finish(vcd_decoder *decoder);
typedef struct vcd_secondary vcd_secondary;
vcd_error vcd_secondary_new(vcd_secondary **secondary, unsigned compressor);
void vcd_secondary_free(vcd_secondary *secondary);
vcd_error vcd_secondary_decode(vcd_secondary *secondary, const uint8_t *section, size_t size, uint8_t *out,
                               size_t out_size);
"""

ffibuilder = FFI()
ffibuilder.cdef(_DECLARATIONS)
ffibuilder.set_source(
    "dgproxy.codec._vcd",
    '#include "vcdiff.h"',
    # setuptools wants paths relative to the project for what goes into a source distribution
    sources=[str(source.relative_to(_ROOT)) for source in _SOURCES],
    depends=[str(header.relative_to(_ROOT)) for header in sorted((_ROOT / "csrc" / "xdelta3").glob("*.h"))],
    include_dirs=["csrc/xdelta3"],
    extra_compile_args=["-std=c11", "-O3", "-fno-plt"],
)
