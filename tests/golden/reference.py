"""The reference model of a preset: transformers' LlavaForConditionalGeneration in f32.

For the connectors that transformers lacks (`linear`, `mlp3x_gelu`) its projector is replaced
by a plain PyTorch one, built as the original LLaVA's build_vision_projector builds it. Everything
else (CLIP tower, LLaMA, layer selection) stays transformers' own.
"""

import os

os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import torch
from torch import nn
from transformers import DynamicCache, LlavaConfig, LlavaForConditionalGeneration

import formula

torch.manual_seed(0)
IMAGE = -200


class Projector(nn.Module):
    def __init__(self, layers, width_in, width):
        super().__init__()
        for n in range(1, layers + 1):
            setattr(self, f"linear_{n}", nn.Linear(width_in if n == 1 else width, width))
        self.layers = layers
        self.act = nn.GELU()

    def forward(self, x):
        x = self.linear_1(x)
        for n in range(2, self.layers + 1):
            x = getattr(self, f"linear_{n}")(self.act(x))
        return x


def config(spec):
    t, v = spec["text"], spec["vision"]
    return LlavaConfig(
        text_config=dict(
            model_type="llama", hidden_size=t["hidden"], intermediate_size=t["intermediate"],
            num_hidden_layers=t["layers"], num_attention_heads=t["heads"], num_key_value_heads=t["kv_heads"],
            vocab_size=t["vocab_rows"], max_position_embeddings=t["context"], rms_norm_eps=t["rms_norm_eps"],
            rope_parameters={"rope_type": "default", "rope_theta": t["rope_theta"]},
            tie_word_embeddings=t["tied"],
        ),
        vision_config=dict(
            model_type="clip_vision_model", hidden_size=v["hidden"], intermediate_size=v["intermediate"],
            num_hidden_layers=v["layers"], num_attention_heads=v["heads"], image_size=v["image_size"],
            patch_size=v["patch_size"], layer_norm_eps=v["layer_norm_eps"],
        ),
        image_token_index=formula.pieces(), vision_feature_layer=spec["feature_layer"],
        vision_feature_select_strategy=spec["feature_select"], tie_word_embeddings=t["tied"],
        attn_implementation="eager",
    )


def state(spec):
    """Classic name -> f32 tensor, rounded through the preset's dtype."""
    dtype = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[spec["dtype"]]
    return {
        name: torch.from_numpy(formula.tensor(name, shape, spec)).to(dtype).to(torch.float32)
        for name, shape in formula.shapes(spec)
    }


def attribute(name):
    """Where transformers 5 keeps the tensor of a classic name."""
    for old, new in [
        ("language_model.lm_head.", "lm_head."),
        ("language_model.model.", "model.language_model."),
        ("vision_tower.vision_model.", "model.vision_tower."),
        ("multi_modal_projector.", "model.multi_modal_projector."),
    ]:
        if name.startswith(old):
            return new + name.removeprefix(old)
    raise KeyError(name)


class Reference:
    def __init__(self, spec, model=None):
        self.spec = spec
        self.pieces = formula.pieces()
        if model is None:
            model = LlavaForConditionalGeneration(config(spec))
            if spec["projector"] != "mlp2x_gelu":
                model.model.multi_modal_projector = Projector(
                    formula.projector_layers(spec["projector"]), spec["vision"]["hidden"], spec["text"]["hidden"])
            weights = {attribute(n): t for n, t in state(spec).items()}
            missing, unexpected = model.load_state_dict(weights, strict=False)
            missing = [m for m in missing if not (spec["text"]["tied"] and m == "lm_head.weight")]
            assert not missing and not unexpected, (missing, unexpected)
            model.tie_weights()
        self.model = model.eval()

    def double(self):
        """The same weights in f64: what f32 rounding is measured against."""
        other = Reference(self.spec)
        other.model.double()
        return other

    @property
    def dtype(self):
        return self.model.lm_head.weight.dtype

    def pixels(self, pictures):
        size = self.spec["vision"]["image_size"]
        return torch.stack([torch.from_numpy(formula.pixels(size, p)) for p in pictures]).to(self.dtype)

    @torch.no_grad()
    def hidden_states(self, pictures):
        return self.model.model.vision_tower(self.pixels(pictures), output_hidden_states=True).hidden_states

    @torch.no_grad()
    def see(self, pictures):
        """(pictures, image tokens, hidden) by transformers' own get_image_features."""
        return torch.stack(list(self.model.get_image_features(self.pixels(pictures)).pooler_output))

    def embed(self, ids, features):
        """Splices: ids with -200 for each image position, features in reading order."""
        ids = torch.tensor(ids)
        image = ids == IMAGE
        rows = self.model.get_input_embeddings()(torch.where(image, 0, ids)).clone()
        if image.any():
            rows[image] = features.reshape(-1, features.shape[-1])
        return rows

    @torch.no_grad()
    def logits(self, embeddings):
        """(batch, positions, pieces) of one plain forward pass over (batch, positions, hidden)."""
        return self.model(inputs_embeds=embeddings, use_cache=False).logits

    @torch.no_grad()
    def greedy(self, embeddings, count):
        """Greedy ids (batch, count) among the pieces, and their relative top-1/top-2 margins."""
        cache = DynamicCache()
        step, ids, margins = embeddings, [], []
        for _ in range(count):
            logits = self.model(inputs_embeds=step, past_key_values=cache, use_cache=True).logits[:, -1, : self.pieces]
            top = logits.topk(2)
            margins.append((top.values[:, 0] - top.values[:, 1]) / logits.abs().amax(-1))
            ids.append(top.indices[:, 0])
            step = self.model.get_input_embeddings()(ids[-1])[:, None]
        return torch.stack(ids, 1), torch.stack(margins, 1)
