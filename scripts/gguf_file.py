"""Reads GGUF files: metadata and tensors, the quantised ones as the float32 numbers that they stand for."""

import numpy as np

SCALARS = ["<u1", "<i1", "<u2", "<i2", "<u4", "<i4", "<f4", "?", None, None, "<u8", "<i8", "<f8"]
TEXT, ARRAY = 8, 9


class GGUFError(Exception):
    pass


class Tensor:
    """A stored tensor: `shape` has the slowest dimension first, as in NumPy."""

    def __init__(self, name, shape, kind, data):
        self.name, self.shape, self.kind, self.data = name, shape, kind, data

    def values(self):
        """float32 [shape]."""
        if self.kind not in TYPES:
            raise GGUFError(f"{self.name}: the tensor type {self.kind} is not known")
        numbers, layout, widen = TYPES[self.kind]
        blocks = np.frombuffer(self.data, np.dtype(layout), int(np.prod(self.shape)) // numbers)
        return widen(blocks).reshape(self.shape)


class Metadata:
    """Takes little-endian values off a file's bytes."""

    def __init__(self, data):
        self.data, self.position = data, 0

    def scalars(self, kind, count):
        values = np.frombuffer(self.data, kind, count, self.position)
        self.position += values.nbytes
        return values.tolist()

    def scalar(self, kind):
        return self.scalars(kind, 1)[0]

    def text(self):
        length = self.scalar("<u8")
        self.position += length
        return bytes(self.data[self.position - length : self.position]).decode()

    def value(self, kind):
        if kind == TEXT:
            return self.text()
        if kind == ARRAY:
            kind, count = self.scalar("<u4"), self.scalar("<u8")
            return [self.text() for _ in range(count)] if kind == TEXT else self.scalars(SCALARS[kind], count)
        return self.scalar(SCALARS[kind])


def read(path):
    """The metadata by key, and the tensors by name."""
    data = np.memmap(path, mode="r")
    if bytes(data[:4]) != b"GGUF":
        raise GGUFError(f"{path}: not a GGUF file")
    reader = Metadata(data)
    reader.position = 4
    if reader.scalar("<u4") not in (2, 3):
        raise GGUFError(f"{path}: neither version 2 nor 3 of GGUF")
    tensor_count, value_count = reader.scalars("<u8", 2)
    metadata = {}
    for _ in range(value_count):
        key = reader.text()
        metadata[key] = reader.value(reader.scalar("<u4"))
    places = []
    for _ in range(tensor_count):
        name = reader.text()
        shape = reader.scalars("<u8", reader.scalar("<u4"))[::-1]
        places.append((name, shape, reader.scalar("<u4"), reader.scalar("<u8")))
    alignment = metadata.get("general.alignment", 32)
    start = (reader.position + alignment - 1) // alignment * alignment
    return metadata, {name: Tensor(name, shape, kind, data[start + at :]) for name, shape, kind, at in places}


# ggml's blocks. Every product and sum is a float32 operation of its own, as in ggml: the numbers agree bit for bit.


def wide(column):
    """float16 scales [blocks], as a float32 column [blocks, 1]."""
    return column.astype(np.float32)[:, None]


def nibbles(bytes_):
    """4-bit numbers of [blocks, n] bytes, [blocks, 2n]: the low ones first."""
    return np.concatenate([bytes_ & 15, bytes_ >> 4], axis=1)


def five_bits(blocks):
    """Nibbles with bit j of `high` as the fifth bit of number j."""
    high = (blocks["high"][:, None] >> np.arange(32, dtype=np.uint32)) & 1
    return nibbles(blocks["low"]) | (high << 4).astype(np.uint8)


def sub_block_factors(blocks):
    """Scales and minima of the 8 sub-blocks of Q4_K and Q5_K, float32 [blocks, 8, 1].

    Twelve bytes hold 6 bits of each: bytes 0 … 3 and 4 … 7 those of sub-blocks 0 … 3 and in their two top bits what
    the nibbles of bytes 8 … 11 lack of sub-blocks 4 … 7.
    """
    first, second, third = blocks["s"][:, :4], blocks["s"][:, 4:8], blocks["s"][:, 8:]
    scales = np.concatenate([first & 63, (third & 15) | (first >> 6 << 4)], axis=1).astype(np.float32)
    minima = np.concatenate([second & 63, (third >> 4) | (second >> 6 << 4)], axis=1).astype(np.float32)
    return (wide(blocks["d"]) * scales)[:, :, None], (wide(blocks["m"]) * minima)[:, :, None]


def sub_block_nibbles(bytes_):
    """[blocks, 8, 32]: of each 32 bytes the low nibbles are a sub-block, the high ones the next."""
    rows = bytes_.reshape(-1, 4, 1, 32)
    return np.concatenate([rows & 15, rows >> 4], axis=2).reshape(-1, 8, 32)


def q4_k(blocks):
    scales, minima = sub_block_factors(blocks)
    return scales * sub_block_nibbles(blocks["q"]).astype(np.float32) - minima


def q5_k(blocks):
    scales, minima = sub_block_factors(blocks)
    fifth = (blocks["high"][:, None, :] >> np.arange(8, dtype=np.uint8)[:, None]) & 1
    return scales * (sub_block_nibbles(blocks["q"]) | fifth << 4).astype(np.float32) - minima


def q6_k(blocks):
    low, high = blocks["low"].reshape(-1, 2, 64), blocks["high"].reshape(-1, 2, 1, 32)
    low = np.concatenate([low & 15, low >> 4], axis=2).reshape(-1, 2, 4, 32)
    high = (high >> np.array([0, 2, 4, 6], np.uint8)[:, None]) & 3
    numbers = (low | high << 4).astype(np.int8) - np.int8(32)
    scales = wide(blocks["d"]) * blocks["scales"].astype(np.float32)
    return scales[:, :, None] * numbers.reshape(-1, 16, 16).astype(np.float32)


def bfloat16(blocks):
    return (blocks.astype(np.uint32) << 16).view(np.float32)


# ggml's number of a type: numbers in a block, layout, float32 of blocks.
TYPES = {
    0: (1, "<f4", lambda b: b),  # F32
    1: (1, "<f2", lambda b: b.astype(np.float32)),  # F16
    2: (32, [("d", "<f2"), ("q", "u1", 16)],
        lambda b: wide(b["d"]) * (nibbles(b["q"]).astype(np.float32) - 8)),  # Q4_0
    3: (32, [("d", "<f2"), ("m", "<f2"), ("q", "u1", 16)],
        lambda b: wide(b["d"]) * nibbles(b["q"]).astype(np.float32) + wide(b["m"])),  # Q4_1
    6: (32, [("d", "<f2"), ("high", "<u4"), ("low", "u1", 16)],
        lambda b: wide(b["d"]) * (five_bits(b).astype(np.float32) - 16)),  # Q5_0
    7: (32, [("d", "<f2"), ("m", "<f2"), ("high", "<u4"), ("low", "u1", 16)],
        lambda b: wide(b["d"]) * five_bits(b).astype(np.float32) + wide(b["m"])),  # Q5_1
    8: (32, [("d", "<f2"), ("q", "i1", 32)], lambda b: wide(b["d"]) * b["q"].astype(np.float32)),  # Q8_0
    12: (256, [("d", "<f2"), ("m", "<f2"), ("s", "u1", 12), ("q", "u1", 128)], q4_k),  # Q4_K
    13: (256, [("d", "<f2"), ("m", "<f2"), ("s", "u1", 12), ("high", "u1", 32), ("q", "u1", 128)], q5_k),  # Q5_K
    14: (256, [("low", "u1", 128), ("high", "u1", 64), ("scales", "i1", 16), ("d", "<f2")], q6_k),  # Q6_K
    30: (1, "<u2", bfloat16),  # BF16
}  # fmt: skip
