# SPDX-License-Identifier: GPL-2.0-only
"""Keys that have broken stores of this kind, by hand and by hypothesis; every one is a legal S3 key."""

from hypothesis import strategies as st

#: S3's limit on a key, in bytes of UTF-8 (S3 user guide, "Creating object key names").
LONGEST = 1024

ODD = [
    "a",
    "a/b",
    "a/",
    "a//b",
    "a/./b",
    "a/../b",
    "a.meta",
    "a.meta/b",
    "a.meta/",
    "a.meta.meta",
    "a.json/x.json",
    "a.delta/b",
    "a.bin/b",
    "a.pin/b",
    "a.zst/b",
    "a.met%61/b",
    ".meta",
    ".meta/.meta",
    ".",
    "..",
    "...",
    "./",
    "../",
    "../../../../etc/passwd",
    "/",
    "//",
    "///",
    "/a",
    "//a",
    "/./",
    ".hidden",
    ".hidden/x",
    "~",
    "%",
    "%%",
    "%~",
    "%~/a",
    "%2F",
    "a%2Fb",
    "%25",
    "%/",
    "%00",
    "\x00",
    "a\x00b",
    "\x01\x1f\x7f",
    "new\nline",
    "tab\t",
    " ",
    " a ",
    "a b+c&d=e?f#g",
    "back\\slash",
    "*?[a]'\"`$;|<>",
    "-rf",
    "é",
    "e\u0301",
    "日本語/版.zip",
    "\u0085\u202e",
    "\ud7ff",
    "\ufffe\uffff",
    "\U0001f600",
    "\U0010ffff",
    "CON",
    "A",
    "b" * 237,
    "b" * 238,
    "b" * 238 + "/",
    "b" * 238 + "/c",
    "b" * 238 + ".meta",
    "b" * 239,
    "b" * 255,
    "b" * 256,
    "b" * 476,
    "b" * 476 + "/",
    "b" * LONGEST,
    "b" * (LONGEST - 2) + "/c",
    "é" * 118 + "c",
    "é" * 119,
    "é" * (LONGEST // 2),
    "\x01" * LONGEST,
    "%" * LONGEST,
    "/" * LONGEST,
    "./" * 100,
    "c/" * 100,
]

_PIECES = [
    *["a", "b", "a", "b", "/", "/", "/", "//", ".", "..", "-", "0", "~", "%", "%~", "%2F", "%41"],
    *[".meta", ".json", ".bin", ".delta", "meta", " ", "\n", "\x00", "\x7f", "é", "\ue000", "\uffff", "😀"],
    *["c" * 237, "c" * 119, "é" * 119, "\x01" * 79],
]


def texts(max_pieces: int = 6) -> st.SearchStrategy[str]:
    """Text with the shapes that matter to a key, a prefix or a delimiter; may be empty."""
    pieces = st.lists(st.sampled_from(_PIECES), max_size=max_pieces).map("".join)
    crowded = st.text("ab/-", max_size=5)
    anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    return st.one_of(pieces, crowded, anything).filter(lambda text: len(text.encode()) <= LONGEST)


def keys() -> st.SearchStrategy[str]:
    """Keys of objects."""
    return texts().filter(bool)
