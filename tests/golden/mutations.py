"""How far the classic mistakes move the results: what the tests' tolerances must stay below.

Each entry is a model with one mistake built in; the number is max|wrong - right| / max|right|
over the image features or over the logits of a prompt with a picture.
"""

import copy

import torch
from torch import nn

from reference import Reference


def distance(a, b):
    return ((a.double() - b.double()).abs().max() / b.double().abs().max()).item()


def permuted(weight, heads):
    """The row order of GGUF files; with half-split rotation it acts as the wrong rotation."""
    rows, width = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, width).transpose(1, 2).reshape(rows, width)


@torch.no_grad()
def features(reference, pictures):
    spec = reference.spec
    right = reference.see(pictures)
    model = reference.model.model
    states = reference.hidden_states(pictures)
    last = len(states) - 1
    layer = spec["feature_layer"] % len(states)
    drop = 1 if spec["feature_select"] == "default" else 0
    project = model.multi_modal_projector
    out = {}
    if layer < last:
        out["one layer later"] = distance(project(states[layer + 1][:, drop:]), right)
    out["one layer earlier"] = distance(project(states[layer - 1][:, drop:]), right)
    normed = model.vision_tower.post_layernorm(states[layer])
    out["post_layernorm applied"] = distance(project(normed[:, drop:]), right)
    if drop:
        out["class token taken for the first patch"] = distance(project(states[layer][:, :-1]), right)
    else:
        out["class token moved to the end"] = distance(
            project(torch.cat([states[layer][:, 1:], states[layer][:, :1]], 1)), right)

    def mutant(change):
        other = Reference(spec, copy.deepcopy(reference.model))
        change(other.model.model)
        return distance(other.see(pictures), right)

    if spec["projector"] != "linear":
        out["tanh GELU in the connector"] = mutant(
            lambda m: setattr(m.multi_modal_projector, "act", nn.GELU(approximate="tanh")))

    def erf_in_tower(m):
        for block in m.vision_tower.encoder.layers:
            block.mlp.activation_fn = nn.GELU()

    def eps(value):
        def change(m):
            for module in m.vision_tower.modules():
                if isinstance(module, nn.LayerNorm):
                    module.eps = value
        return change

    def shifted(m):
        table = m.vision_tower.embeddings.position_embedding.weight
        table.copy_(table.roll(1, 0))

    def transposed(m):
        weight = m.vision_tower.embeddings.patch_embedding.weight
        weight.copy_(weight.transpose(2, 3).clone())

    out["GELU instead of quick_gelu in the tower"] = mutant(erf_in_tower)
    out["layer_norm_eps 1e-6"] = mutant(eps(1e-6))
    out["position rows shifted by one"] = mutant(shifted)
    out["patch kernel transposed"] = mutant(transposed)
    out["pre_layrnorm skipped"] = mutant(lambda m: setattr(m.vision_tower, "pre_layrnorm", nn.Identity()))
    return out


@torch.no_grad()
def logits(reference, ids, pictures):
    spec = reference.spec
    seen = reference.see(pictures)
    right = reference.logits(reference.embed(ids, seen)[None])[0, -1, : reference.pieces]

    def mutant(change):
        other = Reference(spec, copy.deepcopy(reference.model))
        change(other.model.model.language_model)
        return distance(other.logits(other.embed(ids, seen)[None])[0, -1, : reference.pieces], right)

    head_dim = spec["text"]["hidden"] // spec["text"]["heads"]

    def theta(value):
        inverse = value ** (-torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)

        def change(m):
            m.rotary_emb.inv_freq = inverse
        return change

    def interleaved(m):
        for layer in m.layers:
            for part, heads in (("q_proj", spec["text"]["heads"]), ("k_proj", spec["text"]["kv_heads"])):
                weight = getattr(layer.self_attn, part).weight
                weight.copy_(permuted(weight, heads))

    def tiled(m):
        """Query head h reads kv head h % kv_heads instead of h // group."""
        heads, kv = spec["text"]["heads"], spec["text"]["kv_heads"]
        order = [g * kv + k for k in range(kv) for g in range(heads // kv)]
        rows = torch.cat([torch.arange(head_dim) + h * head_dim for h in order])
        for layer in m.layers:
            layer.self_attn.q_proj.weight.copy_(layer.self_attn.q_proj.weight[rows].clone())
            layer.self_attn.o_proj.weight.copy_(layer.self_attn.o_proj.weight[:, rows].clone())

    def eps(value):
        def change(m):
            for module in m.modules():
                if hasattr(module, "variance_epsilon"):
                    module.variance_epsilon = value
        return change

    out = {
        "interleaved rotation": mutant(interleaved),
        "rms_norm_eps 1e-5": mutant(eps(1e-5)),
        "rms_norm_eps 1e-6": mutant(eps(1e-6)),
        "final norm skipped": mutant(lambda m: setattr(m, "norm", nn.Identity())),
    }
    if spec["text"]["rope_theta"] != 10000.0:
        out["rope_theta 10000"] = mutant(theta(10000.0))
    else:
        out["rope_theta 500000"] = mutant(theta(500000.0))
    if spec["text"]["heads"] != spec["text"]["kv_heads"]:
        out["key heads tiled instead of repeated"] = mutant(tiled)

    # Positions that count text only: the picture's rows all share one position.
    rows = reference.embed(ids, seen)[None]
    positions, at = [], 0
    for i in ids:
        positions.append(at)
        at += 0 if i == -200 else 1
    model = reference.model
    wrong = model(inputs_embeds=rows, position_ids=torch.tensor([positions]), use_cache=False).logits[0, -1]
    out["positions without the picture's"] = distance(wrong[: reference.pieces], right)
    out["pictures' features left out"] = distance(
        reference.logits(reference.embed(ids, torch.zeros_like(seen))[None])[0, -1, : reference.pieces], right)
    return out
