"""Writes llama_cpp.json: how llama.cpp goes on from a text, on tiny models in F32.

    for p in wide grouped nested; do
        cargo run --release -p visavis-testkit --example tiny_checkpoint -- $p /tmp/tiny/$p
        cargo run --release -p visavis-cli -- convert /tmp/tiny/$p --quant f32 --out /tmp/gguf/$p
    done
    python make_llama_cpp.py PATH/TO/llama.cpp/build /tmp/gguf

Needs llama-server in the build's bin folder, and nothing else. Text only: llama.cpp's picture path puts
the class token last and runs a block too few, so it is no reference for pictures. Rows past the
tokenizer's pieces are barred, as Visavis never answers with them; everything else is plain greedy.
"""

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import formula

PRESETS = ["wide", "grouped", "nested"]
TEXTS = [
    "The weather was", "A red bird sat on the", "USER: Why is it so? ASSISTANT:", "图片中有一只", "  two  spaces\nand lines \t",
    "Emoji 🙂🙃 and bytes \u0007\u00ad", "x", "1234567890 + 1 =",
]
TOKENS = 48
PORT = 18473


def call(path, body):
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    return json.loads(urllib.request.urlopen(request, timeout=120).read())


def started(build, model):
    server = subprocess.Popen([f"{build}/bin/llama-server", "-m", str(model), "--port", str(PORT), "-t", "2", "-c", "512",
                               "--no-warmup", "-np", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health", timeout=5)
            return server
        except OSError:
            assert server.poll() is None, "llama-server ended"
            time.sleep(0.2)
    raise SystemExit("llama-server does not answer")


def main(build, models):
    pieces, out, build_info = formula.pieces(), [], ""
    for preset in PRESETS:
        model = next(p for p in (Path(models) / preset).glob("*-F32.gguf") if "mmproj" not in p.name)
        rows = formula.presets()[preset]["text"]["vocab_rows"]
        server, runs = started(build, model), []
        try:
            build_info = json.loads(urllib.request.urlopen(f"http://127.0.0.1:{PORT}/props").read()).get("build_info", "")
            for text in TEXTS:
                ids = call("/tokenize", {"content": text, "add_special": True, "parse_special": False})["tokens"]
                answer = call("/completion", {
                    "prompt": ids, "n_predict": TOKENS, "temperature": 0, "return_tokens": True, "cache_prompt": False,
                    "logit_bias": [[i, False] for i in range(pieces, rows)],
                })
                runs.append({"prompt": text, "prompt_ids": ids, "ids": answer["tokens"], "text": answer["content"]})
        finally:
            server.terminate()
            server.wait()
        print(preset, [len(r["ids"]) for r in runs])
        out.append({"preset": preset, "runs": runs})
    models = []
    for m in out:
        runs = ",\n   ".join(json.dumps(r, ensure_ascii=False) for r in m["runs"])
        models.append(f'  {{"preset": {json.dumps(m["preset"])}, "runs": [\n   {runs}\n  ]}}')
    text = f'{{\n "made_with": {json.dumps("llama.cpp " + build_info)},\n "models": [\n' + ",\n".join(models) + "\n ]\n}\n"
    (formula.ROOT / "tests/golden/llama_cpp.json").write_text(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
