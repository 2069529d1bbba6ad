# SPDX-License-Identifier: GPL-2.0-only
"""Two versions of a release, made from a recipe: the same bytes for a seed on every machine and Python.

All randomness is SHAKE-128 (FIPS 202) of the seed and a label, because that never changes. The members are
laid out as in a tar file, so that headers, padding, text and binaries alternate as they do in what people
store.
"""

import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace

RECORD = 10_240  # bytes; tar archives are whole records (POSIX pax, "ustar interchange format")


@dataclass(frozen=True)
class Recipe:
    """`[artifact]` of the definitions; sizes in bytes, shares from 0 to 1."""

    seed: str
    size: int
    smallest: int
    largest: int
    text: float
    replaced: float
    added: float
    rebuilt: float
    edit_every: int
    edit_length: int
    similar: float
    sha256: dict[str, str]


@dataclass(frozen=True)
class Member:
    """One file of the archive; `revision` names its content."""

    name: str
    size: int
    text: bool
    revision: str = "1"
    edited: bool = False

    @property
    def space(self) -> int:
        """Bytes it takes in the archive: header, content, padding."""
        return 512 + -(-self.size // 512) * 512


class Release:
    """Builds both versions and counts what they share."""

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        self._new_bytes = 0
        self._second_size = 0

    def versions(self) -> tuple[bytes, bytes]:
        """Both versions. ValueError when they are not what the definitions say."""
        members = self._members()
        pair = self._archive(members), self._archive(self._next(members))
        self._second_size = len(pair[1])
        for name, data in zip(("first", "second"), pair, strict=True):
            found = hashlib.sha256(data).hexdigest()
            if found != self.recipe.sha256[name]:
                raise ValueError(f"the {name} version has SHA-256 {found}, not the one of the definitions")
        if abs(self.similar - self.recipe.similar) > 0.001:
            raise ValueError(f"the versions are {self.similar:.4f} similar, not {self.recipe.similar}")
        return pair

    @property
    def similar(self) -> float:
        """The share of the second version's bytes that are copied from the first."""
        return 1 - self._new_bytes / self._second_size

    # -- randomness ----------------------------------------------------------------------------------------

    def _bytes(self, label: str, length: int) -> bytes:
        return hashlib.shake_128(f"{self.recipe.seed}/{label}".encode()).digest(length)

    def _number(self, label: str) -> float:
        """From 0 to below 1."""
        return int.from_bytes(self._bytes(label, 6), "big") / (1 << 48)

    # -- what is in an archive -----------------------------------------------------------------------------

    def _member(self, name: str, revision: str) -> Member:
        low, high = self.recipe.smallest, self.recipe.largest
        size = int(low * (high / low) ** self._number(f"{name}/{revision}/size"))
        return Member(name, size, self._number(f"{name}/kind") < self.recipe.text, revision)

    def _members(self) -> list[Member]:
        members: list[Member] = []
        left = self.recipe.size - 2 * 512  # two empty blocks end an archive
        while left >= self.recipe.smallest + 1024:
            member = self._member(f"release/lib{len(members) % 40:02d}/file{len(members):05d}", "1")
            if member.space > left:
                member = replace(member, size=left - 1024)
            members.append(member)
            left -= member.space
        return members

    def _next(self, members: list[Member]) -> list[Member]:
        """The second version's members: first chosen in random order until each share is used up."""
        recipe = self.recipe
        order = sorted(range(len(members)), key=lambda index: self._number(f"order/{index}"))
        changed, rebuilt = set[int](), set[int]()
        for index in order:
            space = members[index].space
            for chosen, share in ((changed, recipe.replaced), (rebuilt, recipe.rebuilt)):
                if sum(members[other].space for other in chosen) + space <= share * recipe.size:
                    chosen.add(index)
                    break
        result: list[Member] = []
        room = recipe.added * recipe.size
        for index, member in enumerate(members):
            if index in changed:
                result.append(replace(member, revision="2"))
                self._new_bytes += member.space
            else:
                result.append(replace(member, edited=index in rebuilt))
            if index % 7 == 0:
                extra = self._member(f"{member.name}.new", "2")
                if extra.space <= room:
                    result.append(extra)
                    room -= extra.space
                    self._new_bytes += extra.space
        return result

    # -- bytes ---------------------------------------------------------------------------------------------

    def _archive(self, members: list[Member]) -> bytes:
        parts: list[bytes] = []
        for member in members:
            header = tarfile.TarInfo(member.name)
            header.size = member.size
            parts += [header.tobuf(tarfile.USTAR_FORMAT), self._content(member), bytes(-member.size % 512)]
        data = b"".join(parts)
        return data + bytes(-(len(data) + 1024) % RECORD + 1024)

    def _content(self, member: Member) -> bytes:
        label = f"{member.name}/{member.revision}"
        data = b"".join(self._words(label, member.size)) if member.text else self._bytes(label, member.size)
        if not member.edited:
            return data[: member.size]
        edited = bytearray(data[: member.size])
        at = 0
        recipe = self.recipe
        for number, draw in enumerate(self._bytes(f"{label}/edits", 2 * (member.size // recipe.edit_every))):
            if number % 2:
                # Steps from 0.5 to 1.5 times the average.
                at += recipe.edit_every // 2 + draw * recipe.edit_every // 255
                if at + recipe.edit_length > member.size:
                    break
                edited[at : at + recipe.edit_length] = self._bytes(f"{label}/{at}", recipe.edit_length)
                self._new_bytes += recipe.edit_length
        return bytes(edited)

    def _words(self, label: str, size: int) -> Iterator[bytes]:
        """At least `size` bytes of text: words of two to nine letters from a vocabulary of 256."""
        vocabulary = self._bytes("vocabulary", 256 * 10)
        words = [
            bytes(97 + letter % 26 for letter in vocabulary[at : at + 2 + vocabulary[at + 9] % 8]) + b" "
            for at in range(0, len(vocabulary), 10)
        ]
        yield b"".join(map(words.__getitem__, self._bytes(label, size // 3 + 1)))
