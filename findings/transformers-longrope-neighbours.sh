#!/usr/bin/env bash
# transformers chooses the rotations of type longrope (Phi-3 with 128k tokens) once for a whole batch: one row that is longer than
# original_max_position_embeddings gives the long factors to every row. So what a short row predicts depends on its neighbours, though
# mask and positions are as generate() makes them, and nothing is said of it. Expected: each row is rotated by its own length, and
# predicts beside others what it predicts alone, as it does with plain rotations or while all rows are short.
# Seen: with a limit of 12, a row of 10 tokens and its next token by generate(): beside a row of 12 tokens equal within rounding
# (4e-06 nats), beside a row of 20 up to 5.6 nats apart and another token (18 in place of 38). With plain rotations equal beside both.
# Tried: transformers 5.23.0, torch 2.13.0 on a CPU. Exit code 0 while this is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0 torch==2.13.0 numpy==2.4.1
cat > "$folder/neighbours.py" <<'PY'
import torch
from transformers import Phi3Config, Phi3ForCausalLM

SHORT, LIMIT, LONG, WORDS, PAD = 10, 12, 20, 100, 0
ROTATIONS = {
    "plain": {"rope_type": "default", "rope_theta": 1e4},
    "longrope": {"rope_type": "longrope", "rope_theta": 1e4, "short_factor": [1.0] * 4, "long_factor": [1.5, 2.0, 3.0, 6.0]},
}


def model_of(rotations):
    torch.manual_seed(0)
    config = Phi3Config(
        vocab_size=WORDS, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
        max_position_embeddings=64, original_max_position_embeddings=LIMIT, rope_parameters=rotations, initializer_range=0.3,
        pad_token_id=PAD, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    return Phi3ForCausalLM(config).eval()


def next_token(model, *rows):
    """Return the log-probabilities of the token after the first row, which is padded on the left to the longest."""
    width = max(map(len, rows))
    ids = torch.tensor([[PAD] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    written = model.generate(
        ids, attention_mask=mask, max_new_tokens=1, do_sample=False, output_logits=True, return_dict_in_generate=True
    )
    return written.logits[0][0].log_softmax(-1)


numbers = torch.Generator().manual_seed(1)
row, other, long = (torch.randint(3, WORDS, (size,), generator=numbers).tolist() for size in (SHORT, LIMIT, LONG))
changed = False
for name, rotations in ROTATIONS.items():
    model = model_of(rotations)
    alone = next_token(model, row)
    for neighbour in (other, long):
        beside = next_token(model, row, neighbour)
        nats = (beside - alone).abs().max().item()
        print(f"{name}: beside {len(neighbour)} tokens {nats:.2g} nats apart; token {beside.argmax()}, alone {alone.argmax()}")
        apart = name == "longrope" and len(neighbour) > LIMIT
        changed |= nats < 0.5 if apart else nats > 1e-4
raise SystemExit(1 if changed else 0)
PY
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" -W ignore "$folder/neighbours.py" 2>"$folder/log" || { tail -5 "$folder/log"; exit 1; }
