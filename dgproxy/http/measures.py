# SPDX-License-Identifier: GPL-2.0-only
"""What is counted of requests, and the count itself: once a request, when its log line is written.

Operations are S3's names; "Preflight", "Status" (what `status` answers) and "Unknown" (never routed) are
ours. A request that got no whole answer has a word in place of its status. Names follow Prometheus'
conventions.
"""

from typing import Final

from dgproxy.metrics import OTHER, Counter, Gauge, Histogram
from dgproxy.s3.errors import CODES
from dgproxy.s3.operation import Operation

PREFLIGHT: Final = "Preflight"
STATUS: Final = "Status"
UNKNOWN: Final = "Unknown"

#: What `service` calls the end of a request without a whole answer.
CUT_OFF: Final = "cut off"
CLIENT_GONE: Final = "client gone"

_OPERATIONS: Final = (*(operation.value for operation in Operation), PREFLIGHT, STATUS, UNKNOWN)
_ENDS: Final = {CUT_OFF: "cut_off", CLIENT_GONE: "client_gone"}
_STATUSES: Final = (
    *map(str, sorted({200, 201, 204, 206, 303, *(status for status, _ in CODES.values())})),
    *_ENDS.values(),
    OTHER,
)
#: Seconds. From a cached HEAD to a slow client's 5 GiB.
_LATENCIES: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
)  # fmt: skip
_CLASSES: Final = ("2xx", "3xx", "4xx", "5xx", OTHER)

requests: Final = Counter(
    "deltaglider_requests_total",
    "Requests answered, by S3 operation and HTTP status.",
    operation=_OPERATIONS,
    status=_STATUSES,
)
latencies: Final = Histogram(
    "deltaglider_request_duration_seconds",
    "Seconds from a request's head to the end of its answer, by operation and class of status.",
    _LATENCIES,
    operation=_OPERATIONS,
    status=_CLASSES,
)
received_bytes: Final = Counter(
    "deltaglider_received_bytes_total", "Bytes of request bodies.", operation=_OPERATIONS
)
sent_bytes: Final = Counter(
    "deltaglider_sent_bytes_total", "Bytes of answers' bodies.", operation=_OPERATIONS
)
errors: Final = Counter(
    "deltaglider_errors_total", "Refusals and failures, by S3 error code.", code=tuple(CODES)
)
serving: Final = Gauge("deltaglider_workers", "Worker processes that serve.")
in_flight: Final = Gauge("deltaglider_requests_in_flight", "Requests being answered now.")


def count(
    operation: str, outcome: int | str, code: str | None, seconds: float, received: int, sent: int
) -> None:
    """Count a request that ended; `outcome` is its status, CUT_OFF or CLIENT_GONE."""
    if isinstance(outcome, int):
        requests.add(1, operation, str(outcome))
        latencies.observe(seconds, operation, f"{outcome // 100}xx")
    else:
        requests.add(1, operation, _ENDS[outcome])
        latencies.observe(seconds, operation, OTHER)
    if received:
        received_bytes.add(received, operation)
    if sent:
        sent_bytes.add(sent, operation)
    if code is not None:
        errors.add(1, code)
