# SPDX-License-Identifier: GPL-2.0-only
"""VCDIFF deltas: the typed face of the C core.

A **source** is any run of bytes (usually a mapped file), a `SourceIndex` knows where its blocks are, a
**window** is up to `WINDOW_MAX` target bytes encoded on their own. Windows are independent given the
source, so `encode_window` and `decode_window` may run in any order and in many threads at once; `Encoder`
and `Decoder` are one stream each and one thread's at a time. Buffers are never copied on the way in, and
the GIL is released while the core works.

What the input breaks is `CorruptDelta`, what the caller breaks is ValueError or RuntimeError, and the rest
(memory, a damaged index) is `CodecError`. No I/O, no threads and no policy here.
"""

import mmap
import secrets
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal, Self

from dgproxy.codec._vcd import ffi, lib

__all__ = [
    "FILE_HEADER",
    "WINDOW_MAX",
    "WINDOW_SIZE",
    "Buffer",
    "CodecError",
    "CorruptDelta",
    "Decoder",
    "Encoder",
    "Form",
    "Level",
    "SectionReader",
    "SourceIndex",
    "decode_window",
    "difference",
    "encode_window",
    "to_plain",
    "to_residual",
    "window_room",
]

#: "plain" is VCDIFF, small as it is; "default" is VCDIFF that is small once compressed. "residual" is for
#: storage, to be compressed as well: what is added between two copies on one diagonal is kept as target minus
#: source, which repeats more in programs and numbers.
Form = Literal["plain", "default", "residual"]

#: "fast" copies what the index finds, and looks for short copies where a compressor would find none;
#: "thorough" looks for them everywhere, also inside the window: the smallest plain form, at 60 to 1000 MB/s.
Level = Literal["fast", "thorough"]

Buffer = bytes | bytearray | memoryview | mmap.mmap

#: What a delta file starts with; windows follow. No secondary compressor, no application header.
FILE_HEADER: Final[bytes] = bytes(ffi.buffer(lib.vcd_file_header, lib.VCD_FILE_HEADER_SIZE))
#: Bytes: the longest target window any VCDIFF reader must take (xdelta3 3.0.11 refuses more).
WINDOW_MAX: Final[int] = lib.VCD_WINDOW_MAX
#: Bytes: the window `Encoder` cuts.
WINDOW_SIZE: Final = 4 << 20

_FORMS: Final = {"plain": lib.VCD_PLAIN, "default": lib.VCD_DEFAULT, "residual": lib.VCD_RESIDUAL}
_LEVELS: Final = {"fast": lib.VCD_FAST, "thorough": lib.VCD_THOROUGH}
_INDEX_STEP = 1 << 20
_STRIDE_LOG2 = 5


class CodecError(Exception):
    """The core refused; `code` is its name for why, such as "VCD_E_MEMORY"."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{text} ({code})")
        self.code = code


class CorruptDelta(CodecError):
    """The delta breaks a rule of the format, claims more than it may, or does not fit its source."""


_MISUSE = frozenset({"VCD_E_ARGUMENT", "VCD_E_STATE"})
_NOT_THE_DELTA = frozenset({"VCD_E_MEMORY", "VCD_E_INDEX"})


def _check(error: int) -> None:
    if error == lib.VCD_OK:
        return
    code = ffi.string(lib.vcd_error_name(error)).decode("ascii")
    text = ffi.string(lib.vcd_error_text(error)).decode("ascii")
    if code in _MISUSE:
        misuse = ValueError if code == "VCD_E_ARGUMENT" else RuntimeError
        raise misuse(f"{text} ({code})")
    raise (CodecError if code in _NOT_THE_DELTA else CorruptDelta)(code, text)


def _borrow(data: Buffer, *, writable: bool = False) -> Any:
    """The bytes of `data` as C memory; holds the buffer's export while the result lives."""
    return ffi.from_buffer("uint8_t[]", data, require_writable=writable)


