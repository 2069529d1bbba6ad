# SPDX-License-Identifier: GPL-2.0-only
"""What `import` and `export` say: one line for each object that was left out, and what it all comes to."""

from dataclasses import dataclass, field

import click
import msgspec

from dgproxy.commands.storage import Progress, size
from dgproxy.migration.moved import Moved

__all__ = ["Report", "Summary"]


class Summary(msgspec.Struct):
    """Objects, and bytes of those that were stored, or would be in a dry run."""

    objects: int = 0
    stored: int = 0
    bytes: int = 0
    same: int = 0
    differs: int = 0
    unsure: int = 0
    failed: int = 0


@dataclass(slots=True)
class Report:
    """Prints what became of objects, and adds it up. With `as_json` everything is a line, also successes."""

    as_json: bool
    progress: Progress = field(default_factory=lambda: Progress(""))
    summary: Summary = field(default_factory=Summary)

    def __call__(self, moved: Moved) -> None:
        """Say it and count it."""
        summary = self.summary
        summary.objects += 1
        setattr(summary, moved.outcome, getattr(summary, moved.outcome) + 1)
        if moved.outcome == "stored":
            summary.bytes += moved.size
        if self.as_json:
            self.progress.say(msgspec.json.encode(moved).decode("utf-8"))
        elif moved.outcome in ("differs", "failed"):
            where = f"{moved.bucket}/{moved.key}".encode(errors="backslashreplace").decode()
            why = f"\n{'':20}{moved.why}" if moved.why else ""
            self.progress.say(f"{moved.outcome:8}{size(moved.size):>10}  {where}{why}")

    def close(self, *, really: bool) -> int:
        """Say what it all comes to; the exit code."""
        summary = self.summary
        if self.as_json:
            click.echo(msgspec.json.encode({"dry_run": not really, "summary": summary}).decode())
        else:
            click.echo(_words(summary, really=really))
        return 1 if summary.differs or summary.failed else 0


def _words(summary: Summary, *, really: bool) -> str:
    words = [
        f"{summary.stored:,} {'stored' if really else 'to store'}, {size(summary.bytes)}",
        f"{summary.same:,} there already",
    ]
    if summary.unsure:
        words.append(f"{summary.unsure:,} to compare")
    if summary.differs:
        words.append(f"{summary.differs:,} left alone that differ (--overwrite replaces them)")
    if summary.failed:
        words.append(f"{summary.failed:,} failed")
    return "; ".join(words) + ("." if really else ". --run does it.")
