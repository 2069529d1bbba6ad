# SPDX-License-Identifier: GPL-2.0-only
"""Where the time of the request at hand goes, stage by stage, for its log line.

A request begins its `Stages` in a context variable; whatever works for it, in whichever task, adds to them by
name without knowing whose they are, and outside of a request to nobody's. Stages of one request overlap (the
next window arrives while one is encoded), so their sum can exceed its duration.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

__all__ = ["Stage", "Stages", "begin", "spent", "stage"]

#: wait: for a share of the memory. receive: for the client's bytes. send: for the client to take them.
#: encode, decode: on worker threads, hashing included. store: blobs on their way to storage, made durable.
#: read: blobs. commit: the manifest, made durable, and removing what it replaced.
Stage = Literal["wait", "receive", "encode", "decode", "store", "read", "commit", "send"]

#: Seconds by stage.
Stages = dict[Stage, float]

_current: ContextVar[Stages | None] = ContextVar("stages", default=None)


def begin() -> Stages:
    """Begin the stages of a request, for this task and those it starts."""
    stages: Stages = {}
    _current.set(stages)
    return stages


def spent(name: Stage, seconds: float) -> None:
    """Add time that was measured elsewhere, on a thread say."""
    stages = _current.get()
    if stages is not None:
        stages[name] = stages.get(name, 0.0) + seconds


@contextmanager
def stage(name: Stage) -> Iterator[None]:
    """Add the time of the block."""
    began = time.perf_counter()
    try:
        yield
    finally:
        spent(name, time.perf_counter() - began)
