# SPDX-License-Identifier: GPL-2.0-only
"""The same calls to our server and to others: every difference is known, with its reason."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.parity import signatures
from tests.parity.answers import Answer, ask_all, differences
from tests.parity.calls import CALLS
from tests.parity.differences import NAMED, SIGNATURES, Named
from tests.parity.peers import PEERS, running


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    with running("ours", tmp_path_factory.mktemp("ours")) as port:
        return ask_all(port, CALLS)


def test_every_call_is_answered(ours: dict[str, Answer]) -> None:
    assert len(ours) == len(CALLS), "two calls have one name"
    assert not {name: answer["status"] for name, answer in ours.items() if not answer["status"].isdigit()}
    assert not {name for name, answer in ours.items() if answer["status"].startswith("500")}


@pytest.mark.parametrize("peer", PEERS)
def test_differences_are_named(peer: str, ours: dict[str, Answer], tmp_path: Path) -> None:
    with running(peer, tmp_path) as port:
        theirs = ask_all(port, CALLS)
    _compare([call.name for call in CALLS], ours, theirs, NAMED[peer])


def test_signatures(tmp_path: Path) -> None:
    """Each server signs for itself: the host is part of it."""
    answers = []
    names: list[str] = []
    for peer in ("ours", "seaweedfs"):
        home = tmp_path / peer
        home.mkdir()
        with running(peer, home, (signatures.KEY, signatures.SECRET)) as port:
            calls = list(signatures.calls(f"127.0.0.1:{port}"))
            names = [call.name for call in calls]
            answers.append(ask_all(port, calls, signed=False))
    assert len(set(names)) == len(names)
    _compare(names, *answers, SIGNATURES)


def _compare(
    calls: Sequence[str], ours: Mapping[str, Answer], theirs: Mapping[str, Answer], reasons: Sequence[Named]
) -> None:
    """Every difference has a reason, and every reason a difference."""
    unnamed, needed = [], set()
    for call in calls:
        for part, (mine, other) in differences(ours[call], theirs[call]).items():
            named = [each for each in reasons if each.covers(call, part)]
            needed.update(named)
            if not named:
                unnamed.append(f"{call} > {part}: ours {mine[:120]!r}, theirs {other[:120]!r}")
    assert not unnamed, "\n".join(["no reason in differences.py for:", *unnamed])
    vanished = [f"{each.calls} > {each.parts}" for each in reasons if each not in needed]
    assert not vanished, "\n".join(["no difference needs these lines any more:", *vanished])
