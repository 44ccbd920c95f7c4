"""GGUF files that are wrong in one way each, and two that are right.

They are the regression corpus of the header reader and the seeds of its fuzz target. None is
larger than a few kilobytes.

    python tests/golden/gguf_headers.py
"""

import pathlib
import struct

OUT = pathlib.Path(__file__).parents[2] / "crates/llava/fuzz/corpus/gguf_header"

U8, I8, U16, I16, U32, I32, F32, BOOL, STR, ARR, U64, I64, F64 = range(13)
PACK = {U8: "<B", I8: "<b", U16: "<H", I16: "<h", U32: "<I", I32: "<i", F32: "<f", BOOL: "<?",
        U64: "<Q", I64: "<q", F64: "<d"}


def string(s):
    b = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<Q", len(b)) + b


def value(kind, v):
    if kind == STR:
        return string(v)
    if kind == ARR:
        of, items = v
        return struct.pack("<IQ", of, len(items)) + b"".join(value(of, i) for i in items)
    return struct.pack(PACK[kind], v)


def kv(key, kind, v):
    return string(key) + struct.pack("<I", kind) + value(kind, v)


def tensor(name, dims, kind=0, offset=0, count=None):
    """`dims` as the file has them: innermost first."""
    n = len(dims) if count is None else count
    return string(name) + struct.pack("<I", n) + b"".join(struct.pack("<Q", d) for d in dims) \
        + struct.pack("<IQ", kind, offset)


def build(kvs, tensors, data=b"", version=3, magic=b"GGUF", counts=None, align=32):
    n_tensors, n_kvs = counts or (len(tensors), len(kvs))
    head = magic + struct.pack("<IQQ", version, n_tensors, n_kvs) + b"".join(kvs) + b"".join(tensors)
    return head + b"\0" * (-len(head) % align) + data


LLAMA = [
    kv("general.architecture", STR, "llama"),
    kv("llama.context_length", U32, 64),
    kv("llama.embedding_length", U32, 8),
    kv("llama.block_count", U32, 1),
    kv("llama.feed_forward_length", U32, 16),
    kv("llama.attention.head_count", U32, 2),
    kv("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
    kv("tokenizer.ggml.model", STR, "llama"),
]
PIECES = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)] + ["a", "b", "ab"]
VOCABULARY = [
    kv("tokenizer.ggml.tokens", ARR, (STR, PIECES)),
    kv("tokenizer.ggml.scores", ARR, (F32, [-float(i) for i in range(len(PIECES))])),
    kv("tokenizer.ggml.token_type", ARR, (I32, [2, 3, 3] + [6] * 256 + [1] * 3)),
]
ONE = kv("general.architecture", STR, "llama")


def language():
    dims = {"token_embd": [8, 262], "output": [8, 262], "output_norm": [8], "blk.0.attn_norm": [8],
            "blk.0.ffn_norm": [8], "blk.0.attn_q": [8, 8], "blk.0.attn_k": [8, 8], "blk.0.attn_v": [8, 8],
            "blk.0.attn_output": [8, 8], "blk.0.ffn_gate": [8, 16], "blk.0.ffn_up": [8, 16],
            "blk.0.ffn_down": [16, 8]}
    return pack(LLAMA + VOCABULARY, dims)


def clip():
    kvs = [
        kv("general.architecture", STR, "clip"),
        kv("clip.has_vision_encoder", BOOL, True),
        kv("clip.has_llava_projector", BOOL, True),
        kv("clip.use_gelu", BOOL, False),
        kv("clip.vision.image_size", U32, 4),
        kv("clip.vision.patch_size", U32, 2),
        kv("clip.vision.embedding_length", U32, 4),
        kv("clip.vision.feed_forward_length", U32, 8),
        kv("clip.vision.attention.head_count", U32, 2),
        kv("clip.vision.attention.layer_norm_epsilon", F32, 1e-5),
        kv("clip.vision.block_count", U32, 1),
        kv("clip.vision.image_mean", ARR, (F32, [0.5, 0.5, 0.5])),
        kv("clip.vision.image_std", ARR, (F32, [0.25, 0.25, 0.25])),
    ]
    dims = {"v.class_embd": [4], "v.patch_embd": [2, 2, 3, 4], "v.position_embd": [4, 5], "v.pre_ln": [4],
            "mm.0": [4, 8], "mm.2": [8, 8], "v.blk.0.ln1": [4], "v.blk.0.ln2": [4],
            "v.blk.0.attn_q": [4, 4], "v.blk.0.attn_k": [4, 4], "v.blk.0.attn_v": [4, 4],
            "v.blk.0.attn_out": [4, 4], "v.blk.0.ffn_down": [4, 8], "v.blk.0.ffn_up": [8, 4]}
    return pack(kvs, dims)


