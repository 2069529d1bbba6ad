# SPDX-License-Identifier: GPL-2.0-only
"""The two tables of the layer are complete: a handler for every operation, an S3 code for every failure."""

import pytest

from dgproxy.engine import errors as engine
from dgproxy.http import errors
from dgproxy.http.router import HANDLERS
from dgproxy.s3.errors import CODES, S3Error
from dgproxy.s3.operation import Operation
from dgproxy.storage import errors as storage


def _classes(base: type[Exception]) -> list[type[Exception]]:
    return [base, *(each for child in base.__subclasses__() for each in _classes(child))]


FAILURES = [
    each
    for each in [*_classes(engine.EngineError), *_classes(storage.StorageError)]
    if each.__module__ in {engine.__name__, storage.__name__}
]


def _raised(kind: type[Exception]) -> Exception:
    if kind is engine.PartInvalid:
        return engine.PartInvalid("/secret/path", 7)
    if kind is engine.PartTooSmall:
        return engine.PartTooSmall("/secret/path", 7, "e", 1)
    return kind("/secret/path")


def test_every_operation_has_a_handler() -> None:
    assert set(HANDLERS) == set(Operation)


def test_there_are_failures() -> None:
    assert {engine.ObjectDamaged, storage.Damaged, storage.RecordNotFound} < set(FAILURES)


@pytest.mark.parametrize("kind", FAILURES)
def test_every_failure_has_a_code(kind: type[Exception]) -> None:
    answer = errors.to_s3(_raised(kind), "bucket", "key")
    assert answer.code in CODES
    assert answer.message
    if issubclass(kind, storage.StorageError):
        assert "/secret" not in answer.message


@pytest.mark.parametrize(
    "kind",
    [engine.ObjectDamaged, storage.RecordNotFound, storage.Damaged, storage.StorageError, OSError, KeyError],
)
def test_could_not_find_out_is_never_does_not_exist(kind: type[Exception]) -> None:
    assert errors.to_s3(kind("reference")).status == 500


@pytest.mark.parametrize("kind", [engine.Overloaded, storage.Busy])
def test_who_may_try_again_is_told_when(kind: type[Exception]) -> None:
    answer = errors.to_s3(kind("full"))
    assert (answer.status, answer.code) == (503, "SlowDown")
    assert answer.headers["Retry-After"] == "1"


def test_a_refusal_passes() -> None:
    refusal = S3Error("InvalidDigest")
    assert errors.to_s3(refusal) is refusal
