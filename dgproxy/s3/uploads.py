# SPDX-License-Identifier: GPL-2.0-only
"""Which uploads a ListMultipartUploads page shows: prefix, delimiter, markers and page size applied.

Uploads are few and known all at once, so a page is cut from the whole sorted list. How it is asked for is
`listing`'s, how it is shown is `xml`'s.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from dgproxy.s3.listing import ListMultipartUploads

__all__ = ["UploadPage", "page_of_uploads"]


@dataclass(frozen=True, slots=True)
class UploadPage:
    """One page: (key, upload id) pairs, common prefixes, and whether there is more behind them."""

    uploads: list[tuple[str, str]]
    prefixes: list[str]
    more: bool


def page_of_uploads(asked: ListMultipartUploads, uploads: Iterable[tuple[str, str]]) -> UploadPage:
    """Cut the page asked for out of all (key, upload id) pairs, which come by key, then by age.

    A common prefix counts as one item and is past when the key marker names it or is behind it.
    """
    page = UploadPage([], [], more=False)
    if asked.max_uploads == 0:
        return page
    for key, upload_id in uploads:
        if not key.startswith(asked.prefix):
            continue
        rolled = _common_prefix(asked, key)
        if rolled is None:
            if not _is_past(asked, key, upload_id):
                continue
        elif rolled in page.prefixes or rolled.encode() <= asked.key_marker.encode():
            continue
        if len(page.uploads) + len(page.prefixes) == asked.max_uploads:
            return UploadPage(page.uploads, page.prefixes, more=True)
        if rolled is None:
            page.uploads.append((key, upload_id))
        else:
            page.prefixes.append(rolled)
    return page


def _common_prefix(asked: ListMultipartUploads, key: str) -> str | None:
    """Roll a key up to its first delimiter behind the prefix; None where there is none."""
    end = key.find(asked.delimiter, len(asked.prefix)) if asked.delimiter else -1
    return None if end < 0 else key[: end + len(asked.delimiter)]


def _is_past(asked: ListMultipartUploads, key: str, upload_id: str) -> bool:
    """Say whether an upload comes after the markers."""
    if key == asked.key_marker and asked.upload_id_marker:
        return upload_id > asked.upload_id_marker
    return key.encode() > asked.key_marker.encode()
