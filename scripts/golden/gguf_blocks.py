#!/usr/bin/env python3
"""Writes Tests/KernelsTests/Golden/TYPE.bin: random blocks of every quantised type, then the float32 numbers that gguf-py
makes of them; and quantised-TYPE.bin: float32 numbers, then the blocks that gguf-py makes of those.

    pip install gguf==0.19.0
    python scripts/golden/gguf_blocks.py
"""

from pathlib import Path

import gguf
import numpy as np

DIRECTORY = Path(__file__).resolve().parents[2] / "Tests/KernelsTests/Golden"
TYPES = ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL"]
# Where a block has its float16 scales.
SCALES = {"Q6_K": [208]} | {name: [0, 2] for name in ["Q4_1", "Q5_1", "Q4_K", "Q5_K"]}
# Zero, both signs, subnormal, the smallest normal and the largest finite ones.
SPECIAL = [0x0000, 0x8000, 0x0001, 0x83FF, 0x0400, 0x7BFF, 0xFBFF, 0x3C00]

DIRECTORY.mkdir(parents=True, exist_ok=True)
random = np.random.default_rng(7)
for name in TYPES:
    kind = gguf.GGMLQuantizationType[name]
    numbers, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (24, size), np.uint8)
    for place in SCALES.get(name, [0]):
        scales = random.normal(0, 0.05, 24).astype(np.float16)
        scales[: len(SPECIAL)] = np.array(SPECIAL, np.uint16).view(np.float16)
        blocks[:, place : place + 2] = scales.view(np.uint8).reshape(24, 2)
    values = np.concatenate([gguf.quants.dequantize(block, kind) for block in blocks]).astype("<f4")
    assert values.size == 24 * numbers and np.isfinite(values).all()
    (DIRECTORY / f"{name}.bin").write_bytes(blocks.tobytes() + values.tobytes())

# Zeros, tiny and large numbers, equal magnitudes, one number alone, numbers half-way between two codes.
numbers = random.normal(0, 0.05, (64, 32)).astype("<f4")
numbers[0], numbers[1:3], numbers[3:5], numbers[5] = 0, numbers[1:3] * 1e-6, numbers[3:5] * 1e4, 1
numbers[6], numbers[7], numbers[8:24] = np.arange(32) - 16, 0, np.round(numbers[8:24] * 40) / 40
numbers[7, 3] = -2
for name in ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"]:
    with np.errstate(all="ignore"):
        blocks = gguf.quants.quantize(numbers, gguf.GGMLQuantizationType[name])
    (DIRECTORY / f"quantised-{name}.bin").write_bytes(numbers.tobytes() + blocks.tobytes())
