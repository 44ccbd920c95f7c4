"""Makes tests/golden/tokens: the LLaMA vocabulary and reference ids for many strings.

The reference is SentencePiece itself (the C++ library behind the `sentencepiece` package), run
on a model file that is put together here from the bare vocabulary. Decoded texts come from the
`tokenizers` library with the decoder of llava-hf's tokenizer.json, as transformers runs it.

    npm pack llama-tokenizer-js@1.2.2 && tar xzf llama-tokenizer-js-1.2.2.tgz
    python make_tokens.py package/llama-tokenizer.js [tokenizer.model]

With a genuine LLaMA tokenizer.model as second argument, pieces, scores and kinds are checked
against it, and the ids of every string against its own. (Done with the file that
github.com/karpathy/llama2.c carries: all equal.)

Written:
    vocabulary.txt.gz  32,000 pieces, one a line, in the order of their ids
    strings.jsonl.gz   [string, ids] a line
    decoded.jsonl.gz   [ids, text] a line

Kinds and scores follow from the id: 0 is unknown, 1 and 2 are control, 3 to 258 are bytes, the
others are text and score 259 - id, but for the runs of spaces, which score -1e9.
"""

import base64
import gzip
import json
import pathlib
import random
import re
import struct
import sys

import sentencepiece
import tokenizers
from tokenizers import decoders

OUT = pathlib.Path(__file__).parent / "tokens"


def vocabulary(source):
    text = pathlib.Path(source).read_text(encoding="utf-8")
    packed = re.search(r'llama_vocab_base64 = "([^"]+)"', text).group(1)
    pieces = base64.b64decode(packed).decode("utf-8").split("\n")
    assert len(pieces) == 32000 and pieces[:3] == ["<unk>", "<s>", "</s>"]
    return pieces


def kind(number):
    return 2 if number == 0 else 3 if number < 3 else 6 if number < 259 else 1


def score(number, piece):
    if number < 259:
        return 0.0
    return -1e9 if set(piece) == {"▁"} else float(259 - number)


def varint(n):
    out = b""
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    """One protobuf field: int, float or bytes."""
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def model_file(pieces):
    """sentencepiece_model.proto: ModelProto with pieces, TrainerSpec, NormalizerSpec."""
    out = b""
    for number, piece in enumerate(pieces):
        entry = field(1, piece.encode()) + field(2, score(number, piece)) + field(3, kind(number))
        out += field(1, entry)
    bpe, byte_fallback = field(3, 2), field(35, 1)
    out += field(2, bpe + field(4, len(pieces)) + byte_fallback)
    dummy_prefix, keep_spaces, escape_spaces = field(3, 1), field(4, 0), field(5, 1)
    return out + field(3, field(1, b"identity") + dummy_prefix + keep_spaces + escape_spaces)


ENGLISH = """What is shown in this picture, and where was it taken? Please describe the image in detail.
Answer the question using a single word or phrase. The quick brown fox jumps over the lazy dog's
back -- 1,234.56 times! A chat between a curious user and an artificial intelligence assistant.
E-mail: someone@example.org; see https://example.org/a_b?c=d&e=%20f#g. "Quotes", (brackets), {braces}
[0.12, 0.34, 0.56, 0.78] isn't wouldn't I'm naïve café coöperate PhD NASA iPhone 3rd don't""".split()
CHINESE = "请描述这张图片里有什么。一只猫坐在窗台上，看着外面的雨！你好吗？龘靐齉爩𠮷𪚥　「引号」、；：漢字繁體圖片"
ARABIC = "ما الذي يظهر في هذه الصورة؟ قطة تجلس على النافذة وتنظر إلى المطر، مُحَمَّد ١٢٣ لا إله"
OTHERS = "Что на картинке? Ёжик в тумане. 写真に何が写っていますか？ネコです。사진에 무엇이 있나요? Τι είναι αυτό; यह क्या है? ภาพนี้คืออะไร ნახე זה חתול"
EMOJI = "😀 👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈 🇨🇳🇬🇧 ❤️ 1️⃣ 🧑🏿‍🚀 ☺ ☺️ 🫠 👁️‍🗨️".split()
MARKERS = """<image> </s> <s> <unk> <pad> ASSISTANT: USER: <|im_end|> [INST] [/INST] <<SYS>> <0x0A> <0xFF> <0x00> ▁ ▁▁
<im_start> <im_patch> </ s > <</s>> <s></s> <image><image> ###Human: \\n""".split()


