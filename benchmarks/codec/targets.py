# SPDX-License-Identifier: GPL-2.0-only
"""What was to be reached, and whether it was: each target as a sentence, what was measured, and a verdict."""

import math
from collections.abc import Callable, Iterable
from typing import Any

#: Unrelated or densely changed data, where nobody gets far.
HARD = ("ts-tgz", "ml-B")

#: The trial that came before this codec, with zstd -3 behind it: its speed by that of zstd -1 beside it, both
#: in MB of the new file per CPU second.
TRIAL = {
    "ts-tgz": 169 / 184,
    "closure-jar": 886 / 257,
    "ts-tar": 1525 / 366,
    "scipy-whl": 582 / 204,
    "ext4img": 1281 / 333,
    "sqldump": 1226 / 298,
    "scipy-tar": 913 / 284,
    "lo-deb": 446 / 186,
    "ml-A": 1132 / 337,
    "ml-B": 225 / 132,
    "scale": 525 / 220,
}

Pairs = dict[str, Any]


def judge(pairs: Pairs) -> list[dict[str, Any]]:
    """All targets; pairs are those of a record."""
    easy = {name: pair for name, pair in pairs.items() if name not in HARD}
    similar = {
        name: pair for name, pair in easy.items() if pair["inside"]["memory"]["default"]["percent"] < 10
    }

    def work(pair: Any, name: str) -> Any:
        """A peer's whole process, or ours after its start."""
        form = name.removeprefix("dgproxy ")
        return pair["programs"][name] if form == name else pair["inside"]["files"][form]

    def ratio(field: str, ours: str, theirs: str) -> Callable[[Any], float]:
        return lambda pair: float(work(pair, ours)[field] / work(pair, theirs)[field])

    def by_trial(pair: Any) -> float:
        return ratio("encode", default, zstd)(pair) / float(pair["trial"])

    def memory(field: str, form: str = "default") -> Callable[[Any], float]:
        return lambda pair: float(pair["inside"]["memory"][form][field])

    def index(field: str) -> Callable[[Any], float]:
        return lambda pair: float(pair["inside"][field])

    checked = {name: pair for name, pair in pairs.items() if "check" in pair["programs"]["xdelta3 -3 none"]}
    tried = {name: pair | {"trial": TRIAL[name]} for name, pair in pairs.items() if name in TRIAL}
    default, plain, residual = "dgproxy default", "dgproxy plain thorough", "dgproxy residual"
    zstd, stock, stock_plain = "zstd -1", "xdelta3 -3 lzma", "xdelta3 -3 none"
    return [
        _mean("default form at 4 x the speed of zstd", pairs, ratio("encode", default, zstd), 4),
        _mean("default form at 1.3 x the speed of the first trial", tried, by_trial, 1.3),
        _least("default form at the speed of the first trial on every pair", tried, by_trial, 1),
        _mean("default form at 20 x the speed of xdelta3 -3", pairs, ratio("encode", default, stock), 20),
        _most("default form no larger than zstd's", easy, ratio("bytes", default, zstd), 1),
        _most("default form no larger than xdelta3 -3's", easy, ratio("bytes", default, stock), 1),
        _least("1500 MB/s against a cached index", _but(easy, "lo-deb"), memory("encode"), 1500),
        _most(
            "thorough plain form no larger than that of xdelta3 -3",
            pairs,
            ratio("bytes", plain, stock_plain),
            1,
        ),
        _least("thorough plain form at 5 x that speed", pairs, ratio("encode", plain, stock_plain), 5),
        _most("residual form at most 1.005 of default", pairs, ratio("bytes", residual, default), 1.005),
        _least("thorough residual form at 60 MB/s", pairs, memory("encode", "residual thorough"), 60),
        _least("decoding at 3 x the speed of xdelta3", pairs, ratio("decode", default, stock_plain), 3),
        _least("the same, where xdelta3's are compressed, too", pairs, ratio("decode", default, stock), 3),
        _least("the same, where neither is", pairs, ratio("decode", "dgproxy plain", stock_plain), 3),
        *(
            _least(f"{what}, with nothing written", checked, ratio("check", ours, theirs), 3)
            for what, ours, theirs in (
                ("decoding at 3 x the speed of xdelta3", default, stock_plain),
                ("the same, where xdelta3's are compressed, too", default, stock),
                ("the same, where neither is", "dgproxy plain", stock_plain),
            )
            if checked
        ),
        _least("decoding similar data at 2000 MB/s in memory", similar, memory("decode"), 2000),
        _least("index built at 2000 MB/s", pairs, index("index"), 2000),
        _most("index of at most 35 % of the reference", pairs, index("index_percent"), 35),
    ]


def _but(pairs: Pairs, *names: str) -> Pairs:
    return {name: pair for name, pair in pairs.items() if name not in names}


def _mean(target: str, pairs: Pairs, measure: Callable[[Any], float], least: float) -> dict[str, Any]:
    """The geometric mean over the pairs must reach `least`."""
    values = [measure(pair) for pair in pairs.values()]
    mean = math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan
    return {"target": target, "measured": f"{mean:.2f} in geometric mean", "met": mean >= least}


def _least(target: str, pairs: Pairs, measure: Callable[[Any], float], least: float) -> dict[str, Any]:
    """Every pair must reach `least`."""
    return _every(target, pairs, measure, lambda value: value >= least)


def _most(target: str, pairs: Pairs, measure: Callable[[Any], float], most: float) -> dict[str, Any]:
    """No pair may be over `most`."""
    return _every(target, pairs, measure, lambda value: value <= most)


def _every(
    target: str, pairs: Pairs, measure: Callable[[Any], float], good: Callable[[float], bool]
) -> dict[str, Any]:
    values = {name: measure(pair) for name, pair in pairs.items()}
    bad = {name: value for name, value in values.items() if not good(value)}
    return {"target": target, "measured": _list(bad.items()) or "on every pair", "met": not bad}


def _list(values: Iterable[tuple[str, float]]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in values)
