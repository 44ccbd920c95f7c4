"""Weights, pixels and preset shapes of the tiny models, from a closed formula.

The same formula stands in crates/testkit/src/formula.rs, bit for bit, so that the repository
holds only what the reference computed from these weights, never the weights.

A value depends on the tensor's name (always the classic llava-hf one, whatever layout a
checkpoint is written in), on the index in row-major order and on the preset's seed:

    state = fnv1a64(name) ^ mix(seed)
    u     = (mix(state + index) >> 40) / 2^24          in [0, 1), exact in f32
    value = (u - 0.5) * scale + offset                 in f32, two roundings

where mix is splitmix64 and scale and offset follow from the kind of tensor.
"""

import json
import math
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
MASK = (1 << 64) - 1

# Standard deviation that a matrix gives to its output for inputs of deviation 1. Queries and
# keys get more, so that attention picks rather than averages: with flat attention every
# picture would look alike to the language model.
GAIN = {"q_proj": 2.0, "k_proj": 2.0, "v_proj": 1.4, "o_proj": 1.4, "out_proj": 1.4, "lm_head": 3.0}
# Rows past the tokenizer's pieces are made to win whenever nobody masks them.
PADDING_ROWS = np.float32(3.0)


def fnv1a64(text):
    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = ((h ^ byte) * 0x100000001B3) & MASK
    return h


def mix(x):
    """splitmix64's output for state x (an integer or an array of uint64)."""
    if isinstance(x, int):
        return int(mix(np.array([x & MASK], dtype=np.uint64))[0])
    with np.errstate(over="ignore"):
        z = x + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(name, count, seed):
    """`count` values in [-0.5, 0.5), exact in f32."""
    state = np.uint64(fnv1a64(name) ^ mix(seed))
    with np.errstate(over="ignore"):
        bits = mix(state + np.arange(count, dtype=np.uint64))
    u = (bits >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)
    return u - np.float32(0.5)


def scale_offset(name, shape, tied=False):
    """(scale, offset) of a tensor: matrices keep the deviation of their input, up to GAIN."""
    if "norm" in name.split(".")[-2] and name.endswith(".weight"):
        return 0.4, 1.0
    if name.endswith(".bias"):
        return 0.3, 0.0
    if name.endswith("embed_tokens.weight"):
        # A tied table is also the output matrix, whose rows must keep logits moderate.
        return (math.sqrt(12.0 * 9.0 / shape[1]) if tied else 1.0), 0.0
    if name.endswith("class_embedding"):
        return 2.0, 0.0
    if name.endswith("position_embedding.weight"):
        return 1.5, 0.0
    fan_in = math.prod(shape[1:])
    gain = GAIN.get(name.split(".")[-2], 1.0)
    return gain * math.sqrt(12.0 / fan_in), 0.0


def tensor(name, shape, spec):
    """The f32 values of a tensor, before rounding to the preset's dtype."""
    tied = spec["text"]["tied"]
    scale, offset = scale_offset(name, shape, tied)
    values = uniform(name, math.prod(shape), spec["seed"]) * np.float32(scale) + np.float32(offset)
    values = values.reshape(shape)
    if name.endswith("lm_head.weight") or (tied and name.endswith("embed_tokens.weight")):
        values[pieces():] *= PADDING_ROWS
    return values


def shapes(spec):
    """(classic name, shape) of every tensor, in the order in which they are written."""
    text, vision = spec["text"], spec["vision"]
    d, f, v = text["hidden"], text["intermediate"], text["vocab_rows"]
    kv = d // text["heads"] * text["kv_heads"]
    out = [("language_model.model.embed_tokens.weight", (v, d))]
    for n in range(text["layers"]):
        p = f"language_model.model.layers.{n}."
        out += [
            (p + "input_layernorm.weight", (d,)),
            (p + "self_attn.q_proj.weight", (d, d)),
            (p + "self_attn.k_proj.weight", (kv, d)),
            (p + "self_attn.v_proj.weight", (kv, d)),
            (p + "self_attn.o_proj.weight", (d, d)),
            (p + "post_attention_layernorm.weight", (d,)),
            (p + "mlp.gate_proj.weight", (f, d)),
            (p + "mlp.up_proj.weight", (f, d)),
            (p + "mlp.down_proj.weight", (d, f)),
        ]
    out.append(("language_model.model.norm.weight", (d,)))
    if not text["tied"]:
        out.append(("language_model.lm_head.weight", (v, d)))

    h, m, patch = vision["hidden"], vision["intermediate"], vision["patch_size"]
    tokens = (vision["image_size"] // patch) ** 2 + 1
    p = "vision_tower.vision_model."
    out += [
        (p + "embeddings.class_embedding", (h,)),
        (p + "embeddings.patch_embedding.weight", (h, 3, patch, patch)),
        (p + "embeddings.position_embedding.weight", (tokens, h)),
        (p + "pre_layrnorm.weight", (h,)),
        (p + "pre_layrnorm.bias", (h,)),
    ]
    for n in range(vision["layers"]):
        q = f"{p}encoder.layers.{n}."
        for part, shape in [
            ("layer_norm1", (h,)),
            ("self_attn.q_proj", (h, h)),
            ("self_attn.k_proj", (h, h)),
            ("self_attn.v_proj", (h, h)),
            ("self_attn.out_proj", (h, h)),
            ("layer_norm2", (h,)),
            ("mlp.fc1", (m, h)),
            ("mlp.fc2", (h, m)),
        ]:
            out += [(f"{q}{part}.weight", shape), (f"{q}{part}.bias", shape[:1])]
    out += [(p + "post_layernorm.weight", (h,)), (p + "post_layernorm.bias", (h,))]

    for n in range(1, projector_layers(spec["projector"]) + 1):
        q = f"multi_modal_projector.linear_{n}"
        out += [(q + ".weight", (d, h if n == 1 else d)), (q + ".bias", (d,))]
    return out


def projector_layers(kind):
    """Linear layers of `linear` and `mlpNx_gelu`."""
    return 1 if kind == "linear" else int(kind.removeprefix("mlp").removesuffix("x_gelu"))


def pixels(size, picture):
    """(3, size, size) normalised pixels of the n-th picture: a 4 x 4 mosaic with grain."""
    mosaic = uniform("mosaic", 48, picture).reshape(3, 4, 4) * np.float32(3.0)
    grain = uniform("grain", 3 * size * size, picture).reshape(3, size, size)
    cell = np.arange(size) * 4 // size
    return mosaic[:, cell[:, None], cell[None, :]] + grain


def presets():
    return {s["name"]: s for s in json.loads((ROOT / "crates/testkit/presets.json").read_text())}


def pieces():
    """Real pieces of the tiny tokenizer: everything before `<image>`."""
    return len(json.loads((ROOT / "crates/testkit/tokenizer.json").read_text())["model"]["vocab"])
