#!/usr/bin/env bash
# llama.cpp's server repeats what an answer was begun with. A chat whose last message is the assistant's is continued (on by default,
# and by continue_final_message); the documentation calls it "similar to the Claude API", which gives back what was added only.
# /v1/chat/completions gives back the beginning and what was added as one content; with "stream" only what was added; and so does
# /v1/completions for the same prompt. Nothing in the reply says where the beginning ends, and its tokens are not counted.
# Who puts both together has the beginning twice. lm-evaluation-harness begins answers (gen_prefix) in humaneval_instruct,
# humaneval_64_instruct, mbpp_instruct, mbpp_plus_instruct and arc_challenge_chat, does not stream, and takes for code what is before
# the first ``` of the reply: in humaneval_instruct the beginning holds one, so no line that the model wrote is run, whatever it wrote.
# (Run once by hand: what lm_eval 0.4.13 keeps of a task with gen_prefix over local-chat-completions begins with the prefix.)
# Expected: the same content with and without stream: what was added.
# Seen, a tiny model of random weights, greedy, 8 tokens: all three write the same 8 tokens, and the content without stream is the
# beginning and these, with each of three beginnings. By the harness's rule, "Here is the completed function:" is all of the code; of
# the streamed content it is what was written.
# Tried: xllamacpp 2026.10.11549 (llama.cpp of October 2026), gguf 0.19.0 on a CPU. Exit code 0 while this is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check xllamacpp==2026.10.11549 gguf==0.19.0 numpy==2.4.1
cat > "$folder/begun.py" <<'PY'
import json
import pathlib
import sys
import urllib.request

import gguf
import numpy as np
import xllamacpp

folder = pathlib.Path(sys.argv[1])
TOKENS, SIZE, WIDE = 8, 32, 64
TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)
BEGINNINGS = ("The answer is ", "Let me think. 2 + 2", "Here is the completed function:\n```python\ndef f(x):\n")


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
        (writer.add_add_bos_token, False), (writer.add_chat_template, TEMPLATE),
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


def posted(address, path, **body):
    request = urllib.request.Request(address + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return reply.read().decode()


def whole(address, path, **body):
    """Return the text of the only choice, and the number of tokens that the reply counts for it."""
    found = json.loads(posted(address, path, **body))
    [choice] = found["choices"]
    return choice["message"]["content"] if "message" in choice else choice["text"], found["usage"]["completion_tokens"]


def streamed(address, path, **body):
    events = [json.loads(line[6:]) for line in posted(address, path, stream=True, **body).splitlines() if line.startswith("data: {")]
    return "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])


def code(text):
    """Return what lm-evaluation-harness takes for code (build_predictions_instruct)."""
    return text if text.find("```") == -1 else text[: text.find("```")]


model_file()
server = served()
address = server.listening_address
changed = False
settings = {"temperature": 0, "max_tokens": TOKENS}
for beginning in BEGINNINGS:
    messages = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": beginning}]
    prompt = json.loads(posted(address, "/apply-template", messages=messages))["prompt"]
    plain, _ = whole(address, "/v1/completions", prompt=prompt, **settings)
    for flags in ({}, {"continue_final_message": True, "add_generation_prompt": False}):
        content, counted = whole(address, "/v1/chat/completions", messages=messages, **settings, **flags)
        stream = streamed(address, "/v1/chat/completions", messages=messages, **settings, **flags)
        print(f"{flags or 'by default'}: content {content!r}, {counted} tokens; streamed {stream!r}; of the prompt {plain!r}", flush=True)
        changed |= content != beginning + plain or stream != plain or counted != TOKENS or len(plain) != TOKENS
    if "```" in beginning:
        print(f"code by the harness's rule: {code(content)!r}, of the stream {code(stream)!r}")
        changed |= code(content) != beginning[: beginning.find("```")] or code(stream) != plain
alone, _ = whole(address, "/v1/chat/completions", messages=messages[:1], **settings)
print(f"without a beginning: {alone!r}")
changed |= len(alone) != TOKENS
raise SystemExit(1 if changed else 0)
PY
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" -W ignore "$folder/begun.py" "$folder" 2>"$folder/log" || { tail -5 "$folder/log"; exit 1; }
