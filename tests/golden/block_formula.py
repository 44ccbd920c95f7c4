"""The blocks of quantised tiny models, from a closed formula: crates/testkit/src/blocks.rs has the same.

The bytes of a tensor are splitmix64's output for the states `state + index`, eight bytes at a
time, where `state` comes from the tensor's GGUF name and the seed. Every bit of every block is
so used, whatever encoders would write. Only the 16-bit scales are then set, or the numbers
would neither stay finite nor small: block b of a matrix has the scale

    d = f16(+-base * (0.75 + 0.5 u_b)),   u_b in [0, 1) as in formula.py, of the name + ":scale"

negative where u_b is at least 0.5, and where the format has a minimum, f16(d32 * RATIO), which puts the middle at zero.
"""

import math

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf.constants import GGML_QUANT_SIZES

import formula

# Bytes of d in a block; of the minimum, and its ratio to d; the deviation that d = 1 gives.
LAYOUT = {
    "Q4_0": (0, None, 0.0, 4.6),
    "Q4_1": (0, 2, -7.5, 4.6),
    "Q5_0": (0, None, 0.0, 9.2),
    "Q5_1": (0, 2, -15.5, 9.2),
    "Q8_0": (0, None, 0.0, 74.0),
    "Q2_K": (80, 82, 1.5, 16.0),
    "Q3_K": (108, None, 0.0, 43.0),
    "Q4_K": (0, 2, 7.5, 270.0),
    "Q5_K": (0, 2, 15.5, 560.0),
    "Q6_K": (208, None, 0.0, 1365.0),
}
TYPES = ["F16", *LAYOUT, "Q4_K_M"]


def raw(name, count, seed):
    state = np.uint64(formula.fnv1a64(name) ^ formula.mix(seed))
    with np.errstate(over="ignore"):
        words = formula.mix(state + np.arange((count + 7) // 8, dtype=np.uint64))
    return words.astype("<u8").view(np.uint8)[:count].copy()


def blocks(kind, name, classic, shape, seed):
    """(rows, bytes of a row) of the matrix with the GGUF name `name`."""
    d_at, m_at, ratio, spread = LAYOUT[kind]
    length, size = GGML_QUANT_SIZES[T[kind]]
    rows, cols = shape
    count = rows * cols // length
    data = raw(name, count * size, seed).reshape(count, size)
    scale, _ = formula.scale_offset(classic, shape)
    base = np.float32(scale / (math.sqrt(12.0) * spread))
    u = formula.uniform(name + ":scale", count, seed) + np.float32(0.5)
    d = base * (np.float32(0.75) + np.float32(0.5) * u)
    d = np.where(u < np.float32(0.5), d, -d)
    put = lambda at, values: data.__setitem__((slice(None), slice(at, at + 2)),
                                              values.astype("<f2").view(np.uint8).reshape(count, 2))
    put(d_at, d)
    if m_at is not None:
        put(m_at, d * np.float32(ratio))
    return data.reshape(rows, -1)


def type_of(kind, name, shape, layers):
    """The type of a tensor of a model of the type or mix `kind`."""
    if len(shape) == 1 or name == "v.position_embd.weight":
        return "F32"
    if name.startswith(("v.", "mm.")):
        # Mmproj files come in types with blocks of 32; 588 values of a patch are no whole blocks.
        old = kind in ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0") and name != "v.patch_embd.weight"
        return kind if old else "F16"
    if kind != "Q4_K_M":
        return kind
    part = name.removesuffix(".weight").split(".")[-1]
    if part == "output":
        return "Q6_K"
    layer = int(name.split(".")[1]) if name.startswith("blk.") else 0
    eighth = layers // 8
    more = layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2
    return "Q6_K" if part in ("attn_v", "ffn_down") and more else "Q4_K"


LAYER = {
    "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}
BLOCK = {
    "ln1": "layer_norm1", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_out": "self_attn.out_proj", "ln2": "layer_norm2", "ffn_up": "mlp.fc1", "ffn_down": "mlp.fc2",
}
OUTER = {
    "language_model.model.embed_tokens.weight": "token_embd.weight",
    "language_model.model.norm.weight": "output_norm.weight",
    "language_model.lm_head.weight": "output.weight",
    "vision_tower.vision_model.embeddings.class_embedding": "v.class_embd",
    "vision_tower.vision_model.embeddings.patch_embedding.weight": "v.patch_embd.weight",
    "vision_tower.vision_model.embeddings.position_embedding.weight": "v.position_embd.weight",
    "vision_tower.vision_model.pre_layrnorm.weight": "v.pre_ln.weight",
    "vision_tower.vision_model.pre_layrnorm.bias": "v.pre_ln.bias",
    "multi_modal_projector.linear_1.weight": "mm.0.weight",
    "multi_modal_projector.linear_1.bias": "mm.0.bias",
    "multi_modal_projector.linear_2.weight": "mm.2.weight",
    "multi_modal_projector.linear_2.bias": "mm.2.bias",
}


def gguf_name(classic):
    """As current converters write it; None for what files leave out."""
    if classic in OUTER:
        return OUTER[classic]
    tail = classic.split(".")
    for prefix, table, short in [("language_model.model.layers.", LAYER, "blk"),
                                 ("vision_tower.vision_model.encoder.layers.", BLOCK, "v.blk")]:
        if classic.startswith(prefix):
            index = classic.removeprefix(prefix).split(".")[0]
            part = next(g for g, hf in table.items() if f".{hf}." in classic)
            return f"{short}.{index}.{part}.{tail[-1]}"
    return None


def tensors(kind, spec):
    """(GGUF name, classic name, shape, type, bytes) of what the two files hold, in the spec's order."""
    run = spec["vision"]["layers"] + spec["feature_layer"] + 1
    for classic, shape in formula.shapes(spec):
        name = gguf_name(classic)
        if name is None or name.startswith("v.blk.") and int(name.split(".")[2]) >= run:
            continue
        of = type_of(kind, name, shape, spec["text"]["layers"])
        if of in LAYOUT:
            data = blocks(of, name, classic, shape, spec["seed"])
        else:
            data = formula.tensor(classic, shape, spec).astype({"F32": "<f4", "F16": "<f2"}[of])
        yield name, classic, shape, of, data
