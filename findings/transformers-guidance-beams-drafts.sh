#!/usr/bin/env bash
# Classifier-free guidance in transformers (generate(guidance_scale=…)) is wrong as soon as the written text is not only appended to: with
# beams and with assisted generation. The logits processor reads the text without its prompt by itself and keeps its cache (or, with
# use_cache=False, its tokens) for each row. Beams change places, and a draft's refused tokens are taken back; the processor is told of
# neither, so that the two predictions that it compares belong to two different texts. Text without errors or warnings comes out.
# Greedy and sampled answers without these two are right, also for rows of two lengths in one batch and with a negative prompt.
# Expected: with beams, the score that comes with a text is that of this text; with a draft or prompt lookup, greedy answers are those
# without it, as they are for repetition_penalty, no_repeat_ngram_size, sequence_bias and min_new_tokens; or an error, as the static
# cache has.
# Seen, a Llama with random weights, guidance 1.7, 4 beams, 12 tokens, 4 prompts: scores 7.5 to 14 nats above those of their own texts,
# with a cache and without; without guidance equal to 1e-4. Greedy with guidance: a draft, the model itself as its own draft, and prompt
# lookup each give other texts than without them.
# Tried: transformers 5.23.0, torch 2.13.0 on a CPU. Exit code 0 while this is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0 torch==2.13.0 numpy==2.4.1
cat > "$folder/guided.py" <<'PY'
import torch
from transformers import LlamaConfig, LlamaForCausalLM

CONFIG = LlamaConfig(
    vocab_size=40, hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=256, bos_token_id=1, eos_token_id=None, pad_token_id=0,
)
GUIDANCE, PROMPT, NEW = 1.7, 12, 12
OPTIONS = {
    "nothing": {}, "repetition_penalty": {"repetition_penalty": 1.5}, "no_repeat_ngram_size": {"no_repeat_ngram_size": 2},
    "sequence_bias": {"sequence_bias": {(3,): 5.0}}, "min_new_tokens": {"min_new_tokens": 8, "eos_token_id": 7},
    "guidance_scale": {"guidance_scale": GUIDANCE},
}


def make(seed):
    torch.manual_seed(seed)
    model = LlamaForCausalLM(CONFIG).eval()
    for weight in model.parameters():
        if weight.ndim == 2:
            weight.data = torch.randn(weight.shape) * 0.25
    model.generation_config.eos_token_id = None
    return model


def prompt(seed):
    return torch.randint(2, 40, (1, PROMPT), generator=torch.Generator().manual_seed(seed))


def written(model, ids, **options):
    fixed = {"do_sample": False, "max_new_tokens": NEW, "attention_mask": torch.ones_like(ids)}
    return model.generate(ids, **{**fixed, **options})


@torch.no_grad()
def guided(model, ids, shorter, guidance):
    """Log-probabilities after a text, pushed away from those after the same text without its prompt."""
    with_prompt, without = (model(each, use_cache=False).logits[:, -1].log_softmax(-1) for each in (ids, shorter))
    return guidance * (with_prompt - without) + without


def score(model, ids, answer, guidance):
    total, shorter = 0.0, ids[:, -1:]
    for token in answer.tolist():
        total += guided(model, ids, shorter, guidance)[0, token].item()
        ids, shorter = (torch.cat([each, torch.tensor([[token]])], 1) for each in (ids, shorter))
    return total


def greedy(model, ids, guidance):
    shorter, answer = ids[:, -1:], []
    for _ in range(NEW):
        token = guided(model, ids, shorter, guidance).argmax(-1, keepdim=True)
        ids, shorter = torch.cat([ids, token], 1), torch.cat([shorter, token], 1)
        answer.append(token.item())
    return answer


target, draft, changed = make(0), make(1), False
for guidance in (None, GUIDANCE):
    for cached in (True, False):
        off = []
        for seed in range(4):
            ids = prompt(seed)
            found = written(
                target, ids, num_beams=4, length_penalty=0.0, guidance_scale=guidance, use_cache=cached, return_dict_in_generate=True,
                output_scores=True,
            )
            off.append(found.sequences_scores[0].item() - score(target, ids, found.sequences[0, PROMPT:], guidance or 1.0))
        print(f"beams, guidance {guidance}, cache {cached}: scores less those of their texts", [round(nats, 3) for nats in off], flush=True)
        changed |= min(map(abs, off)) < 1.0 if guidance else max(map(abs, off)) > 1e-3

for name, options in OPTIONS.items():
    differ = dict.fromkeys(("a draft", "itself", "lookup"), 0)
    for seed in range(4):
        ids = prompt(seed)
        plain = written(target, ids, **options)[0, PROMPT:].tolist()
        if name == "guidance_scale":
            changed |= plain != greedy(target, ids, GUIDANCE)
        for how, more in zip(
            differ, ({"assistant_model": draft}, {"assistant_model": make(0)}, {"prompt_lookup_num_tokens": 3}), strict=True
        ):
            differ[how] += written(target, ids, **options, **more)[0, PROMPT:].tolist() != plain
    print(f"greedy with {name}: of 4 texts, other than without", differ, flush=True)
    changed |= min(differ.values()) == 0 if name == "guidance_scale" else max(differ.values()) > 0
raise SystemExit(1 if changed else 0)
PY
OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 "$folder/venv/bin/python" "$folder/guided.py" 2>"$folder/log" || { tail -5 "$folder/log"; exit 1; }
