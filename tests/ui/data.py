# SPDX-License-Identifier: GPL-2.0-only
"""What the tests look at: made-up releases that change a little from one to the next, and other files."""

import hashlib
import random
from typing import Any

BUCKET = "releases"
VERSIONS = 16
#: Bytes of a version.
SIZE = 1_500_000

#: A picture of one pixel (PNG).
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d4944415478da63fccf50bf1f0006020281d6a6b4c80000000049454e44ae426082"
)


def noise(seed: str, size: int) -> bytes:
    """Bytes that nothing compresses, the same for the same seed."""
    return random.Random(hashlib.sha256(seed.encode()).digest()).randbytes(size)


def version(number: int) -> bytes:
    """A release: each has a few places changed from the one before."""
    data = bytearray(noise("release", SIZE))
    for each in range(1, number):
        chance = random.Random(each)
        for _ in range(12):
            at = chance.randrange(SIZE - 4000)
            data[at : at + 2000] = chance.randbytes(2000)
    return bytes(data)


def fill(s3: Any) -> None:
    """Store it all."""
    s3.create_bucket(Bucket=BUCKET)
    for number in range(1, VERSIONS + 1):
        s3.put_object(Bucket=BUCKET, Key=f"app/app-1.{number:02d}.zip", Body=version(number))
    s3.put_object(
        Bucket=BUCKET, Key="app/CHANGELOG.md", Body=b"# Changes\n\n- many\n", ContentType="text/markdown"
    )
    s3.put_object(
        Bucket=BUCKET,
        Key="app/manifest.json",
        Body=b'{"name":"app","sizes":[1,2]}',
        ContentType="application/json",
        Metadata={"build": "4711"},
        CacheControl="max-age=60",
        Tagging="team=core&stage=test",
    )
    s3.put_object(Bucket=BUCKET, Key="app/logo.png", Body=PIXEL, ContentType="image/png")
    for number in range(4):
        s3.put_object(
            Bucket=BUCKET, Key=f"nightly/build-{number}.zip", Body=noise(f"nightly {number}", 300_000)
        )
    s3.put_object(Bucket=BUCKET, Key="odd/ü & ?#%/+ key.txt", Body=b"odd")
    s3.put_object(Bucket=BUCKET, Key="odd/<b>bold.txt", Body=b"odd")