class SourceIndex:
    """Where the blocks of one source are found; shared freely between threads.

    Keeps `source` exported until `close`. Building reads the source once; the index takes a quarter of the
    source's size, never more than `max_memory`.
    """

    def __init__(self, source: memoryview, memory: memoryview, mapping: mmap.mmap | None = None) -> None:
        """Use `build` or `open`. `mapping`: what to close when `memory` is no longer needed."""
        self._source = source
        self._memory = memory
        self._mapping = mapping

    @classmethod
    def build(
        cls,
        source: Buffer,
        *,
        progress: Callable[[memoryview], None] | None = None,
        max_memory: int = 1 << 30,
        seed: int | None = None,
    ) -> Self:
        """Index all of `source`.

        `progress` is called with each stretch of the source in order, up to 1 MiB at a time, just before it
        is indexed: the place to hash it while it is in cache. The view ends with the call; what it raises
        ends the build. `seed` (64 bits) fixes the hash, and with it the deltas to the byte; by default it is
        random, so that nobody can choose a source whose blocks collide. ValueError when `max_memory` (bytes)
        is too small for a source of this size.
        """
        view = memoryview(source).cast("B").toreadonly()
        stride = lib.vcd_index_stride(len(view), _STRIDE_LOG2, max_memory)
        if stride == 0:
            raise ValueError(f"no index of {len(view)} bytes fits into {max_memory} bytes of memory")
        size = ffi.new("size_t *")
        _check(lib.vcd_index_size(len(view), stride, size))
        mapping = mmap.mmap(-1, size[0])  # zero-filled, given back at once on close
        if hasattr(mmap, "MADV_HUGEPAGE"):
            _advise_huge_pages(mapping)
        index = cls(view, memoryview(mapping), mapping)
        try:
            index._fill(stride, secrets.randbits(64) if seed is None else seed, progress)
        except BaseException:
            index.close()
            raise
        return index

    @classmethod
    def open(cls, source: Buffer, image: Buffer) -> Self:
        """Use the saved `image` of an index of the same source as it lies: a mapped file, say.

        Keeps both exported until `close`. Raises CodecError (VCD_E_INDEX) when the image is from another
        version, byte order or size of source, ValueError when it does not lie at a multiple of 16. That
        the source's *bytes* are the same is for the caller to know. Damage past the header makes deltas
        larger, never wrong.
        """
        view, memory = (memoryview(data).cast("B").toreadonly() for data in (source, image))
        with _borrow(memory) as data:
            _check(lib.vcd_index_check(data, len(data), len(view)))
        return cls(view, memory)

    def _fill(self, stride: int, seed: int, progress: Callable[[memoryview], None] | None) -> None:
        source = _borrow(self._source)
        memory = _borrow(self._memory, writable=True)
        size = len(self._source)
        try:
            _check(lib.vcd_index_init(memory, len(memory), size, stride, seed))
            for begin in range(0, size, _INDEX_STEP):
                end = min(begin + _INDEX_STEP, size)
                if progress is not None:
                    with self._source[begin:end] as stretch:
                        progress(stretch)
                _check(lib.vcd_index_add(memory, len(memory), source, size, begin, end))
        finally:
            ffi.release(memory)
            ffi.release(source)

    @property
    def source(self) -> memoryview:
        """The indexed bytes, read-only. Released by `close`."""
        return self._source

    @property
    def image(self) -> memoryview:
        """The index as bytes to save for `open`, in this machine's byte order. Release it before `close`."""
        return self._memory.toreadonly()

    @property
    def nbytes(self) -> int:
        """Memory of the index in bytes, the source not counted."""
        return len(self._memory)

    def similarity(self, sample: Buffer, places: int = 1024) -> float:
        """How much of `sample` occurs in the source, 0 to 1.

        Of at most `places` places, evenly spread, it is the share of those found; runs of one byte are not
        counted. 0 when `sample` is too short to tell: under 48 bytes, or more with an index of little memory.
        """
        looked = ffi.new("uint32_t *")
        found = ffi.new("uint32_t *")
        with _borrow(self._memory) as memory, _borrow(self._source) as source, _borrow(sample) as data:
            _check(
                lib.vcd_index_similarity(
                    memory, len(memory), source, len(source), data, len(data), places, looked, found
                )
            )
        return float(found[0] / looked[0]) if looked[0] else 0.0

    def close(self) -> None:
        """Give back the source's buffer and the index's memory. Safe to repeat.

        Raises BufferError while a call or an unfinished `Encoder` uses the index.
        """
        self._source.release()
        self._memory.release()
        if self._mapping is not None:
            self._mapping.close()


def difference(one: Buffer, other: Buffer) -> bytearray:
    """Byte by byte `one` less `other`, modulo 256; ValueError unless they are of one length."""
    with _borrow(one) as ours, _borrow(other) as theirs:
        if len(ours) != len(theirs):
            raise ValueError(f"{len(ours)} bytes and {len(theirs)} have no difference")
        result = bytearray(len(ours))
        with _borrow(result, writable=True) as out:
            lib.vcd_difference(ours, theirs, out, len(ours))
    return result


def _advise_huge_pages(memory: mmap.mmap) -> None:
    """Fewer page-table misses for random lookups; a kernel without huge pages may refuse."""
    try:
        memory.madvise(mmap.MADV_HUGEPAGE)
    except OSError:
        return


_uncleared: Final = ffi.new_allocator(should_clear_after_alloc=False)


def window_room(size: int = WINDOW_MAX) -> memoryview:
    """Memory for `decode_window` to write to; what is in it before is anything."""
    return memoryview(ffi.buffer(_uncleared("uint8_t[]", size)))


