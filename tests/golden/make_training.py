"""What transformers, torch and PEFT make of a training run on the tiny model `base`.

Needs torch, transformers 5, peft, tokenizers, numpy. Run: python make_training.py
Writes training/labels.json (which tokens are targets in 500 conversations, by the rule of the
original's preprocess_v1), training/schedule.json (transformers' cosine with warm-up) and
training/steps.json (losses, first gradients and the change of every tensor after ten steps, for
stage 1, stage 2, LoRA and all of the model).

Tensors are compared by random projections: tensor t has the 16 numbers sum_i s_k(i) t_i with signs
s_k(i) = bit k of mix(fnv1a64(name) + i). The mean square of 16 projections of a difference
estimates its squared norm.
"""

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import peft
import torch
import transformers
from transformers import PreTrainedTokenizerFast, get_cosine_schedule_with_warmup

import formula
import reference

HERE = Path(__file__).resolve().parent
SYSTEM = ("A chat between a curious user and an artificial intelligence assistant. "
          "The assistant gives helpful, detailed, and polite answers to the user's questions.")
IGNORE, IMAGE = -100, -200
TEXTS = json.loads((HERE / "training" / "texts.json").read_text())
tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(formula.ROOT / "crates/testkit/tokenizer.json"),
                                    bos_token="<s>", eos_token="</s>", unk_token="<unk>")


# --- conversations by number: the same formula stands in tests/golden/training.rs -----------------

def conversation(n):
    """(has a picture, [(question, answer)])."""
    draw = iter(range(1000))
    pick = lambda items: items[formula.mix(n * 1000 + next(draw)) % len(items)]
    picture = formula.mix(n * 1000 + 999) % 4 != 0
    return picture, [(pick(TEXTS["questions"]), pick(TEXTS["answers"])) for _ in range(1 + formula.mix(n * 1000 + 998) % 4)]


# --- the original's rule, from LLaVA-1.5's train.py -----------------------------------------------

def encode(text):
    return [tokenizer.bos_token_id] + tokenizer.encode(text, add_special_tokens=False)


def tokenizer_image_token(prompt):
    chunks = [encode(chunk) for chunk in prompt.split("<image>")]
    ids = chunks[0]
    for chunk in chunks[1:]:
        ids = ids + [IMAGE] + chunk[1:]
    return ids


def preprocess_v1(picture, turns):
    prompt = SYSTEM + " "
    for n, (question, answer) in enumerate(turns):
        if picture and n == 0:
            question = ("<image>\n" + question.strip()).strip()
        prompt += "USER: " + question + " "
        prompt += "ASSISTANT: " + answer + "</s>" if answer else "ASSISTANT:"
    ids = tokenizer_image_token(prompt)
    targets = list(ids)
    total = len(ids)
    current = 1
    targets[0] = IGNORE
    for round_ in prompt.split("</s>"):
        if round_ == "":
            break
        parts = round_.split(" ASSISTANT: ")
        if len(parts) != 2:
            break
        round_len = len(tokenizer_image_token(round_))
        instruction_len = len(tokenizer_image_token(parts[0] + " ASSISTANT: ")) - 2
        targets[current:current + instruction_len] = [IGNORE] * instruction_len
        current += round_len
    targets[current:] = [IGNORE] * (total - current)
    # An unanswered end is no round: the original's count then stops short of the whole and it drops
    # the conversation unless nothing but that end is left.
    if current != total and turns[-1][1]:
        raise AssertionError("the original would drop this conversation")
    return ids, targets


def preprocess_plain(turns):
    ids = tokenizer_image_token("<image>" + turns[0][1] + "\n")
    return ids, [IGNORE, IGNORE] + ids[2:]


def digest(ids, targets):
    text = " ".join(f"{i}:{int(t != IGNORE)}" for i, t in zip(ids, targets))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def labels():
    out = []
    for n in range(500):
        ids, targets = preprocess_v1(*conversation(n))
        out.append(digest(ids, targets))
    plain = [digest(*preprocess_plain(conversation(n)[1])) for n in range(50)]
    return {"v1": out, "plain": plain}


# --- ten steps -------------------------------------------------------------------------------------

def projections(name, values):
    with np.errstate(over="ignore"):
        bits = formula.mix(np.uint64(formula.fnv1a64(name)) + np.arange(values.size, dtype=np.uint64))
    flat = values.reshape(-1).astype(np.float64)
    return [float(np.where((bits >> np.uint64(k)) & np.uint64(1), flat, -flat).sum()) for k in range(16)]


def summary(name, tensor):
    values = tensor.detach().numpy().astype(np.float64)
    return {"norm": float(np.sqrt((values ** 2).sum())), "projections": projections(name, values)}


def classic(attribute):
    for new, old in [("lm_head.", "language_model.lm_head."), ("model.language_model.", "language_model.model."),
                     ("model.vision_tower.", "vision_tower.vision_model."),
                     ("model.multi_modal_projector.", "multi_modal_projector.")]:
        if attribute.startswith(new):
            return old + attribute.removeprefix(new)
    raise KeyError(attribute)


