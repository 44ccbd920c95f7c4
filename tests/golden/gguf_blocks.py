"""Reference values of the GGUF block formats, from the `gguf` package's numpy code.

Blocks are filled with the bytes of a linear congruential generator, scales included, so that
infinities, NaNs, subnormal and negative scales all occur; then come hand-made extremes. What is
kept is one FNV-1a hash over the bits of the decoded values of each format, and over the encoded
bytes where the package has an encoder of its own.

    pip install gguf && python tests/golden/gguf_blocks.py > tests/golden/gguf_blocks.txt
"""

import numpy as np
from gguf import GGMLQuantizationType as T, quants
from gguf.constants import GGML_QUANT_SIZES

FORMATS = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"]
BLOCKS = 200


def generator(seed):
    state = seed
    while True:
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        yield state


def fnv(words):
    h = 0xCBF29CE484222325
    for w in words:
        h = ((h ^ int(w)) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


def blocks(size):
    g = generator(size)
    random = [[next(g) >> 24 for _ in range(size)] for _ in range(BLOCKS)]
    flat = [[b] * size for b in (0x00, 0xFF, 0x7B, 0x80, 0x01)]
    return np.array(random + flat, dtype=np.uint8)


def values(n):
    """Multiples of 2^-18 in about +-0.125, with a block of zeros and one large value."""
    g = generator(7)
    v = np.array([(next(g) >> 16) - 32768 for _ in range(n)], dtype=np.float32) / np.float32(1 << 18)
    v[32:64] = 0
    v[100] = 3.0
    return v.astype(np.float32)


with np.errstate(all="ignore"):
    for name in FORMATS:
        t = T[name]
        out = quants.dequantize(blocks(GGML_QUANT_SIZES[t][1]), t).astype(np.float32)
        bits = out.reshape(-1).view(np.uint32).copy()
        bits[np.isnan(out.reshape(-1))] = 0x7FC00000
        print("decode", name, fnv(bits))
    for name in ["Q4_0", "Q8_0"]:
        out = quants.quantize(values(4096).reshape(4, 1024), T[name])
        print("encode", name, fnv(out.reshape(-1)))
