# SPDX-License-Identifier: GPL-2.0-only
"""Every client through every step; `conftest` leaves out what says nothing without credentials."""

import pytest

from tests.clients.steps import STEPS, Scene


@pytest.mark.parametrize("step", STEPS)
def test_step(scene: Scene, step: str) -> None:
    STEPS[step](scene)