def loss_of(ref, samples):
    """The mean over all targets of the micro-batch."""
    total, count = 0.0, 0
    model = ref.model.base_model.model if isinstance(ref.model, peft.PeftModel) else ref.model
    for picture, ids, targets in samples:
        rows, labels = [], []
        embedding = model.get_input_embeddings()
        for i, t in zip(ids, targets):
            if i == IMAGE:
                features = model.get_image_features(ref.pixels([picture])).pooler_output[0]
                rows.append(features)
                labels += [IGNORE] * len(features)
            else:
                rows.append(embedding(torch.tensor([i])))
                labels.append(t)
        logits = model(inputs_embeds=torch.cat(rows)[None], use_cache=False).logits[0]
        labels = torch.tensor(labels)
        total = total + torch.nn.functional.cross_entropy(
            logits[:-1], labels[1:], ignore_index=IGNORE, reduction="sum")
        count += int((labels[1:] != IGNORE).sum())
    return total / count


def answered(turns):
    return any(answer for _, answer in turns)


def batches(stage):
    """Ten micro-batches of four."""
    chosen = [n for n in range(500) if answered(conversation(n)[1]) and (stage != "1" or conversation(n)[1][0][1])]
    out = []
    for step in range(10):
        batch = []
        for n in chosen[4 * step:4 * step + 4]:
            picture, turns = conversation(n)
            if stage == "1":
                batch.append((n, *preprocess_plain(turns)))
            else:
                batch.append((n, *preprocess_v1(picture, turns)))
        out.append(batch)
    return out


def run(stage, rate, decay=0.0, clip=None):
    spec = formula.presets()["base"]
    ref = reference.Reference(spec)
    names = {}
    if stage == "lora":
        config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=r".*language_model.*_proj", lora_dropout=0.0,
                                 bias="none")
        ref.model = peft.get_peft_model(ref.model, config)
    for attribute, parameter in ref.model.named_parameters():
        parameter.requires_grad_(False)
        name = attribute.removeprefix("base_model.model.").replace(".base_layer.", ".").replace(".default.", ".")
        name = classic(name)
        part = name.split(".")[0]
        unused = ".encoder.layers.3." in name or "post_layernorm" in name
        learns = {"1": part == "multi_modal_projector", "2": part != "vision_tower", "all": not unused,
                  "lora": part == "multi_modal_projector" or "lora_" in name}[stage]
        if "lora_" in name:
            values = formula.uniform(name, parameter.numel(), spec["seed"]) * np.float32(0.2)
            parameter.data = torch.from_numpy(values.reshape(tuple(parameter.shape)).copy())
        if learns:
            parameter.requires_grad_(True)
            names[name] = parameter
    before = {name: p.detach().clone() for name, p in names.items()}
    norms = [p for name, p in names.items() if "norm" in name or name.endswith(".bias")]
    others = [p for name, p in names.items() if not ("norm" in name or name.endswith(".bias"))]
    optimiser = torch.optim.AdamW([{"params": others, "weight_decay": decay}, {"params": norms, "weight_decay": 0.0}],
                                  lr=rate, betas=(0.9, 0.999), eps=1e-8)
    schedule = get_cosine_schedule_with_warmup(optimiser, math.ceil(0.03 * 10), 10)
    losses, gradients = [], None
    for batch in batches(stage):
        optimiser.zero_grad()
        loss = loss_of(ref, batch)
        loss.backward()
        for p in names.values():
            # DeepSpeed has a zero where torch has nothing.
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
        if gradients is None:
            gradients = {name: summary(name, p.grad) for name, p in names.items()}
        if clip:
            torch.nn.utils.clip_grad_norm_(list(names.values()), clip)
        optimiser.step()
        schedule.step()
        losses.append(float(loss))
    changes = {name: summary(name, p - before[name]) for name, p in names.items()}
    return {"rate": rate, "decay": decay, "clip": clip, "losses": losses, "gradients": gradients, "changes": changes}


def factors(steps, ratio):
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = get_cosine_schedule_with_warmup(optimiser, math.ceil(ratio * steps), steps)
    out = []
    for _ in range(steps):
        out.append(schedule.get_last_lr()[0])
        optimiser.step()
        schedule.step()
    return out


def write(name, value):
    value = {"made_with": {"torch": torch.__version__, "transformers": transformers.__version__,
                           "peft": peft.__version__}, **value}
    (HERE / "training" / name).write_text(json.dumps(value, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    write("labels.json", labels())
    write("schedule.json", {"runs": [{"steps": s, "ratio": r, "factors": factors(s, r)}
                                     for s, r in [(40, 0.03), (7, 0.3), (3, 0.0)]]})
    write("steps.json", {"1": run("1", 1e-3), "2": run("2", 2e-4, decay=0.1, clip=1.0), "lora": run("lora", 1e-3),
                         "all": run("all", 2e-4)})
