"""Writes gguf_types/<type>.json: what transformers computes from the weights that GGUF blocks mean.

Usage: python make_gguf_types.py [type...]    all by default

Needs torch, transformers 5, gguf, numpy; CPU only. block_formula.py says which bytes the files
hold; the `gguf` package (llama.cpp's own) decodes them; the rows of q and k, which GGUF keeps
permuted, are put back; transformers computes in f32. Stored are features, and the logits along
an answer that transformers chose, with the distance of the top two at every step.
"""

import hashlib
import json
import sys

import gguf
import numpy as np
import torch
import transformers

import block_formula
import formula
from make_models import expand, pack, prompt, write
from reference import Reference, attribute

QUESTION = "What is in the picture?"
PICTURE = 5
STEPS = 24
STORED = [0, 1, 11, 23]
SPEC = json.loads((formula.ROOT / "crates/testkit/blocks.json").read_text())


def decoded(of, data, shape):
    if of in ("F32", "F16"):
        return data.astype(np.float32).reshape(shape)
    return gguf.quants.dequantize(data, gguf.GGMLQuantizationType[of]).astype(np.float32).reshape(shape)


def unpermuted(values, heads):
    """Rows `2 j + s` of a GGUF head back to `s * half + j`."""
    rows, cols = values.shape
    return values.reshape(heads, rows // heads // 2, 2, cols).swapaxes(1, 2).reshape(rows, cols)


def main(kinds):
    for kind in kinds or block_formula.TYPES:
        digest, weights, text = hashlib.sha256(), {}, SPEC["text"]
        for name, classic, shape, of, data in block_formula.tensors(kind, SPEC):
            digest.update(f"{name} {of}".encode())
            digest.update(data.tobytes())
            values = decoded(of, data, shape)
            if name.endswith("attn_q.weight") and name.startswith("blk."):
                values = unpermuted(values, text["heads"])
            elif name.endswith("attn_k.weight") and name.startswith("blk."):
                values = unpermuted(values, text["kv_heads"])
            weights[classic] = values
        reference = Reference(SPEC)
        own = reference.model.state_dict()
        for classic, values in weights.items():
            own[attribute(classic)].copy_(torch.from_numpy(values.copy()))
        seen = reference.see([PICTURE])
        ids = prompt([(1, QUESTION, None)])
        rows = reference.embed(expand(ids, seen.shape[1]), seen)
        greedy, margins = reference.greedy(rows[None], STEPS)
        embed = reference.model.get_input_embeddings()
        whole = torch.cat([rows, embed(greedy[0, :-1])])
        logits = reference.logits(whole[None])[0, rows.shape[0] - 1:, : reference.pieces]
        assert torch.isfinite(logits).all(), kind
        path = formula.ROOT / f"tests/golden/gguf_types/{kind}.json"
        write(path, {
            "made_with": f"torch {torch.__version__.split('+')[0]}, transformers {transformers.__version__}, gguf 0.19.0",
            "sha256": digest.hexdigest(),
            "picture": PICTURE,
            "ids": ids,
            "features": pack(seen[0][[0, 7, 15]]),
            "greedy": greedy[0].tolist(),
            "margins": [float(f"{m:.3g}") for m in margins[0].tolist()],
            "steps": STORED,
            "logits": pack(logits[STORED]),
        })
        print(f"{kind:7} logits {logits.abs().max():.2f}, deviation {logits.std():.2f}, features {seen.abs().max():.2f}, "
              f"{len(set(greedy[0].tolist()))} tokens, smallest margin {margins.min():.1e}, {path.stat().st_size} bytes", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
