# SPDX-License-Identifier: GPL-2.0-only
"""Where things stand inside a bucket of the backend: the only place that makes storage keys.

Manifest keys are the object keys under one fixed prefix, so a backend listing is an S3 listing. A blob's name
carries a readable piece of its object's name for the person who looks at the storage; nothing that must be
right depends on that piece. What the names of blobs say is read in `engine.names`; `docs/STORAGE_FORMAT.md`
shows the layout.
"""

import re

OBJECTS = "objects/"
UPLOADS = "uploads/"
CONFIG = "config/"
STATISTICS = "statistics/"
LEDGERS = "ledgers/"
RUNS = "runs/"
SPACES = "deltaspaces/"

#: The bucket's own record. The settings beside it have names of their own.
BUCKET = f"{CONFIG}bucket.json"

#: Long enough to recognise a file, short enough for any file system after ids and suffixes.
_NAME_LENGTH = 80
_UNREADABLE = re.compile(r"[^A-Za-z0-9._+@=-]+")


def manifest(key: str) -> str:
    """The manifest of an object."""
    return OBJECTS + key


def object_key(manifest_key: str) -> str:
    """The object a manifest key belongs to."""
    return manifest_key.removeprefix(OBJECTS)


def space_of(key: str) -> str:
    """The deltaspace of a key as a prefix: all up to and including the last '/', '' at the top."""
    return key[: key.rfind("/") + 1]


def readable(key: str) -> str:
    """The piece of an object's name that stands in the names of its blobs."""
    return _UNREADABLE.sub("_", name_of(key))[-_NAME_LENGTH:]


def name_of(key: str) -> str:
    """The last piece of any key."""
    return key[key.rfind("/") + 1 :]


def references(space: str) -> str:
    """The record that lists what a deltaspace offers to new objects."""
    return f"{SPACES}{space}references.json"


def hint(space: str, digest: str) -> str:
    """The record that names an object with these bytes."""
    return f"{SPACES}{space}{digest}.json"


def reference(space: str, reference_id: str, suffix: str) -> str:
    """A reference's blob; `suffix` is its codec's."""
    return f"{SPACES}{space}{reference_id}.reference{suffix}"


def users_of(space: str, reference_id: str) -> str:
    """The prefix shared by every delta and pin that needs a reference, and by nothing else."""
    return f"{SPACES}{space}{reference_id}-"


def pin(key: str, reference_id: str, blob_id: str) -> str:
    """The empty blob that keeps a reference for an object whose bytes it is."""
    return f"{users_of(space_of(key), reference_id)}{blob_id}-{readable(key)}.pin"


def delta(key: str, reference_id: str, blob_id: str, suffix: str) -> str:
    """A delta's blob; `suffix` is its codec's."""
    return f"{users_of(space_of(key), reference_id)}{blob_id}-{readable(key)}{suffix}"


def whole(key: str, blob_id: str, suffix: str) -> str:
    """The blob of bytes stored whole for one object; `suffix` is its codec's."""
    return f"{SPACES}{space_of(key)}{blob_id}-{readable(key)}{suffix}"


def raw_reference(space: str, reference_id: str) -> str:
    """A reference of which only the id is known, by the name it has when stored raw: see `names.stem`."""
    return reference(space, reference_id, ".bin")


def blob_named(space: str, name: str) -> str:
    """The blob of this name in a deltaspace."""
    return f"{SPACES}{space}{name}"


def statistics(space: str) -> str:
    """The record of what a deltaspace holds. Its room is its own, so that all are found without the blobs."""
    return f"{STATISTICS}{space}statistics.json"


def space_of_statistics(place: str) -> str:
    """The deltaspace such a record is about."""
    return space_of(place.removeprefix(STATISTICS))


def ledger(process: str) -> str:
    """The record that says: a process has statistics of this bucket in memory."""
    return f"{LEDGERS}{process}.json"


def running(command: str) -> str:
    """The record of a command that works on the bucket at this moment."""
    return f"{RUNS}{command}.running.json"


def last_run(command: str) -> str:
    """The record of how a command ended when it last ran."""
    return f"{RUNS}{command}.json"


def setting(name: str) -> str:
    """What a client configured of a bucket."""
    return f"{CONFIG}{name}.json"


def upload(upload_id: str) -> str:
    """The state of a multipart upload."""
    return f"{UPLOADS}{upload_id}/upload.json"


def parts(upload_id: str) -> str:
    """The prefix of an upload's part records."""
    return f"{UPLOADS}{upload_id}/parts/"


def part(upload_id: str, number: int) -> str:
    """One part's record; five digits, so that listing order is part order (S3 allows 1 to 10000)."""
    return f"{parts(upload_id)}{number:05d}.json"
