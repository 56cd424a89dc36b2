#!/usr/bin/env bash
# llama.cpp's server cuts long numbers when an answer has to be JSON, of a schema or any: an integer has at most 16 digits, and so
# has each side of a decimal point. A model that answers a product of 20 digits right without a schema gives its first 16 digits
# with {"type": "integer"}, as a whole and valid answer (finish_reason "stop"), and nothing is said of it. So exact sums and
# products, and constants to many places, are marked wrong because of the format that was to make them easy to read.
# A minimum does not change it. A maximum lifts it, but not above what 64 bits hold: with one of 10^20, 20 digits become 19.
# The limit is on purpose (pull request 6555, so that no model writes digits for ever) and can be seen in the rules of
# grammars/README.md; its list of limitations, the server's documentation and the reply do not name it. JSON schema knows no such
# limit. What keeps all digits: {"type": "string", "pattern": "^[0-9]+$"}, or no schema.
# Seen, a model made by hand that writes {"answer":12345678909876543210}: with no schema and as a string all 20 digits, as integer,
# number, integer with minimum 0, and with json_object it answers 1234567890987654, with a maximum of 10^20 1234567890987654321.
# Tried: xllamacpp 2026.10.11549 (llama.cpp of October 2026), gguf 0.19.0 on a CPU. Exit code 0 while this is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check xllamacpp==2026.10.11549 gguf==0.19.0 numpy==2.4.1
cat > "$folder/digits.py" <<'PY'
import json
import pathlib
import sys
import urllib.request

import gguf
import numpy as np
import xllamacpp

folder = pathlib.Path(sys.argv[1])
NUMBER = "12345678909876543210"
PIECES = [NUMBER[place : place + 2] for place in range(0, len(NUMBER), 2)]
ASK, END = "<|ask|>", "<|end|>"
SIZE, WIDE = 512, 32


def model_file():
    """Write a llama that looks at its last token only: each token has a dimension of its own, and the output says what follows it.

    Its tokens are bytes and the pairs of digits; after ASK it writes {"answer":, the pairs, and }.
    """
    printed = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printed]
    letters = {byte: chr(byte) for byte in printed} | {byte: chr(256 + place) for place, byte in enumerate(others)}
    tokens = [*(letters[byte] for byte in range(256)), *PIECES, '{"answer":', '"}', ASK, END]
    follows = {ASK: '{"answer":', '{"answer":': PIECES[0], '"': PIECES[0], PIECES[-1]: "}", "}": END, '"}': END}
    follows |= dict(zip(PIECES, PIECES[1:]))
    output = np.zeros((len(tokens), SIZE))
    for before, after in follows.items():
        output[tokens.index(after), tokens.index(before)] = 1
    for before, after in (('{"answer":', '"'), (PIECES[-1], '"}')):  # where a text is wanted
        output[tokens.index(after), tokens.index(before)] = 0.9
    for piece, later in zip(PIECES, PIECES[1:]):  # where the next pair does not fit: its first digit, and the end
        output[tokens.index(later[0]), tokens.index(piece)] = 0.8
        output[tokens.index("}"), tokens.index(piece)] = 0.7
        output[tokens.index("}"), tokens.index(later[0])] = 0.7
    writer = gguf.GGUFWriter(folder / "tiny.gguf", "llama")
    for add, value in (
        (writer.add_block_count, 1), (writer.add_context_length, 256), (writer.add_embedding_length, SIZE), (writer.add_head_count, 2),
        (writer.add_head_count_kv, 2), (writer.add_feed_forward_length, WIDE), (writer.add_layer_norm_rms_eps, 1e-6),
        (writer.add_rope_freq_base, 1e4), (writer.add_rope_dimension_count, SIZE // 2), (writer.add_vocab_size, len(tokens)),
        (writer.add_tokenizer_model, "gpt2"), (writer.add_tokenizer_pre, "gpt-2"), (writer.add_token_list, tokens),
        (writer.add_token_types, [1] * (len(tokens) - 2) + [3, 3]), (writer.add_token_merges, [" ".join(piece) for piece in PIECES]),
        (writer.add_eos_token_id, len(tokens) - 1), (writer.add_add_bos_token, False),
        (writer.add_chat_template, "{% for m in messages %}{{ m.content }}{% endfor %}" + ASK),
    ):  # fmt: skip
        add(value)
    shapes = {
        "output_norm": (SIZE,), "blk.0.attn_norm": (SIZE,), "blk.0.ffn_norm": (SIZE,), "blk.0.attn_q": (SIZE, SIZE),
        "blk.0.attn_k": (SIZE, SIZE), "blk.0.attn_v": (SIZE, SIZE), "blk.0.attn_output": (SIZE, SIZE), "blk.0.ffn_gate": (WIDE, SIZE),
        "blk.0.ffn_up": (WIDE, SIZE), "blk.0.ffn_down": (SIZE, WIDE),
    }  # fmt: skip
    weights = {name: (np.ones if len(shape) == 1 else np.zeros)(shape) for name, shape in shapes.items()}
    for name, weight in {**weights, "token_embd": np.eye(len(tokens), SIZE), "output": output}.items():
        writer.add_tensor(f"{name}.weight", weight.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def served():
    settings = xllamacpp.CommonParams()
    settings.model.path, settings.n_ctx, settings.n_parallel = str(folder / "tiny.gguf"), 256, 1
    settings.cpuparams.n_threads, settings.n_gpu_layers, settings.warmup = 1, 0, False
    return xllamacpp.Server(settings)


def answer(address, kind):
    """Return the answer to a question, with the schema of an object with an answer of this kind, as any JSON, or as it comes."""
    schema = {"type": "object", "properties": {"answer": kind}, "required": ["answer"], "additionalProperties": False}
    formats = {"no schema": None, "any JSON": {"type": "json_object"}}
    wanted = formats.get(str(kind), {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}})
    body = {"messages": [{"role": "user", "content": "?"}], "temperature": 0, "max_tokens": 60, "response_format": wanted}
    body = {key: value for key, value in body.items() if value is not None}
    request = urllib.request.Request(
        f"{address}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        [choice] = json.loads(reply.read())["choices"]
    return choice["message"]["content"], choice["finish_reason"]


CUT = NUMBER[:16]
SEEN = (
    ("no schema", NUMBER), ("any JSON", CUT), ({"type": "string", "pattern": "^[0-9]+$"}, NUMBER), ({"type": "integer"}, CUT), ({"type": "number"}, CUT),
    ({"type": "integer", "minimum": 0}, CUT), ({"type": "integer", "minimum": 0, "maximum": 10**20}, NUMBER[:19]),
)  # fmt: skip
model_file()
server = served()
changed = False
for kind, wanted in SEEN:
    text, finish = answer(server.listening_address, kind)
    got = str(json.loads(text)["answer"])
    print(f"{kind}: {text}, finish_reason {finish}", flush=True)
    changed |= got != wanted or finish != "stop"
raise SystemExit(1 if changed else 0)
PY
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" -W ignore "$folder/digits.py" "$folder" 2>"$folder/log" || { tail -5 "$folder/log"; exit 1; }
