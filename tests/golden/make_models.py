"""Writes models/<preset>.json: what transformers computes from the tiny models.

Usage: python make_models.py [preset...]            all by default
       python make_models.py --check preset FOLDER  a checkpoint that testkit wrote, opened by
                                                    transformers itself, against the stored outputs

Needs torch, transformers 5, tokenizers, numpy; CPU only. See reference.py for what computes,
formula.py for weights and pixels, mutations.py for what the numbers can tell apart.

Prompts are put together here by hand from token ids, so a slip in the Rust tokenizer or prompt
cannot hide one in the model. In the stored ids one -200 stands for a whole picture.
Questions and pictures are the first for which every greedy step's top two logits lie far enough
apart that identical tokens are a fair demand.
"""

import base64
import hashlib
import json
import sys

import numpy as np
import tokenizers
import torch
import transformers

import formula
import mutations
from reference import IMAGE, Reference

SYSTEM = ("A chat between a curious user and an artificial intelligence assistant. The assistant gives "
          "helpful, detailed, and polite answers to the user's questions.")
QUESTIONS = [
    "What is in the picture?", "Describe the picture.", "What color is the cat?", "Is it hot in there?",
    "Which of these is red?", "How many birds are there?", "Read the sign.", "图片中有什么?",
    "Where was this taken?", "What is the man doing?", "Is there a dog?\nAnswer with yes or no.", "Why?",
]
PICTURES = range(16)
STEPS = 64
# The tests demand identical tokens at margins of 1e-3; a little more here, for other machines.
MARGIN = 1.5e-3
TEACHER = [0, 1, 7, 31, 63]

TOKENIZER = tokenizers.Tokenizer.from_file(str(formula.ROOT / "crates/testkit/tokenizer.json"))


def text(s):
    return TOKENIZER.encode(s, add_special_tokens=False).ids


def prompt(turns):
    """turns: (pictures, question, answer or None). Ids with one -200 for each picture."""
    ids, run = [1], f"{SYSTEM} "
    for pictures, question, answer in turns:
        run += "USER: "
        for _ in range(pictures):
            ids += text(run) + [IMAGE]
            run = "\n"
        run += f"{question} ASSISTANT:"
        if answer is None:
            return ids + text(run)
        ids += text(f"{run} {answer}") + [2]
        run = ""
    raise ValueError("the last turn has an answer")


def expand(ids, image_tokens):
    return [i for id in ids for i in ([id] * image_tokens if id == IMAGE else [id])]


def pack(values):
    values = np.ascontiguousarray(torch.as_tensor(values).detach().numpy(), dtype="<f4")
    return base64.b64encode(values.tobytes()).decode()


def weights_digest(spec):
    """Of all names and f32 values before rounding: what the Rust formula must reproduce."""
    digest = hashlib.sha256()
    for name, shape in formula.shapes(spec):
        digest.update(name.encode())
        digest.update(formula.tensor(name, shape, spec).astype("<f4").tobytes())
    return digest.hexdigest()


def pixels_digest(spec, picture):
    return hashlib.sha256(formula.pixels(spec["vision"]["image_size"], picture).astype("<f4").tobytes()).hexdigest()


