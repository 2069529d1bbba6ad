# SPDX-License-Identifier: GPL-2.0-only
"""The dates in a store's answers, read fast.

botocore reads every date as if it could be of any form. In a listing there is one for each key, and that was
two thirds of a listing's time. The two forms that stores write are read here; any other is botocore's to
read, or to refuse, as before.
"""

import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

from botocore.utils import parse_timestamp

#: In XML: XML Schema's dateTime (W3C, XML Schema part 2, section 3.2.7), in UTC.
_IN_XML: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z")

#: In headers: IMF-fixdate (RFC 9110, section 5.6.7).
_IN_HEADERS: Final = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}(:[0-9]{2}){2} GMT"
)


def read_date(value: str | float) -> datetime:
    """A date as stores write it, as a time in UTC; of another form as botocore reads it, or ValueError.

    Services that give out credentials are asked through the same session, and some of them answer in seconds
    since the epoch.
    """
    if isinstance(value, str):
        if _IN_XML.fullmatch(value):
            return datetime.fromisoformat(value)
        if _IN_HEADERS.fullmatch(value):
            return parsedate_to_datetime(value)
    return parse_timestamp(value)  # type: ignore[arg-type]  # its stubs leave out the seconds
