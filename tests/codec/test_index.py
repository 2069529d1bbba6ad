# SPDX-License-Identifier: GPL-2.0-only
import mmap
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.codec.delta import (
    WINDOW_MAX,
    CodecError,
    CorruptDelta,
    Decoder,
    Encoder,
    SourceIndex,
    decode_window,
    difference,
    encode_window,
    window_view,
)
from tests.codec.material import decode


@pytest.fixture
def source() -> bytes:
    return random.Random(11).randbytes(3 << 20)


def test_similarity(source: bytes) -> None:
    index = SourceIndex.build(source)
    other = random.Random(12).randbytes(1 << 20)
    assert index.similarity(source[12345 : 12345 + (1 << 20)]) > 0.95
    assert index.similarity(other) == 0.0
    assert 0.4 < index.similarity(source[: 1 << 19] + other[: 1 << 19]) < 0.6
    assert index.similarity(b"") == 0.0
    assert index.similarity(bytes(1 << 20)) == 0.0
    assert SourceIndex.build(b"").similarity(other) == 0.0


@pytest.mark.parametrize("max_memory", [1 << 30, 30_000])
@pytest.mark.parametrize("places", [1, 2, 7, 60, 240, 1024])
def test_similarity_at_few_places(source: bytes, max_memory: int, places: int) -> None:
    """However few, they are spread over all of the sample."""
    index = SourceIndex.build(source, max_memory=max_memory)
    other = random.Random(12).randbytes(1 << 20)
    same = source[12345 : 12345 + (1 << 20)]
    assert index.similarity(same, places) > 0.95
    assert index.similarity(other, places) == 0.0
    if places > 2:
        halves = (same[: 1 << 19], other[: 1 << 19])
        for half in (b"".join(halves), b"".join(reversed(halves))):
            assert index.similarity(half, places) == pytest.approx(0.5, abs=1 / places + 0.03)


def test_similarity_counts_each_place(source: bytes) -> None:
    """What is found moves by one place's share at a time, and never past the number asked for."""
    index = SourceIndex.build(source)
    sample = bytearray(random.Random(13).randbytes(1 << 20))
    seen = set()
    for at in range(0, len(sample), 1 << 16):
        sample[at : at + (1 << 16)] = source[at : at + (1 << 16)]
        seen.add(round(index.similarity(sample, 16) * 16, 6))
    assert seen <= {float(number) for number in range(17)}
    assert max(seen) == 16


def test_similarity_wants_a_place(source: bytes) -> None:
    with pytest.raises(ValueError, match="VCD_E_ARGUMENT"):
        SourceIndex.build(source).similarity(source, 0)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_difference(one: bytes, other: bytes) -> None:
    if len(one) != len(other):
        with pytest.raises(ValueError, match="no difference"):
            difference(one, other)
    size = min(len(one), len(other))
    one, other = one[:size], other[:size]
    assert difference(one, other) == bytes((a - b) % 256 for a, b in zip(one, other, strict=True))


def test_progress_sees_the_source_once_in_order(source: bytes) -> None:
    seen = bytearray()
    SourceIndex.build(source, progress=seen.extend).close()
    assert seen == source


def test_an_error_in_progress_ends_the_build() -> None:
    def refuse(_: memoryview) -> None:
        raise OSError("damaged")

    data = bytearray(5000)
    with pytest.raises(OSError, match="damaged"):
        SourceIndex.build(data, progress=refuse)
    data.extend(b"no longer exported")


def test_memory_is_bounded(source: bytes) -> None:
    index = SourceIndex.build(source)
    assert index.nbytes < len(source) * 0.35
    small = SourceIndex.build(source, max_memory=20_000)
    assert small.nbytes <= 20_000
    target = source[1_000_000:2_000_000]
    assert len(encode_window(small, target)) < 10_000
    with pytest.raises(ValueError, match="no index of"):
        SourceIndex.build(source, max_memory=10)


