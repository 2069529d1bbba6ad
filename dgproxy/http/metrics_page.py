# SPDX-License-Identifier: GPL-2.0-only
"""`GET /_/metrics`: every number in Prometheus' text format.

prometheus_client writes the format; the numbers are `dgproxy.metrics`'s, and what is only known now (the
disk, the processes) comes from the caller. No bucket, key or address is in it: whoever may reach the port may
read it. Series of large families that never counted are left out.
"""

import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from dgproxy import metrics
from dgproxy.version import __version__

#: Of the text exposition format 0.0.4, which `generate_latest` writes.
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

#: Families with more series than this show those that have counted.
_FEW: Final = 8


class _Numbers(Collector):
    """What is collected once."""

    def __init__(self, gauges: Mapping[str, tuple[str, float]]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        """Every family."""
        info = GaugeMetricFamily(
            "deltaglider_build_info", "1, and the version that runs.", labels=("version", "python_version")
        )
        info.add_metric((__version__, platform.python_version()), 1)
        yield info
        yield GaugeMetricFamily(
            "deltaglider_start_time_seconds",
            "When the server started, in seconds since the epoch.",
            metrics.started(),
        )
        for name, (text, value) in self._gauges.items():
            yield GaugeMetricFamily(name, text, value)
        families, cells = metrics.read()
        for family in families:
            yield _metric(family, cells)


def render(gauges: Mapping[str, tuple[str, float]]) -> bytes:
    """The page; `gauges` by name, with their help text and value, come in addition."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Numbers(gauges))
    return generate_latest(registry)


def _metric(family: metrics.Family, cells: Sequence[float]) -> Metric:
    samples = list(family.samples(cells))
    shown: Iterable[metrics.Sample] = samples
    if len(samples) > _FEW:
        shown = (sample for sample in samples if any(sample.values))
    labels = tuple(family.labels)
    if isinstance(family, metrics.Histogram):
        histogram = HistogramMetricFamily(family.name, family.text, labels=labels)
        bounds = [*map(_number, family.bounds), "+Inf"]
        for sample in shown:
            histogram.add_metric(
                sample.labels, list(zip(bounds, _running(sample.values[:-1]), strict=True)), sample.values[-1]
            )
        return histogram
    plain: CounterMetricFamily | GaugeMetricFamily
    if isinstance(family, metrics.Counter):
        plain = CounterMetricFamily(family.name, family.text, labels=labels)
    else:
        plain = GaugeMetricFamily(family.name, family.text, labels=labels)
    for sample in shown:
        plain.add_metric(sample.labels, sample.value)
    return plain


def _running(counts: Iterable[float]) -> Iterator[float]:
    total = 0.0
    for count in counts:
        total += count
        yield total


def _number(bound: float) -> str:
    return repr(float(bound))
