# SPDX-License-Identifier: GPL-2.0-only
"""What the engine counts. Names follow Prometheus' conventions: base units, `_total` on what only grows.

Bodies are what clients upload: objects, and parts of them. *Logical* bytes are what the client sent, *stored*
bytes what they take in blobs.
"""

from collections.abc import Sequence
from typing import Final, Literal

from dgproxy.metrics import Counter, Gauge, Histogram

Kind = Literal["delta", "direct", "reference", "inline"]

_HIT_OR_MISS: Final[Sequence[str]] = ("hit", "miss")

encode_seconds: Final = Counter(
    "deltaglider_encode_seconds_total", "Time on worker threads for encoding and hashing windows of deltas."
)
encode_logical_bytes: Final = Counter(
    "deltaglider_encode_logical_bytes_total", "Bytes that were encoded as deltas, kept or not."
)
encode_delta_bytes: Final = Counter(
    "deltaglider_encode_delta_bytes_total", "Bytes of deltas that encoding them gave."
)
decode_seconds: Final = Counter(
    "deltaglider_decode_seconds_total", "Time on worker threads for decoding and checking windows."
)
decode_logical_bytes: Final = Counter(
    "deltaglider_decode_logical_bytes_total", "Bytes that came out of decoding and checking windows."
)
decode_stored_bytes: Final = Counter(
    "deltaglider_decode_stored_bytes_total", "Stored bytes that went into decoding and checking windows."
)

#: Bounds: a patch release is often under 1 %, a rebuilt archive near 1.
delta_ratio: Final = Histogram(
    "deltaglider_delta_ratio",
    "Delta size divided by original size, of every body that was encoded; a hopeless one as far as it came.",
    (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 1.0),
)
deltas_given_up: Final = Counter(
    "deltaglider_deltas_given_up_total", "Bodies stored whole because their delta was too large."
)
bodies: Final = Counter(
    "deltaglider_bodies_total",
    "Bodies taken in, by how they are stored; inline is inside the manifest.",
    storage=("delta", "direct", "reference", "inline"),
)
body_logical_bytes: Final = Counter(
    "deltaglider_body_logical_bytes_total", "Bytes of bodies taken in, as clients sent them."
)
body_stored_bytes: Final = Counter(
    "deltaglider_body_stored_bytes_total", "Bytes that the bodies taken in need in storage."
)

reference_mappings: Final = Counter(
    "deltaglider_reference_mapping_requests_total",
    "Uses of a mapped reference: already mapped (hit) or not (miss).",
    result=_HIT_OR_MISS,
)
reference_indexes: Final = Counter(
    "deltaglider_reference_index_requests_total",
    "Uses of a reference's index: already built (hit) or not (miss).",
    result=_HIT_OR_MISS,
)
reference_index_bytes: Final = Gauge(
    "deltaglider_reference_index_bytes", "Memory of the reference indexes that exist."
)
manifest_summaries: Final = Counter(
    "deltaglider_manifest_cache_requests_total",
    "Manifests needed for listings: known from the cache (hit) or read (miss).",
    result=_HIT_OR_MISS,
)

optimizer_running: Final = Gauge(
    "deltaglider_optimizer_running", "1 while the optimizer goes through the storage."
)
optimizer_rounds: Final = Counter(
    "deltaglider_optimizer_rounds_total", "Rounds of the optimizer that went through everything."
)
optimizer_deltaspaces: Final = Counter(
    "deltaglider_optimizer_deltaspaces_total", "Deltaspaces that the optimizer has looked at."
)
optimizer_rewritten: Final = Counter(
    "deltaglider_optimizer_rewritten_objects_total", "Objects that the optimizer has stored anew."
)
optimizer_saved_bytes: Final = Counter(
    "deltaglider_optimizer_saved_bytes_total", "Bytes that storage needs less since the optimizer was at it."
)
optimizer_failed: Final = Counter(
    "deltaglider_optimizer_failed_objects_total", "Objects that the optimizer could not read or write."
)

transfer_memory_limit: Final = Gauge(
    "deltaglider_transfer_memory_limit_bytes", "Memory that bodies in flight may take (transfer_memory_mb)."
)
transfer_memory_leased: Final = Gauge(
    "deltaglider_transfer_memory_leased_bytes", "Memory promised to bodies in flight."
)
transfer_waiting: Final = Gauge(
    "deltaglider_transfer_waiting_requests", "Requests that wait for their share of the transfer memory."
)


def taken_in(storage: Kind, logical: int, stored: int) -> None:
    """Count one body and its bytes."""
    bodies.add(1, storage)
    body_logical_bytes.add(logical)
    body_stored_bytes.add(stored)
