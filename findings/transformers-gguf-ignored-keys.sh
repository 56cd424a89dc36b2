#!/usr/bin/env bash
# transformers builds a model from a GGUF file and passes over keys that change what it computes, without a word: factors of the
# rotations (the tensor rope_freqs.weight, which files of Llama 3.1 and later hold), a rule that scales them (rope.scaling.type and
# .factor; only those of gpt-oss are read), and the size of a Qwen3 head (attention.key_length: 128 is assumed for all).
# Seen: a tiny llama gives equal logits with no factors, with factors of 8, and with a linear scaling of 4, while the same model with
# that scaling in its config gives others; a qwen3 file that says 32 is read as head_dim 128, a qwen3moe file that says 32 as 32.
# Tried: transformers 5.23.0, gguf 0.19.0, accelerate 1.15.0, torch 2.13.0. Exit code 0 while this is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0 gguf==0.19.0 accelerate==1.15.0 torch==2.13.0 numpy==2.4.1
cat > "$folder/read.py" <<'PY'
import pathlib
import sys

import gguf
import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM

folder = pathlib.Path(sys.argv[1])
SIZE, HEADS, WIDE, WORDS = 32, 2, 48, 40


def file(name, kind, more=lambda writer: None, factors=None):
    place = folder / name
    place.mkdir()
    writer = gguf.GGUFWriter(place / "tiny.gguf", kind)
    for add, value in (
        (writer.add_block_count, 1), (writer.add_context_length, 512), (writer.add_embedding_length, SIZE),
        (writer.add_head_count, HEADS), (writer.add_head_count_kv, HEADS), (writer.add_feed_forward_length, WIDE),
        (writer.add_layer_norm_rms_eps, 1e-6), (writer.add_rope_freq_base, 1e4), (writer.add_vocab_size, WORDS),
        (writer.add_tokenizer_model, "gpt2"), (writer.add_token_list, [f"t{i}" for i in range(WORDS)]),
    ):  # fmt: skip
        add(value)
    more(writer)
    random = np.random.default_rng(0)
    shapes = {
        "token_embd": (WORDS, SIZE), "output": (WORDS, SIZE), "output_norm": (SIZE,), "blk.0.attn_norm": (SIZE,),
        "blk.0.ffn_norm": (SIZE,), "blk.0.attn_q": (SIZE, SIZE), "blk.0.attn_k": (SIZE, SIZE), "blk.0.attn_v": (SIZE, SIZE),
        "blk.0.attn_output": (SIZE, SIZE), "blk.0.ffn_gate": (WIDE, SIZE), "blk.0.ffn_up": (WIDE, SIZE),
        "blk.0.ffn_down": (SIZE, WIDE),
    }  # fmt: skip
    for tensor, shape in shapes.items():
        writer.add_tensor(f"{tensor}.weight", random.normal(0, 0.3, shape).astype(np.float32))
    if factors is not None:
        writer.add_tensor("rope_freqs.weight", np.array(factors, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return place


def logits(place, **change):
    model = AutoModelForCausalLM.from_pretrained(place, gguf_file="tiny.gguf", dtype=torch.float32)
    if change:
        config = model.config
        config.rope_parameters = {**config.rope_parameters, **change}
        model, weights = AutoModelForCausalLM.from_config(config), model.state_dict()
        model.load_state_dict(weights)
    with torch.no_grad():
        return model.eval()(torch.arange(300)[None] % WORDS).logits


def linear(writer):
    writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
    writer.add_rope_scaling_factor(4.0)


def heads(writer):
    writer.add_key_length(32)
    writer.add_value_length(32)


plain = logits(file("plain", "llama"))
with_factors = logits(file("factors", "llama", factors=[8.0] * (SIZE // HEADS // 2)))
with_rule = logits(file("rule", "llama", linear))
in_config = logits(folder / "plain", rope_type="linear", factor=4.0)
read = [AutoConfig.from_pretrained(file(kind, kind, heads), gguf_file="tiny.gguf").head_dim for kind in ("qwen3", "qwen3moe")]
print("factors change the logits:", not torch.equal(plain, with_factors))
print("a rule changes the logits:", not torch.equal(plain, with_rule))
print("the same rule in the config changes them:", not torch.allclose(plain, in_config, atol=1e-2))
print("key_length 32 is read as", *read)
PY
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" -W ignore "$folder/read.py" "$folder" 2>"$folder/log" | tee "$folder/seen" || { tail -5 "$folder/log"; exit 1; }
diff "$folder/seen" - <<'SEEN'
factors change the logits: False
a rule changes the logits: False
the same rule in the config changes them: True
key_length 32 is read as 128 32
SEEN
