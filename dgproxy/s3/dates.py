# SPDX-License-Identifier: GPL-2.0-only
"""Times as S3 writes and reads them. Inside the program a time is milliseconds since the epoch (int).

Formatting never fails for times between the years 1 and 9999; parsing gives None for what is no date. The
clock is not read here.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

__all__ = ["http_date", "iso8601", "parse_http_date", "parse_timestamp"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# RFC 9110, section 5.6.7: IMF-fixdate, and the two forms a recipient must still read.
_IMF: Final = r"\w{3}, (?P<d>\d{2}) (?P<mon>\w{3}) (?P<y>\d{4}) (?P<time>\d\d:\d\d:\d\d) (?:GMT|UTC|[+-]0000)"
_RFC850: Final = r"\w{6,9}, (?P<d>\d{2})-(?P<mon>\w{3})-(?P<y>\d{2}) (?P<time>\d\d:\d\d:\d\d) GMT"
_ASCTIME: Final = r"\w{3} (?P<mon>\w{3}) (?P<d>[ \d]\d) (?P<time>\d\d:\d\d:\d\d) (?P<y>\d{4})"
_HTTP_FORMS: Final = tuple(re.compile(form, re.ASCII) for form in (_IMF, _RFC850, _ASCTIME))

_TIMESTAMP: Final = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", re.ASCII)


@lru_cache(maxsize=4096)  # a listing has many objects of the same second
def _utc(seconds: int) -> datetime:
    return _EPOCH + timedelta(seconds=seconds)


def http_date(milliseconds: int) -> str:
    """Format for Last-Modified and Date, rounded down: `Sun, 06 Nov 1994 08:49:37 GMT`."""
    t = _utc(milliseconds // 1000)
    clock = f"{t.hour:02}:{t.minute:02}:{t.second:02}"
    return f"{_DAYS[t.weekday()]}, {t.day:02} {_MONTHS[t.month - 1]} {t.year:04} {clock} GMT"


def iso8601(milliseconds: int) -> str:
    """Format for XML: `1994-11-06T08:49:37.000Z`."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_utc(seconds).isoformat()[:19]}.{rest:03}Z"


def parse_http_date(text: str) -> int | None:
    """Read a date in any of HTTP's three forms; None when it is none of them."""
    for form in _HTTP_FORMS:
        if match := form.fullmatch(text.strip()):
            break
    else:
        return None
    year = int(match["y"])
    if len(match["y"]) == 2:  # POSIX strptime's pivot; RFC 9110's "50 years from now" would need a clock
        year += 2000 if year < 69 else 1900
    hour, minute, second = map(int, match["time"].split(":"))
    try:
        month = _MONTHS.index(match["mon"]) + 1
        # A leap second counts as the second before it.
        t = datetime(year, month, int(match["d"]), hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return None
    return int((t - _EPOCH).total_seconds()) * 1000


def parse_timestamp(text: str) -> datetime | None:
    """Read SigV4's basic ISO 8601 form, `20130524T000000Z`; None when it is not, or before the epoch."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups())
    try:
        time = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return time if time >= _EPOCH else None
