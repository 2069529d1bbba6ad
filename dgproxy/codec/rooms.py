# SPDX-License-Identifier: GPL-2.0-only
"""Memory for windows, outside the heap and used again.

A process that handles windows needs a few times 4 MiB again and again. From the heap that is either cleared
or mapped anew each time, which takes as long as to decode a window; and holes that large, with small things
left between them, are what made heaps grow. So a room of a window comes from here, and goes back by itself
when the last view of it does, wherever that is: a transport may keep the bytes it sends for longer than who
gave them. No more than `KEPT` rooms are kept while nobody needs them.

Who may have how many at once is for a budget above this.
"""

import mmap
from collections import deque
from contextlib import suppress
from typing import Any, Final

from dgproxy.codec._vcd import ffi, lib

__all__ = ["KEPT", "huge_pages", "window_room"]

#: Bytes of a room: the window that objects are cut into.
_ROOM: Final = 4 << 20
#: Rooms that a process keeps: as many as an upload or a download has, 8 MiB.
KEPT: Final = 2
#: Bytes: less comes from the heap, where it leaves no hole worth mentioning.
_LEAST: Final = 1 << 20
#: Bytes: x86-64 and most arm64 kernels. Elsewhere rooms just have pages of another size.
_HUGE_PAGE: Final = 2 << 20

_uncleared: Final = ffi.new_allocator(should_clear_after_alloc=False)

#: What nobody needs now. One that comes back to a full deque drives another one out of memory, in one step:
#: the last view of a room can go on any thread, at any moment.
_spare: Final[deque[Any]] = deque(maxlen=KEPT)


def window_room(size: int = lib.VCD_WINDOW_MAX) -> memoryview:
    """`size` writable bytes; what is in them is anything.

    From 1 to 4 MiB they are used again once neither the view nor a part of it is left. ValueError for more
    than the longest window has.
    """
    if not 0 <= size <= lib.VCD_WINDOW_MAX:
        raise ValueError(f"a window has 0 to {lib.VCD_WINDOW_MAX} bytes, not {size}")
    if not _LEAST <= size <= _ROOM:
        return memoryview(ffi.buffer(_uncleared("uint8_t[]", size)))
    try:
        room = _spare.pop()
    except IndexError:
        room = ffi.from_buffer("uint8_t[]", huge_pages(_ROOM), require_writable=True)
    # The loan: `gc` makes an owner of its own, which the views keep, and whose end is no end of the room.
    return memoryview(ffi.buffer(ffi.gc(room, _spare.append), size))


def huge_pages(size: int) -> mmap.mmap:
    """At least `size` zero bytes, given back at once on close, in huge pages but for a short end.

    Random lookups miss page tables less, and there are fewer faults.
    """
    # A whole number of huge pages, so that Linux lets the first one begin where the mapping does. Shared
    # memory, the default, has none.
    pages = -(-size // _HUGE_PAGE)
    mapping = mmap.mmap(-1, pages * _HUGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    huge = (size + _HUGE_PAGE // 2) // _HUGE_PAGE * _HUGE_PAGE
    if huge and hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a kernel without them may refuse
            mapping.madvise(mmap.MADV_HUGEPAGE, 0, huge)
    return mapping