class _EncoderHandle:
    """A C encoder together with the buffers it points into."""

    def __init__(self, index: SourceIndex | None, window_size: int, level: Level) -> None:
        self._memory = None if index is None else _borrow(index._memory)
        self._source = None if index is None else _borrow(index._source)
        made = ffi.new("vcd_encoder **")
        if self._memory is None or self._source is None:
            _check(lib.vcd_encoder_new(made, ffi.NULL, 0, ffi.NULL, 0, window_size, _LEVELS[level]))
        else:
            _check(
                lib.vcd_encoder_new(
                    made,
                    self._memory,
                    len(self._memory),
                    self._source,
                    len(self._source),
                    window_size,
                    _LEVELS[level],
                )
            )
        self.encoder = ffi.gc(made[0], lib.vcd_encoder_free)

    def close(self) -> None:
        ffi.release(self.encoder)
        for borrowed in (self._memory, self._source):
            if borrowed is not None:
                ffi.release(borrowed)


def encode_window(
    index: SourceIndex | None,
    target: Buffer,
    *,
    form: Form = "plain",
    level: Level = "fast",
    position: int = 0,
) -> bytes:
    """One complete window for up to WINDOW_MAX bytes; `FILE_HEADER` and VCDIFF windows make a delta file.

    `position` is a hint: the offset of the source that is most like the start of `target`, usually the
    window's own offset in its object. Without an index nothing is copied. ValueError when `target` is too
    long. Thread-safe.
    """
    handle = _EncoderHandle(index, WINDOW_MAX, level)
    out = ffi.new("const uint8_t **")
    size = ffi.new("size_t *")
    try:
        with _borrow(target) as data:
            _check(
                lib.vcd_encode_window(
                    handle.encoder, _FORMS[form], _LEVELS[level], position, data, len(data), out, size
                )
            )
        return bytes(ffi.buffer(out[0], size[0]))
    finally:
        handle.close()


def decode_window(
    source: Buffer,
    window: Buffer,
    target_length: int,
    out: Buffer | None = None,
    *,
    residual: bool = False,
) -> bytearray | memoryview:
    """The `target_length` bytes that the one window in `window` stands for.

    Written to the start of `out` if given (a writable buffer of at least that length; a view of it is
    returned), else into a new bytearray. Raises CorruptDelta unless `window` is exactly one window of that
    length and its Adler-32, if it has one, is right; `out` then holds garbage. `residual` is the form the
    window has. Thread-safe.
    """
    if not 0 <= target_length <= WINDOW_MAX:
        raise ValueError(f"a window has 0 to {WINDOW_MAX} bytes, not {target_length}")
    result: bytearray | memoryview
    result = bytearray(target_length) if out is None else memoryview(out).cast("B")[:target_length]
    if len(result) != target_length:
        raise ValueError(f"out has {len(result)} bytes, the window {target_length}")
    with _borrow(source) as base, _borrow(window) as data, _borrow(result, writable=True) as room:
        form = lib.VCD_RESIDUAL if residual else lib.VCD_PLAIN
        _check(lib.vcd_decode_window(base, len(base), data, len(data), form, room, target_length))
    return result


def to_plain(source: Buffer, window: Buffer) -> bytearray:
    """The residual `window` as VCDIFF, of the same length, without decoding it.

    Raises CorruptDelta as `decode_window` does, but the Adler-32 is left for who decodes. Thread-safe.
    """
    return _convert(source, window, lib.VCD_PLAIN)


def to_residual(source: Buffer, window: Buffer) -> bytearray:
    """The VCDIFF `window` in residual form; undoes `to_plain`."""
    return _convert(source, window, lib.VCD_RESIDUAL)


def _convert(source: Buffer, window: Buffer, form: int) -> bytearray:
    with _borrow(source) as base, _borrow(window) as data:
        result = bytearray(len(data))
        with _borrow(result, writable=True) as room:
            _check(lib.vcd_convert_window(base, len(base), data, len(data), form, room))
    return result


