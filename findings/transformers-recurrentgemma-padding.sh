#!/usr/bin/env bash
# transformers' RecurrentGemma reads the padding of a batch: generate() on rows of different lengths, padded on the left and with their
# attention mask, writes other tokens for the shorter rows than for each of them by itself, with and without cache, and nothing is said
# of it. The mask reaches only the layers with attention. The recurrence forgets the pads by itself, where a row's positions begin,
# but the convolution before it takes the last 4 inputs, and for a row's first 3 tokens some of these are pads.
# Expected: what Gemma and Mamba do, which write for each row what they write for it alone. Right are rows by themselves and rows of
# equal length. Fresh weights hide it, since the pad's row of the embedding and the biases before the convolution are 0 in them; the
# output is tied to the embedding, so training moves that row. The documentation does not speak of it.
# Seen, rows of 6, 9 and 12 tokens, 8 new ones, weights drawn at random with none 0: both shorter rows get other tokens, and at the
# first new one, before anything else can differ, predictions are up to 1.2 nats apart; Gemma and Mamba below 1e-05 nats.
# Tried: transformers 5.23.0, torch 2.13.0 on a CPU. Exit code 0 while this is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0 torch==2.13.0 numpy==2.4.1
cat > "$folder/padding.py" <<'PY'
import torch
from transformers import AutoModelForCausalLM, GemmaConfig, MambaConfig, RecurrentGemmaConfig

WORDS, PAD = 100, 0
SIZES = {"vocab_size": WORDS, "hidden_size": 32, "num_hidden_layers": 3, "pad_token_id": PAD, "bos_token_id": 1, "eos_token_id": None}
HEADS = {"intermediate_size": 64, "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 8}
CONFIGS = {
    "Gemma": GemmaConfig(**SIZES, **HEADS),
    "Mamba": MambaConfig(**SIZES),
    "RecurrentGemma": RecurrentGemmaConfig(**SIZES, **HEADS, lru_width=32, attention_window_size=64),
}
numbers = torch.Generator().manual_seed(1)
ROWS = [torch.randint(3, WORDS, (size,), generator=numbers).tolist() for size in (6, 12, 9)]


def model_of(config, fresh):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    drawn = torch.Generator().manual_seed(0)
    for weight in [] if fresh else model.parameters():
        weight.data = torch.randn(weight.shape, generator=drawn) * 0.3
    return model


def written(model, rows, cache):
    """Return the new tokens of each row, and the log-probabilities of the first."""
    width = max(map(len, rows))
    ids = torch.tensor([[PAD] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    found = model.generate(
        ids, attention_mask=mask, max_new_tokens=8, do_sample=False, use_cache=cache, output_logits=True, return_dict_in_generate=True
    )
    return found.sequences[:, width:].tolist(), found.logits[0].log_softmax(-1)


def compared(name, model, rows, cache, kind):
    """Return how many rows get the tokens that they get alone, and how far their predictions are apart."""
    tokens, together = written(model, rows, cache)
    alone = [written(model, [row], cache) for row in rows]
    same = sum(own[0] == several for (own, _), several in zip(alone, tokens))
    nats = max((own[0] - several).abs().max().item() for (_, own), several in zip(alone, together))
    print(f"{name}, {kind}, cache {cache}: {same} of {len(rows)} rows as alone, first token {nats:.2g} nats apart", flush=True)
    return same, nats


changed = False
for name, config in CONFIGS.items():
    model = model_of(config, fresh=False)
    for cache in (True, False):
        same, nats = compared(name, model, ROWS, cache, "padded")
        changed |= (same > 1 or nats < 0.5) if name == "RecurrentGemma" else (same < 3 or nats > 1e-4)
for kind, fresh, rows in (("equal lengths", False, [ROWS[0], ROWS[0][::-1]]), ("padded, fresh weights", True, ROWS)):
    same, nats = compared("RecurrentGemma", model_of(CONFIGS["RecurrentGemma"], fresh), rows, True, kind)
    changed |= same < len(rows) or nats > 1e-4
raise SystemExit(1 if changed else 0)
PY
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" -W ignore "$folder/padding.py" 2>"$folder/log" || { tail -5 "$folder/log"; exit 1; }
