#!/usr/bin/env bash
# lm-evaluation-harness asks a server for the same answer again and again. A task with `repeats: K`, from which pass@k and the answer
# of the majority are taken, has K draws for each question; over an API (local-completions, local-chat-completions) each of the K
# requests carries the same seed, 1234. A server that keeps to seeds, as llama.cpp's does, gives K times one answer: pass@K is
# pass@1, the majority is one voter, and the time is spent K times. Nothing is said of it. Of the tasks that come with it this hits
# gsm8k_cot_self_consistency and humaneval_64 (64 repeats each) and cruxeval (10). Its `--seed` does not reach the requests. The cache
# of answers looks at do_sample so that repeats are not made equal; the seed of the API does not. Cure: `--gen_kwargs seed=-1`, which
# llama.cpp takes for a seed of its own choice.
# Expected: answers that are drawn anew, as from a model that lm-eval loads by itself.
# Seen, 20 questions, 8 repeats, do_sample, temperature 1, llama.cpp's own server, a tiny model of random weights: 20 questions have 8
# equal answers, and pass@8 and pass@1 are both 0.10 (the rule: an "e" in the answer); with seed=-1 no question has, pass@8 is 1.00 and
# pass@1 0.31 to 0.38. That 0.10 is far from it is the same fault: all questions share one row of random numbers too.
# Tried: lm_eval 0.4.13, xllamacpp 2026.10.11549, gguf 0.19.0 on a CPU. Exit code 0 while this is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "lm_eval[api]==0.4.13" xllamacpp==2026.10.11549 gguf==0.19.0 \
    datasets==5.2.0 numpy==2.4.1
cat > "$folder/repeats.py" <<'PY'
import json
import logging
import pathlib
import sys

import gguf
import lm_eval
import numpy as np
import xllamacpp
from lm_eval.tasks import TaskManager

folder = pathlib.Path(sys.argv[1])
QUESTIONS, REPEATS, TOKENS = 20, 8, 8
SIZE, WIDE = 32, 64
logging.getLogger("lm_eval").setLevel(logging.ERROR)


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
    settings.model.path, settings.n_ctx, settings.n_parallel = str(folder / "tiny.gguf"), 256, 1
    settings.cpuparams.n_threads, settings.n_gpu_layers, settings.warmup = 1, 0, False
    return xllamacpp.Server(settings)


def answers(address, kind, **settings):
    """Return the answers to each question, as lm-eval kept them."""
    task = {
        "task": "tiny", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(folder / "questions.jsonl")}},
        "test_split": "test", "output_type": "generate_until", "doc_to_text": "{{question}}", "doc_to_target": "e", "repeats": REPEATS,
        "generation_kwargs": {"do_sample": True, "temperature": 1.0, "until": ["\n\n"], "max_gen_toks": TOKENS, **settings},
        "metric_list": [{"metric": "exact_match"}],
        "filter_list": [{"name": "first", "filter": [{"function": "take_first"}]}],
    }  # fmt: skip
    chat = kind == "local-chat-completions"
    found = lm_eval.simple_evaluate(
        model=kind,
        model_args={
            "base_url": f"{address}/v1/{'chat/' if chat else ''}completions", "model": "tiny", "tokenizer_backend": None,
            "tokenized_requests": False,
        },
        tasks=[task], task_manager=TaskManager(include_defaults=False), log_samples=True, apply_chat_template=chat, bootstrap_iters=0,
        torch_random_seed=None,
    )  # fmt: skip
    return [sample["resps"][0] for sample in found["samples"]["tiny"]]


model_file()
(folder / "questions.jsonl").write_text("\n".join(json.dumps({"question": f"What is {n} + {n * n}?"}) for n in range(QUESTIONS)))
server = served()
changed = False
for kind in ("local-completions", "local-chat-completions"):
    for settings in ({}, {"seed": -1}):
        drawn = answers(server.listening_address, kind, **settings)
        equal = sum(len(set(texts)) == 1 for texts in drawn)
        once = sum("e" in text for texts in drawn for text in texts) / QUESTIONS / REPEATS
        ever = sum(any("e" in text for text in texts) for texts in drawn) / QUESTIONS
        print(f"{kind}, {settings or 'as it is'}: {equal} of {QUESTIONS} questions have {REPEATS} equal answers;", end=" ")
        print(f"pass@1 {once:.2f}, pass@{REPEATS} {ever:.2f}; the first: {drawn[0][:3]}", flush=True)
        questions = {tuple(texts) for texts in drawn}
        assert all(len(texts) == REPEATS for texts in drawn)
        changed |= (equal > 0 or ever < once + 0.3) if settings else (equal < QUESTIONS or once != ever or len(questions) < 3)
raise SystemExit(1 if changed else 0)
PY
cd "$folder"
HF_HUB_OFFLINE=1 HF_HOME="$folder/home" "$folder/venv/bin/python" -W ignore "$folder/repeats.py" "$folder" 2>"$folder/log" ||
    { tail -5 "$folder/log"; exit 1; }
