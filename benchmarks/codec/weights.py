# SPDX-License-Identifier: GPL-2.0-only
"""Two sets of made-up 16-bit weights of a language model, 200 MB, in the safetensors layout.

A program of its own, `weights.py some|all FOLDER`, because it needs numpy: in the second set some tensors are
new, or all numbers differ by about a thousandth.
"""

import json
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np

LAYER = {
    "attn.q": (1024, 1024),
    "attn.k": (1024, 256),
    "attn.v": (1024, 256),
    "attn.o": (1024, 1024),
    "mlp.up": (1024, 2816),
    "mlp.down": (2816, 1024),
    "norm": (1024,),
}
SIZE = 200_000_000

Tensors = dict[str, Any]


def first(rng: np.random.Generator) -> Tensors:
    """Whole layers until there are SIZE bytes."""
    shapes: dict[str, tuple[int, ...]] = {}
    size = layer = 0
    while size < SIZE:
        for name, shape in LAYER.items():
            shapes[f"model.layers.{layer}.{name}.weight"] = shape
            size += 2 * int(np.prod(shape))
        layer += 1
    return {name: _tensor(rng, shape) for name, shape in shapes.items()}


def _tensor(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Normal around 0, of a norm around 1."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    scale, offset = (0.02, 0) if len(shape) > 1 else (0.05, 1)
    return (noise * scale + offset).astype(np.float16)


def save(path: Path, tensors: Tensors) -> None:
    """Safetensors: length of the header, header as JSON, tensors."""
    header, at = {}, 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": "F16", "shape": list(tensor.shape), "data_offsets": [at, at + tensor.nbytes]}
        at += tensor.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            file.write(tensor.tobytes())


def main(change: str, folder: Path) -> None:
    """Write `old` and `new`. Both changes are drawn, so that none depends on which is wanted."""
    rng = np.random.default_rng(7)
    old = first(rng)
    save(folder / "old", old)
    some = dict(old)
    for name in rng.choice(list(old), max(1, len(old) // 20), replace=False):
        some[name] = (rng.standard_normal(old[name].shape, dtype=np.float32) * 0.02).astype(np.float16)
    if change == "some":
        save(folder / "new", some)
        return
    noise = (
        (tensor.astype(np.float32) * (1 + 1e-3 * rng.standard_normal(tensor.shape, dtype=np.float32)))
        for tensor in old.values()
    )
    save(folder / "new", {name: tensor.astype(np.float16) for name, tensor in zip(old, noise, strict=True)})


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
