#!/usr/bin/env python3
"""Writes tests/data/quants.gguf: for each tensor type two rows of random blocks and what the Python
package gguf (0.19.0) decodes them to. Needs gguf and numpy."""
import sys
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

COLUMNS = 512
ROWS = 2
# Where a block's f16 scales are, in bytes.
SCALES = {
    Type.Q8_0: [0], Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2],
    Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208],
}


def random_blocks(kind: Type, random: np.random.Generator) -> np.ndarray:
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (ROWS * COLUMNS // elements, size), dtype=np.uint8)
    for at in SCALES.get(kind, []):  # finite ones of both signs, from subnormal to large
        exponents = random.uniform(-22, 4, len(blocks))
        scales = (random.choice([-1, 1], len(blocks)) * 2.0**exponents).astype(np.float16)
        blocks[:, at:at + 2] = scales.view(np.uint8).reshape(-1, 2)
    return blocks.reshape(ROWS, -1)


def half_specials() -> np.ndarray:
    """Zeros, subnormals, the extremes, infinities; then random numbers."""
    special = [0x0000, 0x8000, 0x0001, 0x8001, 0x03ff, 0x0400, 0x7bff, 0xfbff, 0x3c00, 0x7c00, 0xfc00]
    values = np.arange(ROWS * COLUMNS, dtype=np.uint32) * 31 % 0x7c00
    values[:len(special)] = special
    return values.astype(np.uint16).view(np.float16).reshape(ROWS, COLUMNS)


def main(path: Path) -> None:
    random = np.random.default_rng(1)
    writer = gguf.GGUFWriter(path, "quants")
    for kind in [Type.F16, Type.BF16, *SCALES]:
        if kind == Type.F16:
            data, expected = half_specials(), half_specials().astype(np.float32)
        else:
            data = random_blocks(kind, random)
            if kind == Type.BF16:  # no NaN: they do not compare equal
                halves = data.view(np.uint16)
                halves[(halves & 0x7f80) == 0x7f80] = 0x3f80
            expected = gguf.quants.dequantize(data, kind)
        writer.add_tensor(kind.name.lower(), data, raw_dtype=kind)
        writer.add_tensor(kind.name.lower() + ".expected", expected.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1
         else Path(__file__).resolve().parent.parent / "tests/data/quants.gguf")
