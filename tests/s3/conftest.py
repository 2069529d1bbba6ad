# SPDX-License-Identifier: GPL-2.0-only
"""Property tests here are about answers, not speed: on a loaded machine a deadline would fail a right one."""

from hypothesis import HealthCheck, settings

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