def test_a_long_source_has_fewer_blocks() -> None:
    long = mmap.mmap(-1, (80 << 20) + 1, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    target = random.Random(4).randbytes(1 << 20)
    long[50 << 20 : 51 << 20] = target
    with memoryview(long)[:-1] as shorter:
        just_not = SourceIndex.build(shorter)
        assert len(encode_window(just_not, target)) < 100
        finer = just_not.nbytes
        just_not.close()
    index = SourceIndex.build(long)
    assert len(encode_window(index, target)) < 100
    assert index.nbytes < 0.51 * finer
    index.close()
    long.close()


def test_a_compressed_source_has_fewer_blocks() -> None:
    text = b"".join(b"%d: %r\n" % (n, random.Random(n).random()) for n in range(300_000))
    packed = random.Random(5).randbytes(len(text))
    for source, share in ((text, 4), (packed, 8), (packed[: 1 << 20], 4), (packed + 2 * text, 4)):
        index = SourceIndex.build(source)
        assert share - 0.1 < len(source) / index.nbytes <= share
        assert len(encode_window(index, source[500_000:700_000])) < 100
        index.close()


def test_seed_makes_deltas_reproducible(source: bytes) -> None:
    target = source[7:400_000] + b"new" + source[300_000:]
    one, two = (SourceIndex.build(source, seed=5) for _ in range(2))
    assert encode_window(one, target) == encode_window(two, target)


@pytest.fixture
def mapped(tmp_path: Path, source: bytes) -> Iterator[mmap.mmap]:
    path = tmp_path / "source"
    path.write_bytes(source)
    with path.open("rb") as file:
        yield mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def test_a_mapped_source_can_be_closed(mapped: mmap.mmap) -> None:
    index = SourceIndex.build(mapped)
    window = encode_window(index, mapped[100:90_000])
    assert decode_window(mapped, window, 89_900) == mapped[100:90_000]
    with pytest.raises(BufferError):
        mapped.close()
    index.close()
    index.close()
    with pytest.raises(ValueError, match=r"closed|released"):
        encode_window(index, b"x")
    with pytest.raises(ValueError, match=r"closed|released"):
        index.similarity(b"x")
    mapped.close()


def test_nothing_is_held_between_windows(mapped: mmap.mmap) -> None:
    index = SourceIndex.build(mapped)
    with pytest.raises(ValueError, match="VCD_E_ARGUMENT"):
        encode_window(index, bytes(WINDOW_MAX + 1))
    with pytest.raises(KeyError), window_view(index, mapped[:5000]):
        raise KeyError
    encode_window(index, mapped[:5000])
    index.close()
    mapped.close()


def test_room_is_used_again_for_other_sources(source: bytes) -> None:
    old, new = source[:700_000], source[300_000:]
    with ThreadPoolExecutor(1) as alone:
        first, second = (SourceIndex.build(data, seed=3) for data in (old, new))
        expected = [alone.submit(encode_window, index, source).result() for index in (second, first, None)]
    assert [encode_window(index, source) for index in (second, first, None)] == expected
    with window_view(first, source) as outer, window_view(second, source) as inner:
        assert [inner, outer] == expected[:2]


def test_streams_hold_their_source(mapped: mmap.mmap) -> None:
    index = SourceIndex.build(mapped)
    encoder = Encoder(index)
    with pytest.raises(BufferError):
        index.close()
    delta = encoder.update(mapped[:5000]) + encoder.finish()
    index.close()
    decoder = Decoder(mapped, 5000)
    with pytest.raises(BufferError):
        mapped.close()
    assert decoder.update(delta) == mapped[:5000]
    decoder.finish()
    mapped.close()


def test_a_damaged_index_costs_only_size(source: bytes) -> None:
    rng = random.Random(1)
    target = source[10:600_000] + rng.randbytes(1000) + source[500_000:1_000_000]
    for damage in (rng.randbytes, lambda size: b"\xff" * size, lambda size: b"\x01\0\0\0" * (size // 4)):
        index = SourceIndex.build(source)
        index._memory[64:] = damage(index.nbytes - 64)
        assert decode_window(source, encode_window(index, target), len(target)) == target


def test_a_saved_index_is_used_where_it_lies(source: bytes, tmp_path: Path) -> None:
    index = SourceIndex.build(source)
    target = source[77:300_000] + b"new" + source[290_000:900_000]
    expected = encode_window(index, target)
    path = tmp_path / "index"
    with index.image as image:
        assert len(image) == index.nbytes
        path.write_bytes(image)
    index.close()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        again = SourceIndex.open(source, mapped)
        assert encode_window(again, target) == expected
        again.close()


def test_only_an_index_of_this_source_can_be_opened(source: bytes) -> None:
    index = SourceIndex.build(source)
    image = bytes(index.image)
    assert SourceIndex.open(source, image).nbytes == len(image)
    longer = source + b"x" * 32
    for other, saved in ((longer, image), (source, image[:-1]), (source, image + b"x"), (source, image[:20])):
        with pytest.raises(CodecError) as caught:
            SourceIndex.open(other, saved)
        assert caught.value.code == "VCD_E_INDEX"
        assert not isinstance(caught.value, CorruptDelta)
    for size in range(64):
        with pytest.raises(CodecError):
            SourceIndex.open(source, image[:size])


def test_an_index_of_something_else_is_refused(source: bytes) -> None:
    index = SourceIndex.build(source)
    for at in (0, 8, 12, 16, 32):  # magic, version, byte order, source size, stride
        index._memory[at] ^= 1
        with pytest.raises(Exception, match="VCD_E_INDEX"):
            encode_window(index, b"x")
        index._memory[at] ^= 1
    assert encode_window(index, b"x")


def test_one_index_many_threads(source: bytes) -> None:
    index = SourceIndex.build(source, seed=3)
    targets = [source[i * 1000 : i * 1000 + 700_000] + bytes([i]) * 50 for i in range(16)]
    expected = [encode_window(index, target) for target in targets]
    results: dict[int, bytes] = {}

    def work(number: int) -> None:
        window = encode_window(index, targets[number])
        assert decode_window(source, window, len(targets[number])) == targets[number]
        results[number] = window

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [results[number] for number in range(16)] == expected


def test_one_stream_two_threads_is_an_error(source: bytes) -> None:
    """The second caller gets RuntimeError as long as the first is inside; the stream goes on unharmed."""
    index = SourceIndex.build(source)
    encoder = Encoder(index)
    target = random.Random(4).randbytes(1 << 20) * 24
    inside = threading.Event()
    delta = []

    def first() -> None:
        inside.set()
        delta.append(encoder.update(target))

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait()
    refused = 0
    while thread.is_alive() and not refused:
        try:
            encoder.update(b"")
        except RuntimeError:
            refused += 1
    thread.join()
    assert refused
    assert decode(source, delta[0] + encoder.finish()) == target
