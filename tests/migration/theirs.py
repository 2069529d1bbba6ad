# SPDX-License-Identifier: GPL-2.0-only
"""Stores as DeltaGlider's programs write them: which files there are, and what is said of each.

Written with the stock xdelta3, as they do, from what is known of their formats and not with any code of ours:
`Stored` is one file or object, and the functions below put them into a directory or a bucket.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

XDELTA3 = shutil.which("xdelta3")
CREATED = "2024-03-05T06:07:08.123456"
CREATED_MS = 1_709_618_828_123


@dataclass(frozen=True)
class Stored:
    """Bytes under a key; what is said of them in the names of S3 metadata, and in JSON."""

    key: str
    data: bytes
    metadata: dict[str, str] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def encoded(reference: bytes, data: bytes, *options: str, name: str = "v.zip") -> bytes:
    """A delta by `xdelta3 -e`, from files of these names: they end up in its application header."""
    assert XDELTA3
    with tempfile.TemporaryDirectory() as directory:
        top = Path(directory)
        (top / "reference.bin").write_bytes(reference)
        (top / name).write_bytes(data)
        command = [XDELTA3, "-q", "-e", "-f", "-9", *options, "-s", "reference.bin", name, "delta"]
        subprocess.run(command, cwd=top, check=True, capture_output=True, timeout=60)
        return (top / "delta").read_bytes()


def by_cli(
    prefix: str, objects: Mapping[str, bytes], direct: Mapping[str, bytes] | None = None
) -> list[Stored]:
    """What `deltaglider cp` leaves in a bucket: the first object is the reference, and a delta as well."""
    first = next(iter(objects.values()))
    common = {"dg-tool": "deltaglider/6.2.0", "dg-created-at": f"{CREATED}+00:00Z"}
    reference = {
        **common,
        "dg-source-name": next(iter(objects)),
        "dg-file-sha256": sha256(first),
        "dg-note": "reference",
    }
    stored = [Stored(f"{prefix}reference.bin", first, reference)]
    for name, data in objects.items():
        delta = encoded(first, data, name=name)
        said = {
            **common,
            "dg-original-name": name,
            "dg-file-sha256": sha256(data),
            "dg-file-size": str(len(data)),
            "dg-ref-key": f"{prefix}reference.bin",
            "dg-ref-sha256": sha256(first),
            "dg-delta-size": str(len(delta)),
            "dg-delta-cmd": f"xdelta3 -e -9 -s reference.bin {name} {name}.delta",
        }
        if data is first:
            said["dg-note"] = "zero-diff (reference identical)"
        stored.append(Stored(f"{prefix}{name}.delta", delta, said))
    for name, data in (direct or {}).items():
        said = {
            **common,
            "dg-original-name": name,
            "dg-file-sha256": sha256(data),
            "dg-file-size": str(len(data)),
            "dg-compression": "none",
        }
        stored.append(Stored(prefix + name, data, said))
    return stored


def by_proxy(
    prefix: str,
    objects: Mapping[str, bytes],
    direct: Mapping[str, bytes] | None = None,
    *options: str,
    suffix: str = "",
    user: Mapping[str, str] | None = None,
) -> list[Stored]:
    """What DeltaGlider Proxy leaves; `suffix` is that of whole objects, `options` are for xdelta3."""
    first = next(iter(objects.values()))
    stored = [
        _record(
            f"{prefix}reference.bin", first, "reference.bin", first, {"note": "reference", "source_name": "x"}
        )
    ]
    for name, data in objects.items():
        delta = encoded(first, data, *options, name=name)
        how = {
            "note": "delta",
            "ref_path": "reference.bin",
            "ref_sha256": sha256(first),
            "delta_size": len(delta),
            "delta_cmd": "xdelta3 -e -9",
        }
        stored.append(_record(f"{prefix}{name}.delta", delta, name, data, how, user))
    for name, data in (direct or {}).items():
        note = {"note": "direct" if suffix else "passthrough"}
        stored.append(_record(f"{prefix}{name}{suffix}", data, name, data, note, user))
    return stored


def _record(
    key: str,
    stored: bytes,
    name: str,
    data: bytes,
    how: Mapping[str, Any],
    user: Mapping[str, str] | None = None,
) -> Stored:
    record = {
        "tool": "deltaglider_proxy/0.9.0",
        "original_name": name,
        "file_sha256": sha256(data),
        "file_size": len(data),
        "md5": hashlib.md5(data).hexdigest(),
        "created_at": f"{CREATED}789Z",
        "content_type": "application/x-thing",
        "user_metadata": dict(user or {}),
        **how,
    }
    spelled = {
        f"dg-{name.replace('_', '-')}": str(value)
        for name, value in record.items()
        if name not in ("user_metadata", "content_type")
    }
    spelled |= {"content-type": "application/x-thing"}
    spelled |= {f"user-{name}": value for name, value in (user or {}).items()}
    return Stored(key, stored, spelled, record)


def without(stored: Iterable[Stored], *names: str) -> list[Stored]:
    """The same, with nothing said of those whose keys end like that."""
    return [replace(each, metadata={}, record={}) if each.key.endswith(names) else each for each in stored]


# -- into places -------------------------------------------------------------------------------------------


def into_sidecars(top: Path, stored: Iterable[Stored]) -> None:
    """Files, and `<file>.meta` beside each of which something is said."""
    for each in stored:
        path = top / each.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(each.data)
        if each.record:
            Path(f"{path}.meta").write_text(json.dumps(each.record, indent=2))


def into_attributes(top: Path, stored: Iterable[Stored]) -> None:
    """Files with extended attributes. OSError where there are none."""
    for each in stored:
        path = top / each.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(each.data)
        if each.record:
            os.setxattr(path, "user.dg.metadata", json.dumps(each.record).encode())


def into_bucket(s3: Any, bucket: str, stored: Iterable[Stored]) -> None:
    """Objects with user metadata, by a boto3 client."""
    for each in stored:
        s3.put_object(Bucket=bucket, Key=each.key, Body=each.data, Metadata=each.metadata)
