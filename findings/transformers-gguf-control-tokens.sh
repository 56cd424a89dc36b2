#!/usr/bin/env bash
# transformers reads the tokenizer of a GGUF file of kind gpt2 (byte-level BPE) and loses the control tokens that are not ASCII, such as
# DeepSeek's markers: the file holds them as plain text, as llama.cpp wants, and transformers takes them for text in the alphabet of
# bytes, finds nothing, and adds a token of its own behind the vocabulary. The marker is then cut into pieces, and as the end token it
# has an id for which the model has no row. The same file with the marker in ASCII is read as written.
# Seen: of 97 tokens, the marker is number 96; in ASCII it is read as [96, 95] with the end token 96, else as [98, 95] with 98.
# Tried: transformers 5.23.0, tokenizers 0.23.3, gguf 0.19.0. Exit code 0 while this is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0 gguf==0.19.0 torch==2.13.0 numpy==2.4.1
cat > "$folder/read.py" <<'PY'
import pathlib
import sys

import gguf
from transformers import AutoTokenizer

marker, folder = sys.argv[1], pathlib.Path(sys.argv[2])
folder.mkdir()
letters = [chr(code) for code in range(33, 127)]
tokens = [*letters, "\u0120", "ab", marker]  # \u0120 stands for a space
writer = gguf.GGUFWriter(folder / "tiny.gguf", "qwen2")
for add, value in (
    (writer.add_block_count, 1), (writer.add_context_length, 64), (writer.add_embedding_length, 8), (writer.add_head_count, 1),
    (writer.add_head_count_kv, 1), (writer.add_feed_forward_length, 8), (writer.add_layer_norm_rms_eps, 1e-6),
    (writer.add_rope_freq_base, 1e4), (writer.add_tokenizer_model, "gpt2"), (writer.add_tokenizer_pre, "qwen2"),
    (writer.add_token_list, tokens), (writer.add_token_merges, ["a b"]), (writer.add_eos_token_id, len(tokens) - 1),
):  # fmt: skip
    add(value)
control = [gguf.TokenType.CONTROL if token == marker else gguf.TokenType.NORMAL for token in tokens]
writer.add_token_types(control)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file="tiny.gguf")
ids = tokenizer(marker + "ab", add_special_tokens=False)["input_ids"]
print("vocabulary", len(tokens), "marker", len(tokens) - 1, "read as", ids, "end token", tokenizer.eos_token_id, flush=True)
kept = ids[:1] == [len(tokens) - 1] and tokenizer.eos_token_id == len(tokens) - 1
print("RESULT", "kept" if kept else "lost")
PY
ascii=$("$folder/venv/bin/python" -W ignore "$folder/read.py" '<|User|>' "$folder/ascii" 2>"$folder/log")
wide=$("$folder/venv/bin/python" -W ignore "$folder/read.py" '<｜User｜>' "$folder/wide" 2>"$folder/log")
printf '%s\n' "in ASCII: $ascii" "not in ASCII: $wide"
test "${ascii##*RESULT }" = kept
test "${wide##*RESULT }" = lost
