"""Compares the numbers that scripts/gguf_file.py reads with those of gguf-py, bit for bit, and the metadata.

    pip install gguf==0.19.0
    python scripts/golden/check_gguf.py [FILE.gguf …]    # without files: random blocks of every type alone
"""

import sys
from pathlib import Path

import gguf
import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
import gguf_file  # noqa: E402


def same(name, ours, theirs):
    if ours.shape != theirs.shape or not np.array_equal(ours.view(np.uint32), theirs.view(np.uint32)):
        sys.exit(f"{name}: other numbers than gguf-py's")


def random_blocks():
    """Blocks of random bytes; a NaN in a scale would compare by its payload, so those blocks are left out."""
    bits = np.random.default_rng(0)
    for kind, (numbers, layout, _) in gguf_file.TYPES.items():
        size = np.dtype(layout).itemsize
        blocks = bits.integers(0, 256, (20_000, size), np.uint8)
        theirs = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType(kind)).astype(np.float32)
        whole = np.isfinite(theirs).all(axis=1)
        kept = np.ascontiguousarray(blocks[whole])
        ours = gguf_file.Tensor("blocks", [len(kept), numbers], kind, kept.tobytes()).values()
        same(gguf.GGMLQuantizationType(kind).name, ours, np.ascontiguousarray(theirs[whole]))
        print(f"{gguf.GGMLQuantizationType(kind).name:6} {len(kept)} blocks")


def file(path):
    metadata, tensors = gguf_file.read(path)
    theirs = gguf.GGUFReader(path)
    fields = {name: field.contents() for name, field in theirs.fields.items() if not name.startswith("GGUF.")}
    if metadata != fields:
        sys.exit(f"{path}: other metadata than gguf-py's")
    for tensor in theirs.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        same(tensor.name, tensors[tensor.name].values(), values.reshape(tensors[tensor.name].shape))
    print(f"{path}: {len(tensors)} tensors, {len(metadata)} values")


with np.errstate(all="ignore"):
    random_blocks()
    for path in sys.argv[1:]:
        file(path)
