"""Writes crates/testkit/tokenizer.json: LLaMA's tokenizer in small.

Same structure as llava-hf's: ids 0..2 special, 3..258 bytes, merged pieces, single characters,
then `<image>` and `<pad>`; BPE with byte fallback whose merges are all splits of all pieces.
"""

import json
from formula import ROOT

MERGED = """
▁▁ ▁t in er ▁a he on re ▁s en at or ▁the ▁w ▁i ti es an ▁o ou is it ▁p al ar ing ▁c ed ▁of ▁and
▁an ic io ion ▁u se us ser ▁use ▁b ct ur ture ▁pi ▁pic ▁picture ▁A ▁U ▁US SS IS IST AN ANT ER ▁W
hat ▁What ▁is ▁in st am ant ▁as le ct ts ll th 图片 ▁1 00 de sc ri be ▁x ly ow ▁f
""".split()
SINGLE = "▁" + "".join(map(chr, range(33, 127))) + "的一是图片中有猫红色两只"


def build():
    merged = list(dict.fromkeys(MERGED))
    # Every merged piece must be the sum of two pieces, or no text could ever reach it.
    extra = {"ture": ["tu"], "▁use": ["▁us"], "▁picture": ["▁pict"], "▁What": ["▁Wh"], "ant": [], "hat": ["ha"]}
    for piece, needed in extra.items():
        merged[merged.index(piece):merged.index(piece)] = needed
    normal = merged + list(SINGLE)
    assert len(set(normal)) == len(normal)
    vocab = {t: i for i, t in enumerate(["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)] + normal)}
    ordinary = set(normal)
    merges = []
    for t in merged:
        splits = [(t[:i], t[i:]) for i in range(1, len(t))]
        splits = [(l, r) for l, r in splits if l in ordinary and r in ordinary]
        assert splits, t
        # Runs of spaces have the worst score of all in LLaMA's vocabulary.
        score = -1e9 if set(t) == {"▁"} else -vocab[t]
        merges += [(score, vocab[l], vocab[r], l, r) for l, r in splits]
    merges.sort(key=lambda m: (-m[0], m[1], m[2]))

    def added(id, content):
        return {"id": id, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": False, "special": True}

    specials = [(0, "<unk>"), (1, "<s>"), (2, "</s>"), (len(vocab), "<image>"), (len(vocab) + 1, "<pad>")]
    bos = {"SpecialToken": {"id": "<s>", "type_id": 0}}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [added(*s) for s in specials],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [bos, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [bos, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<s>", "type_id": 1}},
                     {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "vocab": vocab,
                  "merges": [f"{l} {r}" for _, _, _, l, r in merges]},
    }


if __name__ == "__main__":
    path = ROOT / "crates/testkit/tokenizer.json"
    path.write_text(json.dumps(build(), ensure_ascii=False, separators=(",", ":")) + "\n")