def strings():
    rng = random.Random(20231005)
    yield from [""] + [" " * n for n in range(1, 131)] + ["▁" * n for n in range(1, 20)]
    yield from ["\n" * n for n in range(1, 20)] + ["\t" * n for n in range(1, 20)]
    yield from [" " * n + "word" + " " * (n % 7) + "next" for n in range(1, 60)]
    yield from ["word" + " " * n + "," for n in range(1, 40)]
    yield from [chr(c) for c in range(0x00, 0x180)] + ["a" + chr(c) + "b" for c in range(0x00, 0x100)]
    yield from MARKERS + ["a" + m for m in MARKERS] + [m + " b" for m in MARKERS]
    yield from [CHINESE, ARABIC, OTHERS, " ".join(EMOJI), "".join(EMOJI), " ".join(ENGLISH)]
    yield from EMOJI
    yield from ["e\u0301 \u00e9", "\ufeffBOM", "a\u200bb\u200d\u202ec", "\ufffd", "\U0010ffff", "\u2028\u2029\x85"]
    yield from ["A chat between a curious user and an artificial intelligence assistant. The assistant gives "
                "helpful, detailed, and polite answers to the user's questions. USER: ",
                "\nWhat is this?\nAnswer the question using a single word or phrase. ASSISTANT:",
                "USER: Why? ASSISTANT:", " ASSISTANT: Once"]
    yield from ["ab" * 400, "a" * 1000, " a" * 300, "の" * 200, "=" * 333, "-" * 129, "0" * 100]

    def some(source, low, high):
        return [rng.choice(source) for _ in range(rng.randint(low, high))]

    blanks = [" ", " ", " ", " ", "  ", "\n", "\n\n", "\t", "     ", "\r\n"]
    for _ in range(400):
        yield "".join(w + rng.choice(blanks) for w in some(ENGLISH, 1, 14))
    for text in (CHINESE, ARABIC, OTHERS):
        for _ in range(120):
            yield "".join(some(text, 1, 16))
    mixed = ENGLISH + list(CHINESE) + ARABIC.split() + EMOJI + MARKERS + blanks * 4
    for _ in range(300):
        yield "".join(some(mixed, 1, 14))
    for _ in range(250):
        low_heavy = [rng.randrange(0x20 << rng.randrange(0, 13)) for _ in range(rng.randint(1, 12))]
        yield "".join(chr(c) for c in low_heavy if not 0xD800 <= c < 0xE000)
    for _ in range(150):
        yield "".join(chr(rng.randrange(0xE000, 0x110000)) for _ in range(rng.randint(1, 5)))


def sequences(encoded):
    """Ids whose decoding is to be compared: real texts, and bytes and pieces in disorder."""
    rng = random.Random(7)
    yield from rng.sample(encoded, 100)
    for _ in range(300):
        ids = []
        for _ in range(rng.randint(1, 6)):
            what = rng.randrange(4)
            if what == 0:
                ids += [3 + b for b in chr(rng.choice([0xE9, 0x4E2D, 0x1F600, 10, 32])).encode()]
            elif what == 1:
                ids += [3 + rng.randrange(256)]
            elif what == 2:
                ids += [rng.choice([0, 1, 2, 29871, 259, 29871])]
            else:
                ids += [rng.randrange(259, 32000)]
        yield ids


def write(name, lines):
    with gzip.GzipFile(OUT / name, "wb", 9, mtime=0) as file:
        file.write("".join(line + "\n" for line in lines).encode("utf-8"))


def dump(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def main():
    pieces = vocabulary(sys.argv[1])
    model = sentencepiece.SentencePieceProcessor(model_proto=model_file(pieces))
    lines, encoded = [], []
    genuine = None
    if len(sys.argv) > 2:
        genuine = sentencepiece.SentencePieceProcessor(model_file=sys.argv[2])
        for number, piece in enumerate(pieces):
            assert genuine.id_to_piece(number) == piece and genuine.get_score(number) == score(number, piece)
            is_kind = {2: genuine.is_unknown, 3: genuine.is_control, 6: genuine.is_byte}.get(kind(number))
            assert is_kind is None or is_kind(number)
    for text in dict.fromkeys(strings()):
        ids = model.encode(text)
        assert genuine is None or genuine.encode(text) == ids
        lines.append(dump([text, ids]))
        encoded.append(ids)

    vocab = {piece: number for number, piece in enumerate(pieces)}
    fast = tokenizers.Tokenizer(tokenizers.models.BPE(vocab, [], unk_token="<unk>", byte_fallback=True))
    fast.add_special_tokens(["<unk>", "<s>", "</s>"])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    fast.decoder = decoders.Sequence(steps)
    decoded = [dump([ids, fast.decode(ids, skip_special_tokens=True)]) for ids in sequences(encoded)]

    OUT.mkdir(exist_ok=True)
    write("vocabulary.txt.gz", pieces)
    write("strings.jsonl.gz", lines)
    write("decoded.jsonl.gz", decoded)
    for name in ("vocabulary.txt.gz", "strings.jsonl.gz", "decoded.jsonl.gz"):
        print(name, (OUT / name).stat().st_size, "bytes")
    print(len(lines), "strings,", len(decoded), "sequences")


main()
