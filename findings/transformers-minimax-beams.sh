#!/usr/bin/env bash
# transformers' MiniMax (the class of MiniMax-Text-01) mixes up its beams: generate(num_beams=N) with its cache on sorts the keys and
# values of the layers with full attention as the beams are sorted, but not the states of the layers with linear attention. Each beam
# goes on from the linear state of another one. So the answers are not likely ones, and `sequences_scores`, the log-probability that
# is reported for each, belongs to no text; nothing is said of it. Greedy answers and drawn ones are right, and so are beams without cache.
# Expected: what a Llama gives, and MiniMax without cache: a score equal to the log-probability of the text.
# Seen, 2 prompts, 4 beams, 12 new tokens, length_penalty 0: with the linear layer first the scores say -15.9 and -14.4, one pass over
# the same texts says -31 and -22.9, which is worse than greedy (-17.2 and -15.4); with the linear layer second -17.7 and -14.2 for
# -19 and -14.6. Without cache, with layers of full attention only, and in a Llama, score and pass agree within 1e-04.
# Known is that beams were not sorted in models whose cache has another name, as Mamba (issue 46612); MiniMax has the usual name.
# Tried: transformers 5.23.0, torch 2.13.0 on a CPU. Exit code 0 while this is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0 torch==2.13.0 numpy==2.4.1
cat > "$folder/beams.py" <<'PY'
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, MiniMaxConfig

WORDS, PROMPT, NEW, BEAMS = 60, 9, 12, 4
FULL, LINEAR = "full_attention", "linear_attention"
SIZES = {
    "vocab_size": WORDS, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "initializer_range": 0.3, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": None,
}  # fmt: skip
MIXTURE = {"num_key_value_heads": 2, "head_dim": 8, "num_local_experts": 4, "block_size": 8}
CONFIGS = {"Llama": LlamaConfig(**SIZES)} | {
    f"MiniMax, {first} then {second}": MiniMaxConfig(**SIZES, **MIXTURE, layer_types=[first, second])
    for first, second in ((FULL, FULL), (LINEAR, FULL), (FULL, LINEAR))
}
IDS = torch.randint(3, WORDS, (2, PROMPT), generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def by_one_pass(model, texts):
    """Return the log-probability of the new tokens of each text (B,), without a cache."""
    logprobs = model(texts, use_cache=False).logits.log_softmax(-1)[:, PROMPT - 1 : -1]
    return logprobs.gather(-1, texts[:, PROMPT:, None])[..., 0].sum(1)


def written(model, **settings):
    return model.generate(
        IDS, attention_mask=torch.ones_like(IDS), max_new_tokens=NEW, do_sample=False, output_scores=True,
        return_dict_in_generate=True, **settings,
    )  # fmt: skip


def told(values):
    return ", ".join(f"{value:.3g}" for value in values)


changed = False
for name, config in CONFIGS.items():
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    greedy = by_one_pass(model, written(model).sequences)
    for cache in (True, False):
        found = written(model, num_beams=BEAMS, length_penalty=0.0, use_cache=cache)
        scores, passed = found.sequences_scores, by_one_pass(model, found.sequences)
        apart = (scores - passed).abs().max().item()
        print(f"{name}, cache {cache}: scores {told(scores)}; one pass {told(passed)}; greedy {told(greedy)}", flush=True)
        wrong = LINEAR in name and cache
        changed |= apart < 0.3 if wrong else apart > 1e-3
        changed |= (name.startswith(f"MiniMax, {LINEAR}") and cache) and not (passed < greedy - 1).all().item()
raise SystemExit(1 if changed else 0)
PY
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" -W ignore "$folder/beams.py" 2>"$folder/log" || { tail -5 "$folder/log"; exit 1; }
