# SPDX-License-Identifier: GPL-2.0-only
"""A record as a table for people and as a plot: `<record>.md` and `<record>.svg`, from the JSON alone."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

#: Programs in the order of columns, with the plot's colours; ours are filled.
COLOURS = {
    "dgproxy default": "#0b5fff",
    "dgproxy residual": "#7a1fd0",
    "dgproxy plain": "#00a0b0",
    "dgproxy residual thorough": "#b080e0",
    "dgproxy plain thorough": "#70d0d8",
    "zstd -1": "#d08000",
    "xdelta3 -1 none": "#c9a0a0",
    "xdelta3 -3 none": "#c86060",
    "xdelta3 -1 lzma": "#8a8a8a",
    "xdelta3 -3 lzma": "#404040",
    "hdiffpatch zstd": "#309030",
    "bsdiff": "#90c030",
}

ROW, TOP, LEFT, PANEL, GAP = 26, 74, 90, 420, 60


def table(record: dict[str, Any]) -> str:
    """Size in % of the new file @ encode / decode in MB of the new file per CPU second."""
    pairs = record["pairs"]
    names = [name for name in COLOURS if any(name in _programs(pair) for pair in pairs.values())]
    lines = ["| pair | MB | " + " | ".join(names) + " |", "| --- " * (len(names) + 2) + "|"]
    for name, pair in pairs.items():
        cells = [name, f"{pair['new_bytes'] / 1e6:.0f}"]
        for program in names:
            found = _programs(pair).get(program)
            cells.append(_cell(found) if found else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _programs(pair: dict[str, Any]) -> dict[str, Any]:
    """What stands in the table: peers as whole processes, ours without the interpreter's start."""
    work: dict[str, Any] = {f"dgproxy {form}": found for form, found in pair["inside"]["files"].items()}
    return {**pair["programs"], **work}


def inside(record: dict[str, Any]) -> str:
    """The same with a cached index and windows of the server's size, and for the command with its start."""
    forms = ("default", "residual", "plain")
    lines = ["| pair | index | " + " | ".join(forms) + " | the command, default |", "| --- " * 6 + "|"]
    for name, pair in record["pairs"].items():
        found = pair["inside"]
        cells = [name, f"{found['index']:.0f}, {found['index_percent']} %"]
        cells += [_cell(found["memory"][form]) for form in forms]
        cells.append(_cell(pair["programs"]["dgproxy default"]))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(found: dict[str, Any]) -> str:
    cell = f"{found['percent']:.3g} @ {found['encode']:.0f} / {found['decode']:.0f}"
    return f"{cell} ({found['check']:.0f})" if "check" in found else cell


def page(record: dict[str, Any], plot: str) -> str:
    """The whole page."""
    machine = record["machine"]
    floors = ", ".join(f"{name} {value:.0f}" for name, value in record["floors_mb_per_s"].items())
    load = f"{machine['load_before']:.1f} before, {machine['load_after']:.1f} after"
    targets = "\n".join(
        f"- {'met' if each['met'] else '**not met**'}: {each['target']} ({each['measured']})"
        for each in record["targets"]
    )
    start = record["start_cpu_seconds"]
    checked = any(
        "check" in found for pair in record["pairs"].values() for found in pair["programs"].values()
    )
    brackets = "In brackets: decoding with nothing written.\n" if checked else ""
    return f"""# Codec, {record["when"][:10]}

{machine["cpu"]}, {machine["cores"]} cores, load {load}; commit {record["commit"][:10]}.

Size in % of the new file @ encode / decode in MB of the new file per CPU second, on one thread, with reading,
indexing and writing: peers as whole processes, ours without the interpreter's start of {start:.2f} s.
`benchmarks/METHOD.md` says how this is measured and where it is unfair. Floors in MB/s: {floors}.
{brackets}
{table(record)}
In memory, against a cached index, in windows of 4 MiB. Index: MB of the reference per second to build it, and
its size. The last column is the whole process of the command, start included.

{inside(record)}
![speed and size]({plot})

## Targets

{targets}
"""


def plot(record: dict[str, Any]) -> str:
    """SVG: a row for each pair; speed on the left, size against xdelta3 -3 on the right."""
    pairs = record["pairs"]
    speeds = [found["encode"] for pair in pairs.values() for found in _programs(pair).values()]
    height = TOP + ROW * len(pairs) + 40
    width = LEFT + 2 * PANEL + GAP + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">',
        "<style>text { font: 11px sans-serif } .title { font-weight: bold }</style>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        *_legend(),
        *_panel(LEFT, "encode, MB per CPU second", _ticks(min(speeds), max(speeds)), len(pairs)),
        *_panel(LEFT + PANEL + GAP, "size, xdelta3 -3 = 1", [0.25, 0.5, 1, 2, 4], len(pairs)),
    ]
    for row, (name, pair) in enumerate(pairs.items()):
        y = TOP + ROW * row + ROW / 2
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{escape(name)}</text>')
        yardstick = pair["programs"]["xdelta3 -3 lzma"]["bytes"]
        for program, found in _programs(pair).items():
            ticks = _ticks(min(speeds), max(speeds))
            x = LEFT + PANEL * _place(found["encode"], ticks)
            parts.append(_dot(program, x, y, f"{name}, {program}: {found['encode']:.0f} MB/s"))
            x = LEFT + PANEL + GAP + PANEL * _place(found["bytes"] / yardstick, [0.25, 4])
            parts.append(_dot(program, x, y, f"{name}, {program}: {found['percent']:.3g} %"))
    return "\n".join((*parts, "</svg>", ""))


def _ticks(low: float, high: float) -> list[float]:
    """Powers of ten around the values, at least one apart."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [10.0**power for power in range(first, max(last, first + 1) + 1)]


def _place(value: float, ticks: list[float]) -> float:
    """Where a value stands on a logarithmic axis, 0 to 1; what is off the axis stands at its end."""
    share = math.log(value / ticks[0]) / math.log(ticks[-1] / ticks[0])
    return min(max(share, 0.0), 1.0)


def _panel(left: float, title: str, ticks: list[float], rows: int) -> Iterator[str]:
    bottom = TOP + ROW * rows
    middle = left + PANEL / 2
    yield f'<text class="title" x="{middle}" y="{TOP - 10}" text-anchor="middle">{title}</text>'
    for tick in ticks:
        x = left + PANEL * _place(tick, ticks)
        yield f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}" stroke="#ddd"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{tick:g}</text>'
    for row in range(rows + 1):
        y = TOP + ROW * row
        yield f'<line x1="{left}" y1="{y}" x2="{left + PANEL}" y2="{y}" stroke="#eee"/>'


def _legend() -> Iterator[str]:
    for number, name in enumerate(COLOURS):
        x, y = LEFT + 180 * (number % 5), 14 + 16 * (number // 5)
        yield _dot(name, x, y - 4, name)
        yield f'<text x="{x + 10}" y="{y}">{escape(name)}</text>'


def _dot(program: str, x: float, y: float, title: str) -> str:
    colour = COLOURS[program]
    fill = colour if program.startswith("dgproxy") else "white"
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{fill}" stroke="{colour}" stroke-width="2">'
        f"<title>{escape(title)}</title></circle>"
    )


def write(path: Path) -> None:
    """Write table and plot beside the record at `path`."""
    record = json.loads(path.read_text())
    image = path.with_suffix(".svg")
    image.write_text(plot(record))
    path.with_suffix(".md").write_text(page(record, image.name))