class Maker:
    def __init__(self, spec):
        self.spec = spec
        self.reference = Reference(spec)
        self.seen = {}
        self.image_tokens = self.see(0).shape[0]

    def see(self, picture):
        if picture not in self.seen:
            self.seen[picture] = self.reference.see([picture])[0]
        return self.seen[picture]

    def rows(self, turns, pictures):
        ids = expand(prompt(turns), self.image_tokens)
        assert len(ids) + STEPS <= self.spec["text"]["context"], len(ids)
        return self.reference.embed(ids, torch.stack([self.see(p) for p in pictures]) if pictures else None)

    def answers(self, turns, batches):
        """Greedy ids and smallest margin for each list of pictures."""
        rows = torch.stack([self.rows(turns, b) for b in batches])
        ids, margins = self.reference.greedy(rows, STEPS)
        return ids.tolist(), margins.amin(1).tolist()

    def choose(self):
        """Two pictures and three questions whose answers are decided clearly, and differ."""
        table = [self.answers([(1, q, None)], [[p] for p in PICTURES]) for q in QUESTIONS]
        for b in PICTURES:
            for a in range(b):
                good = [q for q, (ids, m) in enumerate(table)
                        if min(m[a], m[b]) >= MARGIN and ids[a] != ids[b]]
                if len(good) >= 3:
                    return [a, b], [QUESTIONS[q] for q in good[:3]]
        raise SystemExit(f"{self.spec['name']}: no clear pictures; try another seed")

    def first_clear(self, candidates, batch):
        for turns in candidates:
            _, margins = self.answers(turns, [batch])
            if margins[0] >= MARGIN:
                return turns
        raise SystemExit(f"{self.spec['name']}: no clear question; try another seed")

    def run(self, name, turns, pictures):
        """One stored run, recomputed by one plain forward pass over prompt and answer."""
        answer = self.answers(turns, [pictures])[0][0]
        rows = self.rows(turns, pictures)
        embed = self.reference.model.get_input_embeddings()
        whole = torch.cat([rows, embed(torch.tensor(answer[:-1]))])
        raw = self.reference.logits(whole[None])[0, rows.shape[0] - 1:]
        logits = raw[:, : self.reference.pieces]
        top = logits.topk(2)
        assert top.indices[:, 0].tolist() == answer, name
        margin = ((top.values[:, 0] - top.values[:, 1]) / logits.abs().amax(-1)).min().item()
        assert margin >= MARGIN * 0.9, (name, margin)
        masked = (raw.argmax(-1) >= self.reference.pieces).sum().item()
        run = {
            "name": name,
            "messages": [m for n, q, a in turns for m in
                         [{"role": "user", "text": q, "pictures": n}] +
                         ([{"role": "assistant", "text": a}] if a is not None else [])],
            "pictures": pictures,
            "ids": prompt(turns),
            "logits": pack(logits[0]),
            "greedy": answer,
            "margin": float(f"{margin:.3g}"),
            "padding_row_wins": masked,
        }
        return run, logits

    def features(self, picture):
        values = self.see(picture)
        count = values.shape[0]
        rows = sorted({round(i * (count - 1) / 7) for i in range(8)})
        return {"picture": picture, "pixels_sha256": pixels_digest(self.spec, picture), "rows": rows, "values": pack(values[rows]),
                "norms": pack(values.double().norm(dim=-1))}

    def make(self):
        pictures, questions = self.choose()
        runs, teacher = [], None
        for q, question in enumerate(questions):
            for p in pictures:
                run, logits = self.run(f"question {q}, picture {p}", [(1, question, None)], [p])
                teacher = teacher or {"run": 0, "steps": TEACHER, "logits": pack(logits[TEACHER])}
                runs.append(run)
        plain = self.first_clear([[(0, q, None)] for q in QUESTIONS], [])
        runs.append(self.run("text only", plain, [])[0])
        two = self.first_clear([[(2, q, None)] for q in QUESTIONS], pictures)
        runs.append(self.run("two pictures", two, pictures)[0])
        first = (1, questions[0], "A red bird 红色.")
        again = self.first_clear([[first, (0, q, None)] for q in QUESTIONS], pictures[:1])
        runs.append(self.run("second turn", again, pictures[:1])[0])

        exact = self.reference.double()
        ids = expand(runs[0]["ids"], self.image_tokens)
        features64 = exact.see(pictures[:1])
        logits64 = exact.logits(exact.embed(ids, features64)[None])[0, -1, : exact.pieces]
        logits32 = self.reference.logits(self.reference.embed(ids, self.see(pictures[0]))[None])[0, -1, : exact.pieces]
        number = lambda x: float(f"{x:.3g}")
        # A mistake that changes nothing in this preset is no mistake here.
        table = lambda moved: {k: number(v) for k, v in moved.items() if v > 0}
        return {
            "made_with": f"torch {torch.__version__.split('+')[0]}, transformers {transformers.__version__}",
            "spec": self.spec,
            "weights_sha256": weights_digest(self.spec),
            "pieces": self.reference.pieces,
            "image_tokens": self.image_tokens,
            "system": SYSTEM,
            "features": [self.features(p) for p in pictures],
            "runs": runs,
            "teacher": teacher,
            # Distance of this f32 reference to the same computation in f64.
            "rounding": {"features": number(mutations.distance(self.see(pictures[0])[None], features64)),
                         "logits": number(mutations.distance(logits32, logits64))},
            "mutations": {
                "features": table(mutations.features(self.reference, pictures[:1])),
                "logits": table(mutations.logits(self.reference, ids, pictures[:1])),
            },
        }


def write(path, value):
    """One line for each leaf of the first two levels: reviewable, and small."""
    lines = []
    for key, part in value.items():
        if isinstance(part, list):
            inner = ",\n  ".join(json.dumps(x, ensure_ascii=False, separators=(",", ":")) for x in part)
            lines.append(f" {json.dumps(key)}: [\n  {inner}\n ]")
        else:
            lines.append(f" {json.dumps(key)}: {json.dumps(part, ensure_ascii=False)}")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def check(name, folder):
    """Opens a written checkpoint with transformers' own loader and compares."""
    stored = json.loads((formula.ROOT / f"tests/golden/models/{name}.json").read_text())
    spec = stored["spec"]
    model, info = transformers.LlavaForConditionalGeneration.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"], info
    loaded = Reference(spec, model)
    run = stored["runs"][0]
    seen = loaded.see(run["pictures"])
    ids = expand(run["ids"], stored["image_tokens"])
    logits = loaded.logits(loaded.embed(ids, seen)[None])[0, -1, : loaded.pieces]
    want = torch.from_numpy(np.frombuffer(base64.b64decode(run["logits"]), dtype="<f4").copy())
    pieces = transformers.AutoTokenizer.from_pretrained(folder)
    assert pieces(SYSTEM)["input_ids"] == [1] + text(SYSTEM)
    print(name, "distance", mutations.distance(logits, want), "config", model.config.text_config.rope_parameters)


def main(arguments):
    if arguments[:1] == ["--check"]:
        return check(*arguments[1:])
    specs = formula.presets()
    for name in arguments or specs:
        made = Maker(specs[name]).make()
        path = formula.ROOT / f"tests/golden/models/{name}.json"
        write(path, made)
        print(name, path.stat().st_size, "rounding", made["rounding"], "margins", [r["margin"] for r in made["runs"]],
              "padding rows win", sum(r["padding_row_wins"] for r in made["runs"]), flush=True)
        for kind, table in made["mutations"].items():
            for mistake, moved in table.items():
                print(f"    {kind:8} {moved:8.1e} {mistake}")


if __name__ == "__main__":
    main(sys.argv[1:])
