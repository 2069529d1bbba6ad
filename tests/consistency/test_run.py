# SPDX-License-Identifier: GPL-2.0-only
"""The long run, short: `make check-history` has 100,000 calls."""

from pathlib import Path

import pytest

from tests.consistency.meddler import ROUGH
from tests.consistency.run import Plan, run

#: However slow the machine is, the load ends after so many seconds; the rest is starting and looking.
LONGEST = 12.0


@pytest.mark.timeout(400)
def test_three_proxies_killed_stopped_and_lied_to(tmp_path: Path) -> None:
    plan = Plan(seed=7, calls=3000, clients=8, rates=ROUGH, pause=3.0, longest=LONGEST)
    result = run(tmp_path / "run", plan)
    print(result.summary())
    assert result.violations == []
    assert result.history.calls > 100
    assert result.events
