# SPDX-License-Identifier: GPL-2.0-only
"""Listings: pages of the store's own, in its order, with our keys.

A listing by '/' is rolled up by the store, and a page of it is a page of the store: one call. Any other
delimiter is rolled up here, from flat pages, skipping what a common prefix stands for: the store would look
for it in keys as it has them.
"""

from typing import Final, NamedTuple

from dgproxy.storage.backend import CommonPrefix, Listed, Listing
from dgproxy.storage.s3 import keymap
from dgproxy.storage.s3.buckets import Buckets
from dgproxy.storage.s3.client import Client
from dgproxy.storage.s3.together import together

#: What a store lists at most at once (S3 API reference, ListObjectsV2).
_PAGE: Final = 1000

#: Common prefixes looked into at once, on stores that show empty ones.
_LOOKS: Final = 16

Item = Listed | CommonPrefix


class _Page(NamedTuple):
    """Some items, and the text to go on from, None when there is nothing behind them."""

    items: list[Item]
    following: str | None


class Lister:
    """The listing half of the backend."""

    def __init__(self, client: Client, buckets: Buckets) -> None:
        self._client = client
        self._buckets = buckets
        #: Whether this store shows common prefixes under which there is nothing any more.
        self.shows_empty = False

    async def list_records(self, bucket: str, prefix: str, delimiter: str, after: str, limit: int) -> Listing:
        """See the contract."""
        items: list[Item] = []
        start = keymap.encode(after) if after else ""
        group = _rolled(after, prefix, delimiter) if after else None
        if group is not None:
            # Stores disagree on what is shown of a group when the listing begins in its middle.
            if group != after and (await self._page(bucket, group, "", start, 1)).items:
                items.append(CommonPrefix(group))
            start = keymap.after_all_under(group)
        if delimiter in ("", "/"):
            return await self._list(bucket, prefix, delimiter, start, limit, items)
        return await self._roll_up(bucket, prefix, delimiter, start, limit, items)

    async def list_names(self, bucket: str, prefix: str, limit: int) -> list[Listed]:
        """See the contract."""
        names: list[Listed] = []
        start: str | None = ""
        while start is not None and len(names) < limit:
            page = await self._page(bucket, prefix, "/", start, limit)
            names += [item for item in page.items if isinstance(item, Listed)]
            start = page.following
        return names[:limit]

    async def _list(
        self, bucket: str, prefix: str, delimiter: str, start: str, limit: int, items: list[Item]
    ) -> Listing:
        sure = len(items) < limit and not keymap.encode_prefix(prefix).beyond
        following: str | None = start
        while following is not None and len(items) < limit:
            page = await self._page(bucket, prefix, delimiter, following, limit - len(items))
            items += page.items
            following = page.following
        if following is None or sure:
            return Listing(items, more=following is not None)
        return Listing(items, more=bool((await self._page(bucket, prefix, delimiter, following, 1)).items))

    async def _roll_up(
        self, bucket: str, prefix: str, delimiter: str, start: str, limit: int, items: list[Item]
    ) -> Listing:
        following: str | None = start
        while following is not None:
            page = await self._page(bucket, prefix, "", following, _PAGE)
            following = page.following
            for item in page.items:
                group = _rolled(item.key, prefix, delimiter) if isinstance(item, Listed) else None
                shown = item if group is None else CommonPrefix(group)
                if group is not None and items and items[-1] == shown:
                    continue
                if len(items) == limit:
                    return Listing(items, more=True)
                items.append(shown)
            if following is not None and items and isinstance(items[-1], CommonPrefix):
                following = keymap.after_all_under(items[-1].prefix)
        return Listing(items, more=False)

    async def _page(self, bucket: str, prefix: str, delimiter: str, start: str, count: int) -> _Page:
        """Up to `count` items behind the encoded text `start`, by one call."""
        wanted = keymap.encode_prefix(prefix)
        answer = await self._client.call(
            "list_objects_v2",
            Bucket=self._buckets.name(bucket),
            Prefix=wanted.text,
            MaxKeys=min(count, _PAGE),
            **({"Delimiter": delimiter} if delimiter else {}),
            **({"StartAfter": start} if start > wanted.text else {}),
        )
        found: dict[str, Item] = {}
        for each in answer.get("Contents", ()):
            found[each["Key"]] = Listed(keymap.decode(each["Key"]), each["ETag"], each["Size"])
        groups = [each["Prefix"] for each in answer.get("CommonPrefixes", ())]
        found |= {group: CommonPrefix(keymap.decode_directory(group)) for group in groups}
        texts = sorted(found)
        ours = [text for text in texts if not (wanted.beyond and text.startswith(wanted.beyond))]
        empty = await self._empty(bucket, groups) if self.shows_empty else ()
        items = [found[text] for text in ours if text not in empty]
        if not answer["IsTruncated"] or not texts or len(ours) < len(texts):
            return _Page(items, None)
        last = texts[-1]
        return _Page(items, f"{last[:-1]}0" if last.endswith("/") else last)  # "0" is what follows "/"

    async def _empty(self, bucket: str, groups: list[str]) -> set[str]:
        """Those of the encoded common prefixes that nothing is under."""

        async def full(group: str) -> bool:
            name = self._buckets.name(bucket)
            page = await self._client.call("list_objects_v2", Bucket=name, Prefix=group, MaxKeys=1)
            return bool(page.get("Contents"))

        there = await together(full, groups, _LOOKS)
        return {group for group, is_there in zip(groups, there, strict=True) if not is_there}


def _rolled(key: str, prefix: str, delimiter: str) -> str | None:
    """The common prefix that a listing rolls a key into."""
    cut = key.find(delimiter, len(prefix)) if delimiter and key.startswith(prefix) else -1
    return None if cut < 0 else key[: cut + len(delimiter)]
