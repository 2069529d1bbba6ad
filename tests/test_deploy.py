# SPDX-License-Identifier: GPL-2.0-only
"""The dashboard and the alert rules ask for metrics that exist, by labels that they have."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import dgproxy.app  # noqa: F401 - defines every metric
from dgproxy import metrics
from dgproxy.http import metrics_page

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"


def defined() -> dict[str, set[str]]:
    """Every sample name the page can have, and its labels."""
    names = {
        name: {"instance", "job", "version", "python_version"}
        for name in re.findall(r"(?m)^# TYPE (\w+) gauge", metrics_page.render({}).decode())
    }
    of_storage = ("disk_size_bytes", "disk_free_bytes", "objects", "logical_bytes", "stored_bytes")
    names |= {f"deltaglider_{each}": {"instance"} for each in of_storage}
    for family in metrics.read()[0]:
        labels = {"instance", "job", *family.labels}
        endings = ("_bucket", "_sum", "_count") if family.kind == "histogram" else ("",)
        for ending in endings:
            names[family.name + ending] = labels | ({"le"} if ending == "_bucket" else set())
    return names


def dashboard() -> Iterator[str]:
    document: dict[str, Any] = json.loads((DEPLOY / "grafana/deltaglider_proxy.json").read_text())
    identifiers = [panel["id"] for panel in document["panels"]]
    assert len(identifiers) == len(set(identifiers))
    for panel in document["panels"]:
        assert panel["title"]
        for target in panel["targets"]:
            yield target["expr"]
    for variable in document["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]


def alerts() -> Iterator[str]:
    """The expressions, without a YAML reader: each is one line, or folded over more of them."""
    text = (DEPLOY / "prometheus/alerts.yml").read_text()
    rules = text.split("- alert: ")[1:]
    for rule in rules:
        assert re.search(r"severity: (critical|warning|info)\n", rule)
        assert "summary: " in rule
        assert "description: " in rule
        found = re.search(r"(?m)^ {8}expr: (.*)$((?:\n {10,}.*)*)", rule)
        assert found is not None
        yield found[1].removeprefix(">-") + found[2]


@pytest.mark.parametrize("expressions", [dashboard, alerts])
def test_expressions_name_what_there_is(expressions: Any) -> None:
    known = defined()
    asked = list(expressions())
    assert len(asked) >= 7
    for expression in asked:
        names = re.findall(r"\bdeltaglider_\w+", expression)
        assert names or "up{" in expression, expression
        for name in names:
            assert name in known, name
        for name, selector in re.findall(r"(deltaglider_\w+)\{([^}]*)\}", expression):
            for label in re.findall(r"(\w+)(?==|!=)", selector):
                assert label in known[name], f"{name}: {label}"
        for labels in re.findall(r"by \(([^)]*)\)", expression):
            for label in labels.split(", "):
                assert any(label in known[name] for name in names), f"{expression}: {label}"