def pack(kvs, dims):
    """Tensors of f32 with only their last bytes in the file missing nothing: data is zeros."""
    tensors, offset = [], 0
    for name, d in dims.items():
        full = name if name == "v.class_embd" else name + ".weight"
        tensors.append(tensor(full, d, 0, offset))
        size = 4
        for n in d:
            size *= n
        offset += size + (-size % 32)
        if name.startswith(("mm.", "v.blk.", "v.pre_ln")):
            tensors.append(tensor(name + ".bias", d[-1:], 0, offset))
            size = 4 * d[-1]
            offset += size + (-size % 32)
    return build(kvs, tensors, b"\0" * offset)


def nested(depth):
    body = struct.pack("<I", U8) + struct.pack("<Q", 0)
    for _ in range(depth):
        body = struct.pack("<IQ", ARR, 1) + body
    return string("x") + struct.pack("<I", ARR) + body


def claims(kind, of, count):
    return string("x") + struct.pack("<IIQ", kind, of, count)


T = tensor("t", [8])
FILES = {
    "valid-language": language(),
    "valid-vision": clip(),
    "valid-version-2": build([ONE], [T], b"\0" * 32, version=2),
    "empty-string-key": build([kv("", U8, 1)], []),
    "not-gguf": b"\x93NUMPY\x01\x00" + b"\0" * 64,
    "web-page": b"<!DOCTYPE html><html><title>404</title></html>",
    "git-lfs-note": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4081004224\n",
    "ggml-of-before": build([], [], magic=b"tjgg"),
    "magic-only": b"GGUF",
    "version-0": build([], [], version=0),
    "version-1": build([], [], version=1),
    "version-4": build([], [], version=4),
    "big-endian": build([], [], version=0x03000000),
    "cut-in-counts": build([ONE], [T], b"\0" * 32)[:15],
    "cut-in-values": build([ONE], [T], b"\0" * 32)[:50],
    "cut-in-tensors": build([ONE], [T], b"\0" * 32)[:90],
    "cut-in-data": build([ONE], [T], b"\0" * 31),
    "tensor-count-huge": build([ONE], [T], b"\0" * 32, counts=(1 << 62, 1)),
    "tensor-count-2-30": build([ONE], [T], b"\0" * 32, counts=(1 << 30, 1)),
    "value-count-huge": build([ONE], [T], b"\0" * 32, counts=(1, (1 << 64) - 1)),
    "value-count-one-more": build([ONE], [], counts=(0, 2)),
    "key-length-huge": build([struct.pack("<Q", (1 << 64) - 8) + b"key"], []),
    "key-length-2-30": build([struct.pack("<Q", 1 << 30) + b"key"], []),
    "key-not-text": build([kv(b"\xff\xfe", U8, 1)], []),
    "value-type-unknown": build([string("x") + struct.pack("<IQ", 13, 0)], []),
    "string-length-huge": build([string("x") + struct.pack("<IQ", STR, (1 << 64) - 1)], []),
    "list-of-2-60-bytes": build([claims(ARR, U8, 1 << 60) + b"\0" * 16], []),
    "list-size-wraps": build([claims(ARR, U64, 1 << 61) + b"\0" * 16], []),
    "list-of-2-30-strings": build([claims(ARR, STR, 1 << 30) + b"\0" * 64], []),
    "list-of-unknown": build([claims(ARR, 99, 1) + b"\0" * 16], []),
    "list-of-lists-huge": build([claims(ARR, ARR, 1 << 40) + b"\0" * 16], []),
    "lists-nested-deep": build([nested(200)], []),
    "list-nested-twice": build([ONE, nested(2)], [T], b"\0" * 32),
    "key-twice": build([ONE, ONE], []),
    "tensor-twice": build([ONE], [T, tensor("t", [8], 0, 32)], b"\0" * 64),
    "alignment-0": build([ONE, kv("general.alignment", U32, 0)], [T], b"\0" * 32),
    "alignment-48": build([ONE, kv("general.alignment", U32, 48)], [T], b"\0" * 64),
    "alignment-2-31": build([ONE, kv("general.alignment", U32, 1 << 31)], [T], b"\0" * 32),
    "alignment-negative": build([ONE, kv("general.alignment", I32, -32)], [T], b"\0" * 32),
    "alignment-text": build([ONE, kv("general.alignment", STR, "32")], [T], b"\0" * 32),
    "name-long": build([ONE], [tensor("n" * 300, [8])], b"\0" * 32),
    "dimensions-0": build([ONE], [tensor("t", [])], b"\0" * 32),
    "dimensions-5": build([ONE], [tensor("t", [1, 1, 1, 1, 1])], b"\0" * 32),
    "dimensions-2-32": build([ONE], [tensor("t", [8], count=0xFFFFFFFF)], b"\0" * 32),
    "dimension-zero": build([ONE], [tensor("t", [8, 0])], b"\0" * 32),
    "dimensions-wrap": build([ONE], [tensor("t", [1 << 32, 1 << 32])], b"\0" * 32),
    "dimensions-wrap-bytes": build([ONE], [tensor("t", [1 << 31, 1 << 31])], b"\0" * 32),
    "type-unknown": build([ONE], [tensor("t", [8], 77)], b"\0" * 32),
    "type-removed": build([ONE], [tensor("t", [32], 4)], b"\0" * 32),
    "row-not-whole": build([ONE], [tensor("t", [48, 2], 8)], b"\0" * 128),
    "offset-unaligned": build([ONE], [tensor("t", [8], 0, 8)], b"\0" * 64),
    "offset-past-end": build([ONE], [tensor("t", [8], 0, 1 << 20)], b"\0" * 32),
    "offset-wraps": build([ONE], [tensor("t", [8], 0, (1 << 64) - 32)], b"\0" * 32),
    "tensors-overlap": build([ONE], [tensor("t", [16]), tensor("u", [8], 0, 32)], b"\0" * 64),
    "tensors-same-place": build([ONE], [T, tensor("u", [8])], b"\0" * 32),
    "architecture-missing": build([kv("general.name", STR, "x")], [T], b"\0" * 32),
    "architecture-number": build([kv("general.architecture", U32, 1)], [T], b"\0" * 32),
    "setting-of-wrong-type": build([ONE, kv("llama.embedding_length", STR, "8")],
                                   [tensor("token_embd.weight", [8, 4])], b"\0" * 128),
    "setting-zero": build([ONE, kv("llama.embedding_length", U32, 0)],
                          [tensor("token_embd.weight", [8, 4])], b"\0" * 128),
    "rope-scaled": build(LLAMA + [kv("llama.rope.scaling.type", STR, "yarn")], [T], b"\0" * 32),
    "experts": build(LLAMA + [kv("llama.expert_count", U32, 8)], [T], b"\0" * 32),
    "tokenizer-of-gpt": build(
        [k for k in LLAMA if b"tokenizer.ggml.model" not in k] + [kv("tokenizer.ggml.model", STR, "gpt2")],
        [tensor("token_embd.weight", [8, 4])], b"\0" * 128),
    "scores-missing": build(LLAMA + VOCABULARY[:1], [tensor("token_embd.weight", [8, 4])], b"\0" * 128),
    "projector-ldp": build([kv("general.architecture", STR, "clip"), kv("clip.projector_type", STR, "ldp")],
                           [T], b"\0" * 32),
    "vision-gelu": build([kv("general.architecture", STR, "clip"), kv("clip.use_gelu", BOOL, True)],
                         [T], b"\0" * 32),
}

OUT.mkdir(parents=True, exist_ok=True)
for old in OUT.iterdir():
    old.unlink()
for name, data in FILES.items():
    (OUT / f"{name}.gguf").write_bytes(data)
print(len(FILES), "files,", sum(map(len, FILES.values())), "bytes")
