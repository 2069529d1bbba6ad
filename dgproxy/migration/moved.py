# SPDX-License-Identifier: GPL-2.0-only
"""What becomes of an object that is imported or exported."""

from typing import Literal

import msgspec

__all__ = ["Moved", "Outcome"]

#: stored: it is there now, or would be. same: it was there already. differs: another object has its place,
#: and stays. unsure: a dry run would have to read it to know. failed: it could not be moved.
Outcome = Literal["stored", "same", "differs", "unsure", "failed"]


class Moved(msgspec.Struct, frozen=True):
    """What became of one object; `why` where there is something to say."""

    outcome: Outcome
    bucket: str
    key: str
    size: int
    why: str = ""
