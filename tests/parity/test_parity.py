# SPDX-License-Identifier: GPL-2.0-only
"""The same calls to our server and to others: every difference is known, with its reason."""

from pathlib import Path

import pytest

from tests.parity.answers import Answer, ask_all, differences
from tests.parity.calls import CALLS
from tests.parity.differences import NAMED
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
    unnamed, needed = [], set()
    for call in CALLS:
        for part, (mine, other) in differences(ours[call.name], theirs[call.name]).items():
            named = [each for each in NAMED[peer] if each.covers(call.name, part)]
            needed.update(named)
            if not named:
                unnamed.append(f"{call.name} > {part}: ours {mine[:120]!r}, {peer} {other[:120]!r}")
    assert not unnamed, "\n".join(["no reason in differences.py for:", *unnamed])
    vanished = [f"{each.calls} > {each.parts}" for each in NAMED[peer] if each not in needed]
    assert not vanished, "\n".join(["no difference needs these lines any more:", *vanished])
