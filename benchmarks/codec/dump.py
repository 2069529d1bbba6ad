# SPDX-License-Identifier: GPL-2.0-only
"""Two dumps of a made-up table: 2 % of the rows edited, 0.2 % gone, 0.5 % new at the end."""

import random
from collections.abc import Iterable
from pathlib import Path

ROWS = 300_000
HEAD = """--
-- database dump
--
CREATE TABLE account (id bigint NOT NULL, name text, email text, kind int, updated timestamptz,
    balance numeric, token text, note text, active boolean);
COPY account (id, name, email, kind, updated, balance, token, note, active) FROM stdin;
"""


class Table:
    """Rows from a seed."""

    def __init__(self, seed: int = 1) -> None:
        self.rng = random.Random(seed)
        letters = "eeeettaaooiinnsshhrrddlucmwfgypbvkxjqz"
        self.words = ["".join(self.rng.choices(letters, k=self.rng.randrange(3, 11))) for _ in range(12_000)]

    def text(self, least: int, most: int) -> str:
        """That many words."""
        return " ".join(self.rng.choices(self.words, k=self.rng.randrange(least, most)))

    def row(self, number: int) -> list[str]:
        """One row's columns."""
        rng = self.rng
        return [
            str(number), self.text(2, 3), f"{rng.choice(self.words)}{rng.randrange(10**6)}@example.com",
            str(rng.randrange(1, 13)), self.time(2025, 12), self.balance(), f"{rng.getrandbits(128):032x}",
            self.text(4, 30), rng.choice("tf"),
        ]  # fmt: skip

    def time(self, year: int, months: int) -> str:
        """A moment of a year."""
        rng = self.rng
        day = f"{year}-{rng.randrange(1, months + 1):02d}-{rng.randrange(1, 29):02d}"
        clock = f"{rng.randrange(24):02d}:{rng.randrange(60):02d}:{rng.randrange(60):02d}"
        return f"{day} {clock}.{rng.randrange(10**6):06d}+00"

    def balance(self) -> str:
        """An amount."""
        return f"{self.rng.random() * 1000:.2f}"

    def later(self, rows: Iterable[list[str]]) -> Iterable[list[str]]:
        """The same table some time after."""
        for row in rows:
            fate = self.rng.random()
            if fate < 0.002:
                continue
            if fate < 0.022:
                edited = list(row)
                edited[4], edited[5] = self.time(2026, 1), self.balance()
                if self.rng.random() < 0.3:
                    edited[7] = self.text(4, 30)
                yield edited
            else:
                yield row
        for number in range(ROWS + 1, ROWS + 1 + ROWS // 200):
            yield self.row(number)


def write(folder: Path) -> None:
    """Write both dumps as `old` and `new`."""
    table = Table()
    rows = [table.row(number) for number in range(1, ROWS + 1)]
    for name, content in (("old", rows), ("new", table.later(rows))):
        with (folder / name).open("w") as file:
            file.write(HEAD)
            file.writelines("\t".join(row) + "\n" for row in content)
            file.write("\\.\n")
