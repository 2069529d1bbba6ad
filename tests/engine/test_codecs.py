# SPDX-License-Identifier: GPL-2.0-only
"""Codecs of extents: whatever an object is stored in, and whoever stored it, it reads back."""

import base64
import hashlib
import json
from contextlib import suppress
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.codec.delta import FILE_HEADER, CodecError, SourceIndex, encode_window
from dgproxy.codec.forms import Form
from dgproxy.engine import codecs, keys
from dgproxy.engine.manifest import WINDOW, Codec, Window
from dgproxy.storage.backend import Backend
from tests.engine.material import noise, version
from tests.engine.world import BUCKET, POLICY, world_over

SIZE = 60_000

ALL: tuple[Codec, ...] = get_args(Codec)
SOURCE = noise(40_000)


def test_names_and_suffixes_are_told_apart() -> None:
    assert [codecs.coding(codec).codec for codec in ALL] == list(ALL)
    suffixes = [codecs.coding(codec).suffix for codec in ALL]
    assert len(set(suffixes)) == len(ALL)
    assert [codec for codec in ALL if codecs.coding(codec).is_delta] == [form.value for form in Form]


@pytest.mark.parametrize("codec", ALL)
@given(data=st.data())
def test_a_window_comes_back(codec: Codec, data: st.DataObject) -> None:
    coding = codecs.coding(codec)
    cut = data.draw(st.integers(0, len(SOURCE)))
    window = SOURCE[cut : cut + data.draw(st.integers(0, 20_000))] + data.draw(st.binary(max_size=200))
    index = SourceIndex.build(SOURCE, seed=1)
    stored = coding.encode(memoryview(window), index, 0)
    assert bytes(coding.decode(bytes(stored), len(window), index.source)) == window
    index.close()


@pytest.mark.parametrize("codec", [codec for codec in ALL if codec != "raw"])
@given(data=st.data())
def test_a_damaged_window_is_an_error_or_has_its_length(codec: Codec, data: st.DataObject) -> None:
    """What is wrong is either said or found by the SHA-256 of exactly that many bytes."""
    coding = codecs.coding(codec)
    index = SourceIndex.build(SOURCE, seed=1)
    stored = bytearray(coding.encode(memoryview(SOURCE[:9000] + noise(500, 1)), index, 0))
    for _ in range(data.draw(st.integers(1, 3))):
        stored[data.draw(st.integers(0, len(stored) - 1))] ^= data.draw(st.integers(1, 255))
    kept = data.draw(st.integers(0, len(stored)))
    with suppress(CodecError):
        assert len(coding.decode(bytes(stored[:kept]), 9500, index.source)) <= 9500
    index.close()


@pytest.mark.parametrize("codec", [form.value for form in Form])
def test_a_delta_without_its_reference_is_an_error(codec: Codec) -> None:
    with pytest.raises(CodecError):
        codecs.coding(codec).decode(b"anything", 10, None)


@pytest.mark.parametrize("size", [SIZE, 2 * WINDOW + 77])
async def test_every_form_is_read_whatever_is_written(backend: Backend, size: int) -> None:
    """The setting says what new deltas are stored in; servers that differ in it share their storage."""
    async with world_over(backend) as world:
        await world.put("s/v0.zip", version(size, 0))
    for number, form in enumerate(Form, 1):
        async with world_over(backend, replace(POLICY, delta_form=form)) as world:
            stored = await world.put(f"s/v{number}.zip", version(size, number))
            (extent,) = stored.extents
            assert (stored.storage, extent.codec) == ("delta", form.value)
            assert extent.blob.endswith(codecs.coding(extent.codec).suffix)
            assert await world.decode_stored(stored) == version(size, number)
    for form in Form:
        async with world_over(backend, replace(POLICY, delta_form=form)) as world:
            for number in range(len(Form) + 1):
                await world.assert_object(f"s/v{number}.zip", version(size, number))
                source = await world.head(f"s/v{number}.zip")
                copied = await world.copy(f"s/v{number}.zip", "s/copy.zip")
                assert copied.extents == source.extents
                await world.assert_object("s/copy.zip", version(size, number))
            odd = version(size // 3, 1) + noise(size, 5)
            assert (await world.put("s/odd.zip", odd)).storage == "direct"
            await world.assert_object("s/odd.zip", odd)
            await world.delete("s/odd.zip")
            await world.assert_exact()
    async with world_over(backend) as world:
        for key in await world.listed():
            await world.delete(key)
        await world.assert_clean()


async def test_what_the_first_version_stored(backend: Backend) -> None:
    """Manifests and blobs as they were before there were other forms than `vcdiff`, byte for byte."""
    reference, target = version(SIZE, 0), version(SIZE, 1)
    ids = ["01JAAAAAAAAAAAAAAAAAAAAAA0", "01JAAAAAAAAAAAAAAAAAAAAAA1", "01JAAAAAAAAAAAAAAAAAAAAAA2"]
    index = SourceIndex.build(reference)
    window = encode_window(index, target)
    index.close()
    blob = f"deltaspaces/s/{ids[0]}-{ids[1]}-v1.zip.delta"
    content = {
        "format": 1,
        "key": "s/v1.zip",
        "generation": ids[2],
        "size": len(target),
        "etag": hashlib.md5(target).hexdigest(),
        "created": 1_700_000_000_000,
        "storage": "delta",
        "extents": [
            {
                "blob": blob,
                "codec": "vcdiff",
                "length": len(target),
                "stored": len(FILE_HEADER) + len(window),
                "windows": [[len(target), len(FILE_HEADER), len(window), _base64(target)]],
                "reference": {
                    "id": ids[0],
                    "blob": f"deltaspaces/s/{ids[0]}.reference.bin",
                    "length": len(reference),
                    "sha256": hashlib.sha256(reference).hexdigest(),
                },
            }
        ],
    }
    text = json.dumps(content, separators=(",", ":"))[:-1].encode()
    record = text + b',"check":"' + hashlib.sha256(text).hexdigest().encode() + b'"}'
    async with world_over(backend) as world:
        await world.overwrite_blob(f"deltaspaces/s/{ids[0]}.reference.bin", reference)
        await world.overwrite_blob(blob, FILE_HEADER + window)
        await backend.write_record(BUCKET, keys.manifest("s/v1.zip"), record)
        await world.assert_object("s/v1.zip", target)
        manifest = await world.head("s/v1.zip")
        expected = Window(len(target), len(FILE_HEADER), len(window), hashlib.sha256(target).digest())
        assert manifest.extents[0].windows == (expected,)
        await world.delete("s/v1.zip")
        await world.assert_clean()


def _base64(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()
