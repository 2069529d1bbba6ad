# SPDX-License-Identifier: GPL-2.0-only
"""Records: what goes in comes out, and nothing else ever does."""

import json
import string
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.engine import record
from dgproxy.engine.errors import ObjectDamaged
from dgproxy.engine.manifest import FORMAT, Attributes, Codec, Extent, Manifest, Part, Reference, Window

texts = st.text(st.characters(codec="utf-8"), max_size=20)
sizes = st.integers(0, 1 << 45)
digests = st.text(string.hexdigits.lower(), min_size=64, max_size=64)
names = st.dictionaries(texts, texts, max_size=3)
references = st.builds(Reference, id=texts, blob=texts, length=sizes, sha256=digests)
windows = st.builds(
    Window, length=sizes, offset=sizes, stored=sizes, sha256=st.binary(min_size=32, max_size=32)
)
extents = st.builds(
    Extent,
    blob=texts,
    codec=st.sampled_from(get_args(Codec)),
    length=sizes,
    stored=sizes,
    windows=st.lists(windows, max_size=3).map(tuple),
    reference=st.none() | references,
)
manifests = st.builds(
    Manifest,
    format=st.just(FORMAT),
    key=texts,
    generation=texts,
    size=sizes,
    etag=texts,
    created=sizes,
    storage=st.sampled_from(["delta", "direct"]),
    sha256=st.none() | digests,
    checksums=names,
    checksum_type=st.sampled_from(["FULL_OBJECT", "COMPOSITE"]),
    attributes=st.builds(Attributes, headers=names, metadata=names, tags=names),
    parts=st.lists(st.builds(Part, number=sizes, size=sizes, checksums=names), max_size=2).map(tuple),
    upload=st.none() | texts,
    inline=st.none() | st.binary(max_size=40),
    extents=st.lists(extents, max_size=2).map(tuple),
    pins=st.lists(texts, max_size=2).map(tuple),
)

SAMPLE = Manifest(
    format=FORMAT, key="a/b.zip", generation="G", size=3, etag="e", created=1, storage="direct", inline=b"abc"
)


@given(manifests)
def test_round_trip(manifest: Manifest) -> None:
    data = record.encode(manifest)
    assert record.decode(data, Manifest, "it") == manifest
    assert json.loads(data)["key"] == manifest.key  # plain JSON for anybody's tool


def test_every_flipped_bit_is_found() -> None:
    data = record.encode(SAMPLE)
    for bit in range(len(data) * 8):
        broken = bytearray(data)
        broken[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ObjectDamaged, match="it"):
            record.decode(bytes(broken), Manifest, "it")


def test_every_truncation_is_found() -> None:
    data = record.encode(SAMPLE)
    for length in range(len(data)):
        for broken in (data[:length], data[length + 1 :]):
            with pytest.raises(ObjectDamaged):
                record.decode(broken, Manifest, "it")
    for tail in (b"\n", b"\0", b"}", data):
        with pytest.raises(ObjectDamaged):
            record.decode(data + tail, Manifest, "it")


@given(st.binary(max_size=300))
def test_garbage_is_damage(data: bytes) -> None:
    with pytest.raises(ObjectDamaged):
        record.decode(data, Manifest, "it")


def test_unknown_format_is_refused() -> None:
    newer = msgspec.structs.replace(SAMPLE, format=2)
    with pytest.raises(ObjectDamaged, match="newer version"):
        record.decode(record.encode(newer), Manifest, "it")


def test_another_kind_of_record_is_refused() -> None:
    with pytest.raises(ObjectDamaged):
        record.decode(record.encode(Reference("i", "b", 1, "s")), Manifest, "it")
