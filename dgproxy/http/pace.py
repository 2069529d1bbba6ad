# SPDX-License-Identifier: GPL-2.0-only
"""How slowly a client may send: what it owes, and whether it has paid so far.

Only the time counts in which the server waited for bytes, so nobody is blamed for a full disk or a busy
server. It promises that an upload ends: who sends something, but next to nothing, holds memory as well as one
who sends nothing at all. Nothing is read or cut off here.
"""

from dataclasses import dataclass
from typing import Final

from dgproxy.s3.errors import S3Error

__all__ = ["LENIENT", "Pace", "Progress"]


@dataclass(frozen=True, slots=True)
class Pace:
    """What a sender owes.

    Something every `patience` seconds, and after the first `period` seconds of waiting at least `rate` bytes
    a second on the average of each further one.
    """

    rate: int
    patience: float = 60.0
    period: float = 60.0


#: What is asked where nothing is configured. A modem of 1990 sends more.
LENIENT: Final = Pace(rate=1024)


class Progress:
    """One sender's."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._waited = 0.0
        self._received = 0
        self._owes = False

    def arrived(self, size: int, waited: float) -> None:
        """Count `size` bytes that came after `waited` seconds. Raises S3Error RequestTimeout."""
        self._waited += waited
        self._received += size
        if self._waited < self._pace.period:
            return
        if self._owes and self._received < self._pace.rate * self._waited:
            raise S3Error(
                "RequestTimeout",
                f"The body came at less than {self._pace.rate} bytes a second. "
                "Idle and very slow connections are closed.",
            )
        self._waited, self._received, self._owes = 0.0, 0, True
