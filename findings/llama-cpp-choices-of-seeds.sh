#!/usr/bin/env bash
# llama.cpp's server gives the answers of one seed to the next seed again. A request with `n` answers and a `seed` draws answer j
# with seed + j, so the second answer of seed 1 is the first of seed 2, in /v1/completions and /v1/chat/completions alike. Runs with
# the seeds 1, 2, 3, ... and n answers each, from which the spread from seed to seed is reported and which are pooled for pass@k,
# have all but one answer of each in common: their spread comes out too small, and K runs hold n + K - 1 answers in place of K × n.
# Nothing is said of it; the seed is documented as that of the random numbers, n as the number of answers to each prompt. Seeds that
# are more than n apart are right, and so is a request for each answer with a seed that is drawn.
# Expected: answers that no other seed of the request gives, as with seeds far apart.
# Seen, n=8, temperature 1, whole distribution, a tiny model of random weights, 8 tokens an answer: seeds 1 to 5 give 12 different
# answers of 40, and any two neighbours share 7 of 8; seeds 100, 200, ... 500 give 40. Over 40 runs of 8 the share of answers with
# an "e" has a standard deviation of 0.15 (neighbouring seeds) and 0.13 (far apart), but moves by 0.07 and 0.16 from one run to the
# next.
# Known is that children of a request take its seed plus their number (pull request 18700), not that requests then overlap.
# Tried: xllamacpp 2026.10.11549 (llama.cpp of October 2026), gguf 0.19.0 on a CPU. Exit code 0 while this is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check xllamacpp==2026.10.11549 gguf==0.19.0 numpy==2.4.1
cat > "$folder/seeds.py" <<'PY'
import json
import pathlib
import sys
import urllib.request

import gguf
import numpy as np
import xllamacpp

folder = pathlib.Path(sys.argv[1])
ANSWERS, TOKENS, SIZE, WIDE = 8, 8, 32, 64


def model_file():
    """Write a llama of random weights whose tokens are the 256 bytes and an end token; it prefers printed characters."""
    printed = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printed]
    letters = {byte: chr(byte) for byte in printed} | {byte: chr(256 + place) for place, byte in enumerate(others)}
    tokens = [*(letters[byte] for byte in range(256)), "<|end|>"]
    writer = gguf.GGUFWriter(folder / "tiny.gguf", "llama")
    for add, value in (
        (writer.add_block_count, 1), (writer.add_context_length, 256), (writer.add_embedding_length, SIZE), (writer.add_head_count, 2),
        (writer.add_head_count_kv, 2), (writer.add_feed_forward_length, WIDE), (writer.add_layer_norm_rms_eps, 1e-6),
        (writer.add_rope_freq_base, 1e4), (writer.add_rope_dimension_count, SIZE // 2), (writer.add_vocab_size, len(tokens)),
        (writer.add_tokenizer_model, "gpt2"), (writer.add_tokenizer_pre, "gpt-2"), (writer.add_token_list, tokens),
        (writer.add_token_types, [1] * 256 + [3]), (writer.add_token_merges, ["a a"]), (writer.add_eos_token_id, 256),
        (writer.add_add_bos_token, False), (writer.add_chat_template, "{% for m in messages %}{{ m.content }}{% endfor %}"),
    ):  # fmt: skip
        add(value)
    shapes = {
        "token_embd": (len(tokens), SIZE), "output": (len(tokens), SIZE), "output_norm": (SIZE,), "blk.0.attn_norm": (SIZE,),
        "blk.0.ffn_norm": (SIZE,), "blk.0.attn_q": (SIZE, SIZE), "blk.0.attn_k": (SIZE, SIZE), "blk.0.attn_v": (SIZE, SIZE),
        "blk.0.attn_output": (SIZE, SIZE), "blk.0.ffn_gate": (WIDE, SIZE), "blk.0.ffn_up": (WIDE, SIZE), "blk.0.ffn_down": (SIZE, WIDE),
    }  # fmt: skip
    random = np.random.default_rng(0)
    for name, shape in shapes.items():
        weight = np.ones(shape) if len(shape) == 1 else random.normal(0, 0.4, shape)
        if name == "output":
            weight[:97] = weight[123:] = 0
            weight[97:123] *= 1
        writer.add_tensor(f"{name}.weight", weight.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def served():
    settings = xllamacpp.CommonParams()
    settings.model.path, settings.n_ctx, settings.n_parallel = str(folder / "tiny.gguf"), 128 * ANSWERS, ANSWERS
    settings.cpuparams.n_threads, settings.n_gpu_layers, settings.warmup = 1, 0, False
    return xllamacpp.Server(settings)


def drawn(address, kind, seed, count=ANSWERS):
    """Return the answers to one request."""
    question = {"messages": [{"role": "user", "content": "2 + 2 ="}]} if kind == "chat/completions" else {"prompt": "2 + 2 ="}
    body = {**question, "n": count, "seed": seed, "max_tokens": TOKENS, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
    request = urllib.request.Request(f"{address}/v1/{kind}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        choices = sorted(json.loads(reply.read())["choices"], key=lambda choice: choice["index"])
    return [choice["message"]["content"] if kind == "chat/completions" else choice["text"] for choice in choices]


def moved(runs):
    """Return by how much the share of answers with an "e" moves from one run to the next: root mean square."""
    shares = np.array([sum("e" in text for text in texts) / len(texts) for texts in runs])
    return np.sqrt(np.mean(np.diff(shares) ** 2)), shares.std()


model_file()
server = served()
address = server.listening_address
changed = False
for kind in ("completions", "chat/completions"):
    near, far = ([drawn(address, kind, seed) for seed in seeds] for seeds in (range(1, 6), range(100, 600, 100)))
    shared = [len(set(one) & set(other)) for one, other in zip(near, near[1:])]
    alone = [drawn(address, kind, seed, 1)[0] for seed in range(1, 9)]
    different = [len({text for texts in runs for text in texts}) for runs in (near, far)]
    print(f"{kind}: neighbours share {shared} of {ANSWERS} answers; of 40 answers {different[0]} differ, of seeds far apart {different[1]}")
    print(f"  the answers of seed 1 are those of the seeds 1 to 8 by themselves: {near[0] == alone}", flush=True)
    changed |= shared != [ANSWERS - 1] * 4 or different != [ANSWERS + 4, 5 * ANSWERS] or near[0] != alone
for name, seeds in (("neighbouring seeds", range(1, 41)), ("seeds far apart", range(1000, 41000, 1000))):
    step, spread = moved([drawn(address, "completions", seed) for seed in seeds])
    print(f"40 runs of {ANSWERS} with {name}: the share moves by {step:.3f} from run to run, its standard deviation is {spread:.3f}")
    changed |= step > 0.75 * spread if name == "neighbouring seeds" else step < spread
raise SystemExit(1 if changed else 0)
PY
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" -W ignore "$folder/seeds.py" "$folder" 2>"$folder/log" || { tail -5 "$folder/log"; exit 1; }
