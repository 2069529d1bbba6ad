# SPDX-License-Identifier: GPL-2.0-only
"""The table of clients in `docs/S3_COMPATIBILITY.md`: which passed which step, from one complete run.

Nothing in it is typed by hand: versions come from the clients, marks from pytest, the reasons for what a
client does not send from the catalogue. The rest of the page is not touched.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.clients.catalogue import Entry

BEGIN, END = "<!-- written by `make clients` -->\n", "<!-- end of what `make clients` writes -->\n"

PREAMBLE = """
Each client goes through each step in front of a server process of its own, with credentials and, where an
unsigned request takes another way, without. What it stores and fetches is compared byte for byte with what
boto3 sees. "40 MB, two versions" is two uploads, in parts where the client has them, of which the second must
end up as a delta. "Odd keys" have spaces, `+`, `%`, Unicode in both normal forms, `//`, a trailing `/`, dot
segments, quotes, brackets, or 500 bytes.

yes: passed. -: the client has no such call. **no**: failed.

"""


def written_into(page: str, table: str) -> str:
    """The page with its table replaced. Raises ValueError when it has no place for one."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError("the page has no place for the table of clients")
    return before + BEGIN + table + END + after


@dataclass
class Table:
    """The outcomes of one run."""

    versions: dict[str, str] = field(default_factory=dict)
    cells: dict[str, dict[str, set[str]]] = field(default_factory=dict)

    def add(self, client: str, step: str, outcome: str) -> None:
        """One test's outcome: passed, failed or skipped."""
        self.cells.setdefault(client, {}).setdefault(step, set()).add(outcome)

    def mark(self, client: str, step: str) -> str:
        """A cell: yes only if something passed and nothing failed."""
        outcomes = self.cells.get(client, {}).get(step, set())
        if "failed" in outcomes:
            return "**no**"
        return "yes" if "passed" in outcomes else "-"

    def render(self, clients: Mapping[str, Entry], steps: list[str]) -> str:
        """The table in Markdown."""
        lines = [f"| client | {' | '.join(steps)} |", f"| --- |{' --- |' * len(steps)}"]
        for client in clients:
            version = self.versions.get(client, f"{client} (not run)")
            lines.append(f"| {version} | {' | '.join(self.mark(client, step) for step in steps)} |")
        lines += ["", "Odd keys that a client itself does not send as they are:", ""]
        for client, entry in clients.items():
            for key, reason in entry.not_sent.items():
                lines.append(f"- {client}, {key}: {reason}")
        lines += ["", "And programs that keep their own data on the server:", ""]
        for client, steps_of in self.cells.items():
            if client not in clients:
                done = ", ".join(f"{step}: {self.mark(client, step)}" for step in steps_of)
                lines.append(f"- {self.versions.get(client, client)}: {done}")
        return PREAMBLE + "\n".join(lines) + "\n\n"