class _OneAtATime:
    """A stream's guard: the second thread inside is an error of the program, not something to wait for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise RuntimeError("one stream is used by two threads at once")

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class Encoder:
    """Target bytes in, a delta file out, in pieces of any size.

    Memory: two windows and 2 MiB of tables beside the index. The index cannot be closed until
    `finish` or `close`.
    """

    def __init__(
        self, index: SourceIndex | None, window_size: int = WINDOW_SIZE, *, level: Level = "fast"
    ) -> None:
        """`window_size`: target bytes per window, 1 to WINDOW_MAX, else ValueError."""
        self._handle: _EncoderHandle | None = _EncoderHandle(index, window_size, level)
        self._guard = _OneAtATime()
        self._out = ffi.new("const uint8_t **")
        self._size = ffi.new("size_t *")
        self._used = ffi.new("size_t *")

    def _taken(self) -> bytes:
        return bytes(ffi.buffer(self._out[0], self._size[0])) if self._size[0] else b""

    def _open(self) -> _EncoderHandle:
        if self._handle is None:
            raise RuntimeError("the encoder has finished")
        return self._handle

    def update(self, data: Buffer) -> bytes:
        """Take `data`; returns the windows it completed, b"" for none."""
        with self._guard, _borrow(data) as target:
            encoder = self._open().encoder
            parts = []
            done = 0
            while done < len(target):
                _check(
                    lib.vcd_encoder_feed(
                        encoder, target + done, len(target) - done, self._used, self._out, self._size
                    )
                )
                parts.append(self._taken())
                done += self._used[0]
            return b"".join(parts)

    def finish(self) -> bytes:
        """End the target; returns the rest of the delta. Further calls are RuntimeErrors."""
        with self._guard:
            _check(lib.vcd_encoder_finish(self._open().encoder, self._out, self._size))
            rest = self._taken()
            self._close()
            return rest

    def close(self) -> None:
        """Give up without a result. Safe to repeat, and after `finish`."""
        with self._guard:
            self._close()

    def _close(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None


class Decoder:
    """A delta file in, in pieces of any size; target bytes out. Memory: two windows, whatever it claims.

    After an exception the stream is over. The source's buffer stays exported until `finish` or `close`.
    """

    def __init__(self, source: Buffer, max_output: int) -> None:
        """`max_output`: target bytes the delta may produce in all; more is CorruptDelta."""
        if not 0 <= max_output < 1 << 64:
            raise ValueError(f"max_output is {max_output}")
        self._source = _borrow(source)
        made = ffi.new("vcd_decoder **")
        _check(lib.vcd_decoder_new(made, self._source, len(self._source), max_output))
        self._decoder = ffi.gc(made[0], lib.vcd_decoder_free)
        self._guard = _OneAtATime()
        self._open = True
        self._out = ffi.new("const uint8_t **")
        self._size = ffi.new("size_t *")
        self._used = ffi.new("size_t *")

    def windows(self, data: Buffer) -> Iterator[bytes]:
        """Take `data` and yield each window it completes, one at a time in memory; run it to its end."""
        done = 0
        with _borrow(data) as delta:
            while done < len(delta):
                with self._guard:
                    window = self._step(delta, done)
                done += self._used[0]
                if window:
                    yield window

    def _step(self, delta: Any, done: int) -> bytes:
        if not self._open:
            raise RuntimeError("the decoder has finished")
        _check(
            lib.vcd_decoder_feed(
                self._decoder, delta + done, len(delta) - done, self._used, self._out, self._size
            )
        )
        return bytes(ffi.buffer(self._out[0], self._size[0])) if self._size[0] else b""

    def update(self, data: Buffer) -> bytes:
        """Take `data`; returns the windows it completed, at most what is left of `max_output`."""
        return b"".join(self.windows(data))

    def finish(self) -> None:
        """Raises CorruptDelta when the delta was cut inside its header or a window, or has no window."""
        with self._guard:
            if not self._open:
                raise RuntimeError("the decoder has finished")
            try:
                _check(lib.vcd_decoder_finish(self._decoder))
            finally:
                self._close()

    def close(self) -> None:
        """Give up. Safe to repeat, and after `finish`."""
        with self._guard:
            self._close()

    def _close(self) -> None:
        if self._open:
            self._open = False
            ffi.release(self._decoder)
            ffi.release(self._source)


class SectionReader:
    """Sections of one kind (data, instructions or addresses) of a file that xdelta3 compressed once more.

    DJW and FGK only. One thread's at a time; after an exception it is over.
    """

    def __init__(self, compressor: int) -> None:
        """`compressor`: the id in the file header, 1 (DJW) or 16 (FGK); others are CorruptDelta."""
        made = ffi.new("vcd_secondary **")
        _check(lib.vcd_secondary_new(made, compressor))
        self._secondary = ffi.gc(made[0], lib.vcd_secondary_free)
        self._guard = _OneAtATime()

    def read(self, section: Buffer, size: int) -> bytearray:
        """The `size` bytes that the next section stands for; the integer before them is not part of it.

        Sections must come in the file's order, because FGK goes on from one to the next.
        """
        if not 0 <= size <= 2 * WINDOW_MAX:
            raise ValueError(f"a section has at most {2 * WINDOW_MAX} bytes, not {size}")
        result = bytearray(size)
        with self._guard, _borrow(section) as data, _borrow(result, writable=True) as room:
            _check(lib.vcd_secondary_decode(self._secondary, data, len(data), room, size))
        return result
