# SPDX-License-Identifier: GPL-2.0-only
"""Whole delta files: a target to a delta of any form, and anything that is a delta back.

`encode` and `decode` are iterators over what is to be written, in order, while up to `threads` windows are
worked on; memory is the index and `threads` + 2 windows, whatever the sizes. `decode` reads every form of
ours and what the stock tool writes, application headers and compressed sections included. A delta has no end
mark: one that was cut between two windows is a shorter one, and only who knows the length can tell.

Sources and deltas are mapped files or any other memory; opening them and naming results is `commands`' job.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from dgproxy.codec import forms, frames
from dgproxy.codec.delta import WINDOW_MAX, Buffer, CorruptDelta, Level, SourceIndex, window_room
from dgproxy.codec.forms import Form
from dgproxy.codec.secondary import Secondary
from dgproxy.codec.windows import ADLER32, ENCODED_MAX, FileHeader, Input, Window, windows

__all__ = ["Description", "decode", "describe", "encode"]

Item = TypeVar("Item")
Result = TypeVar("Result")
#: Told how many more bytes of the input are done.
Progress = Callable[[int], object]


def _nothing(_: int) -> None:
    """No progress is shown."""


def encode(
    index: SourceIndex,
    target: memoryview,
    form: Form,
    *,
    window_size: int = WINDOW_MAX,
    level: Level = "fast",
    threads: int = 1,
    progress: Progress = _nothing,
) -> Iterator[Buffer]:
    """The delta of `target` in pieces: the header, then window by window.

    A piece is valid until the next one is asked for.
    """
    yield forms.file_header(form)
    begins = range(0, len(target) or 1, window_size)  # an empty target has an empty window
    if threads == 1:  # nothing is copied on its way to the file
        for begin in begins:
            with (
                target[begin : begin + window_size] as window,
                forms.encoding(index, window, form, position=begin, level=level, keep=True) as pieces,
            ):
                yield from pieces
            progress(min(window_size, len(target) - begin))
        return

    def work(begin: int) -> bytes:
        with target[begin : begin + window_size] as window:
            return forms.encode(index, window, form, position=begin, level=level)

    for begin, stored in zip(begins, _in_order(work, begins, threads), strict=True):
        yield stored
        progress(min(window_size, len(target) - begin))


def decode(
    source: Buffer, delta: Buffer, *, threads: int = 1, progress: Progress = _nothing
) -> Generator[memoryview, None, None]:
    """The target of `delta` in pieces, each of them checked and valid until the next one is asked for.

    What is copied from the source in long runs is a view of the source.
    """
    header, found = _read(delta, progress)
    secondary = Secondary(header.secondary)
    spare: list[memoryview] = []

    def work(window: Window) -> tuple[memoryview, list[memoryview]]:
        room = spare.pop() if spare else window_room()
        return room, forms.rebuild(source, header, window, room)

    for room, pieces in _in_order(work, map(secondary.plain, found), threads):
        yield from pieces
        spare.append(room)


@dataclass(slots=True)
class Description:
    """What a delta file says of itself."""

    form: Form
    header: FileHeader
    size: int
    windows: int = 0
    target_length: int = 0
    #: Bytes that the source must have at least.
    source_length: int = 0
    #: Windows with an Adler-32 of their target, and with sections that a secondary compressor made.
    checked: int = 0
    compressed: int = 0
    #: Windows that hold differences.
    residual: int = 0
    #: Bytes in the sections, out of their frames.
    data: int = 0
    instructions: int = 0
    addresses: int = 0


def describe(delta: Buffer, *, progress: Progress = _nothing) -> Description:
    """Read all of `delta` but decode nothing: no source is needed."""
    header, found = _read(delta, progress)
    packed = frames.is_frame(delta)
    description = Description(forms.form_of(header, packed=packed), header, len(delta))
    for window in found:
        description.windows += 1
        description.target_length += window.target_length
        end = window.source_offset + window.source_length
        description.source_length = max(description.source_length, end)
        description.checked += bool(window.indicator & ADLER32)
        description.compressed += window.compressed != 0
        description.residual += forms.is_residual(window)
        description.data += len(window.data)
        description.instructions += len(window.instructions)
        description.addresses += len(window.addresses)
    return description


def _read(delta: Buffer, progress: Progress) -> tuple[FileHeader, Iterator[Window]]:
    """The file header and the windows to come, at least one."""
    view = memoryview(delta).cast("B")
    packed = frames.is_frame(view)
    stream = Input(_unpacked(view, progress) if packed else [view])
    header = FileHeader.read(stream)
    if stream.at_end:
        raise CorruptDelta("VCD_E_TRUNCATED", "the delta ends before its first window")
    return header, windows(stream) if packed else _counted(stream, progress)


def _counted(stream: Input, progress: Progress) -> Iterator[Window]:
    """The windows to come, their bytes counted as they are done."""
    done = 0
    for window in windows(stream):
        yield window
        progress(stream.taken - done)
        done = stream.taken


def _unpacked(delta: memoryview, progress: Progress) -> Iterator[Buffer]:
    """The bytes of `delta` out of their frames, in pieces: a frame of ours is one."""
    for frame in frames.split(delta):
        if frames.declares(frame, ENCODED_MAX):
            yield frames.content(frame, ENCODED_MAX)
        else:  # `zstd FILE` of a whole delta
            yield from frames.stream(frame)
        progress(len(frame))


def _in_order(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """`map` on threads: results in the order of `items`, which are taken as there is room for them."""
    if threads == 1:
        yield from map(work, items)
        return
    # Here, not above: one thread does without it, and small files take no longer than the start.
    from concurrent.futures import Future, ThreadPoolExecutor  # noqa: PLC0415

    with ThreadPoolExecutor(threads) as pool:
        begun: deque[Future[Result]] = deque()
        try:
            for item in items:
                begun.append(pool.submit(work, item))
                if len(begun) > threads:
                    yield begun.popleft().result()
            yield from map(Future.result, begun)
        finally:
            for future in begun:
                future.cancel()
