# SPDX-License-Identifier: GPL-2.0-only
"""What DeltaGlider says of its files is understood in every spelling, and nobody else's is taken for it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.migration import deltaglider
from dgproxy.migration.places import Unreadable

SHA = "ab" * 32


def headers(**metadata: str) -> dict[str, str]:
    return {f"x-amz-meta-{name.replace('_', '-')}": value for name, value in metadata.items()}


def test_metadata_of_the_cli() -> None:
    said = deltaglider.in_metadata(
        headers(
            dg_tool="deltaglider/6.2.0",
            dg_original_name="v2.zip",
            dg_file_sha256=SHA.upper(),
            dg_file_size="12",
            dg_created_at="2024-03-05T06:07:08.5+00:00Z",
            dg_ref_key="app/reference.bin",
            dg_ref_sha256=SHA,
        )
        | {"content-type": "application/octet-stream", "cache-control": "no-cache"}
    )
    assert said is not None
    assert (said.sha256, said.size, said.created) == (SHA, 12, 1_709_618_828_500)
    assert (said.reference, said.reference_sha256) == ("app/reference.bin", SHA)
    assert said.headers == {"cache-control": "no-cache"}, "the type was that of the delta"


@pytest.mark.parametrize(("prefix", "dash"), [("", "-"), ("", "_"), ("dg_", "_"), ("dg-", "-")])
def test_early_spellings(prefix: str, dash: str) -> None:
    names = {"tool": "deltaglider/1", "file-sha256": SHA, "compression": "none"}
    spelled = {name.replace("-", dash): value for name, value in names.items()}
    said = deltaglider.in_metadata({f"x-amz-meta-{prefix}{name}": value for name, value in spelled.items()})
    assert said is not None
    assert said.sha256 == SHA
    assert not said.headers


def test_users_metadata_is_kept() -> None:
    said = deltaglider.in_metadata(
        headers(dg_tool="deltaglider_proxy/1", dg_file_sha256=SHA, user_build="7", branch="main", dg_md5="x")
        | {"x-amz-meta-content-type": "text/plain"}
    )
    assert said is not None
    assert said.headers == {
        "content-type": "text/plain",
        "x-amz-meta-build": "7",
        "x-amz-meta-branch": "main",
    }


@pytest.mark.parametrize(
    "found",
    [{}, headers(file_sha256=SHA), headers(tool="hammer", file_sha256=SHA), headers(dg_tool="deltaglider")],
)
def test_metadata_of_others(found: dict[str, str]) -> None:
    assert deltaglider.in_metadata(found) is None


@pytest.mark.parametrize(
    "wrong", [{"dg_file_sha256": "zz"}, {"dg_file_size": "-1"}, {"dg_file_size": "many"}]
)
def test_nonsense_is_not_guessed_at(wrong: dict[str, str]) -> None:
    with pytest.raises(Unreadable):
        deltaglider.in_metadata(headers(**{"dg_tool": "deltaglider", "dg_file_sha256": SHA} | wrong))


def test_json_of_the_proxy() -> None:
    record = {
        "tool": "deltaglider_proxy/0.3",
        "file_sha256": SHA,
        "file_size": 5,
        "created_at": "2024-03-05T06:07:08.123456789Z",
        "content_type": "text/plain",
        "note": "delta",
        "ref_key": "app/reference.bin",
        "ref_sha256": SHA,
        "user_metadata": {"Build": "7", "dg-encrypted": "aes-256-gcm-v1"},
    }
    said = deltaglider.in_json(json.dumps(record).encode())
    assert said is not None
    assert said.headers == {"content-type": "text/plain", "x-amz-meta-build": "7"}
    assert (said.created, said.reference, said.encrypted) == (1_709_618_828_123, "app/reference.bin", True)


@given(
    st.binary()
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda x: json.dumps(x).encode())
)
def test_any_bytes_are_json_of_somebody_else(data: bytes) -> None:
    assert deltaglider.in_json(data) is None


@given(
    st.dictionaries(
        st.sampled_from(["file_sha256", "file_size", "created_at", "user_metadata", "note", "ref_sha256"]),
        st.none() | st.integers() | st.text(max_size=70) | st.lists(st.integers()) | st.just(SHA),
    )
)
def test_any_record_of_theirs_is_read_or_refused(record: dict[str, object]) -> None:
    try:
        assert deltaglider.in_json(json.dumps({"tool": "deltaglider", **record}).encode()) is not None
    except Unreadable:
        return


@pytest.mark.parametrize(
    ("key", "is_internal"),
    [
        ("a/.dg-tmp.x1", True),
        (".tmpAb3xY9", True),
        (".dg/facts/a/b!!1.e.1.2.e", True),
        ("a/.tmpAb3xY9.zip", False),
        ("a/.env", False),
        ("x.dg/facts/y", False),
    ],
)
def test_what_is_no_object(key: str, *, is_internal: bool) -> None:
    assert deltaglider.internal(key, anyone=True) == is_internal


def test_a_name_that_might_be_anybodys() -> None:
    assert not deltaglider.internal("a/.tmpAb3xY9", anyone=False)
