#!/usr/bin/env bash
# peft's add_weighted_adapter, which makes one LoRA adapter out of several, asks only the first of them which layers are adapted. Of two
# adapters on different layers, said by layers_to_transform or by exclude_modules, the second is left out whole: the mix is the first
# adapter by itself (weights 1 and 1), and with the names in the other order it is the second. No warning, in "cat" and "svd" (which
# are exact elsewhere) and in "linear". If the layers are said by target_modules, as names or as a pattern, the mix is both.
# What trainable_token_indices trained is left out as well, of both: the mix has the base model's rows for these tokens. (It is known
# that the scale of rsLoRA, biases and the magnitudes of DoRA are lost, issue 3761, and that modules_to_save are.)
# Expected: with weights 1 and 1 and "cat" the model with both adapters active, base_model.set_adapter(["one", "two"]); or an error, as
# there is one for modules_to_save that both have, for target_parameters, and for target_modules of two types.
# Seen, a Llama of four layers, weights 1 and 1, nats from both active: layers 0 and 1 with 2 and 3 by layers_to_transform 1.2, which
# is the first adapter to 1e-05; in the other order 3.6, which is the second; by exclude_modules the same; by target_modules below 1e-04.
# Trained tokens: one adapter mixed with weight 1 is 4.6 nats from itself, without them below 1e-05.
# Tried: peft 0.21.2, transformers 5.23.0, torch 2.13.0 on a CPU. Exit code 0 while this is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check peft==0.21.2 transformers==5.23.0 accelerate==1.15.0 torch==2.13.0 \
    numpy==2.4.1
cat > "$folder/mix.py" <<'PY'
import warnings

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

NAMES = ["q_proj", "v_proj", "down_proj"]
CONFIG = LlamaConfig(
    vocab_size=120, hidden_size=32, intermediate_size=64, num_hidden_layers=4, num_attention_heads=4, initializer_range=0.2
)
IDS = torch.randint(3, 120, (2, 10), generator=torch.Generator().manual_seed(1))
PAIRS = {
    "layers_to_transform": [{"target_modules": NAMES, "layers_to_transform": layers} for layers in ([0, 1], [2, 3])],
    "exclude_modules": [{"target_modules": NAMES, "exclude_modules": rf".*layers\.[{left}]\..*"} for left in ("23", "01")],
    "target_modules, names": [{"target_modules": ["q_proj"]}, {"target_modules": ["v_proj"]}],
    "target_modules, a pattern": [{"target_modules": rf".*layers\.[{layers}]\..*_proj"} for layers in ("01", "23")],
}
WRONG = ("layers_to_transform", "exclude_modules")


def base_model():
    torch.manual_seed(0)
    return LlamaForCausalLM(CONFIG).eval()


def filled(model):
    drawn = torch.Generator().manual_seed(2)
    for name, weight in model.named_parameters():
        if "lora_" in name or "trainable_tokens_delta" in name:
            weight.data += torch.randn(weight.shape, generator=drawn) * 0.1
    return model.eval()


@torch.no_grad()
def predictions(model, active):
    model.base_model.set_adapter(active)
    return model(IDS).logits.log_softmax(-1)


def apart(one, two):
    return (one - two).abs().max().item()


changed = False
for title, (first, second) in PAIRS.items():
    for kind in ("cat", "svd", "linear"):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            model = get_peft_model(base_model(), LoraConfig(r=4, **first), adapter_name="one")
            model.add_adapter("two", LoraConfig(r=4, **second))
            filled(model)
            both = predictions(model, ["one", "two"])
            nats = []
            for order in (["one", "two"], ["two", "one"]):
                name = "mix-" + order[0]
                model.add_weighted_adapter(order, [1.0, 1.0], name, combination_type=kind, **({"svd_rank": 8} if kind == "svd" else {}))
                mixed = predictions(model, name)
                nats += [apart(mixed, both), apart(mixed, predictions(model, order[0]))]
        words = [str(one.message) for one in told if "layers" in str(one.message) or "adapter" in str(one.message)]
        print(
            f"{title}, {kind}: nats from both {nats[0]:.2g}, from the first {nats[1]:.2g}; in the other order {nats[2]:.2g} and {nats[3]:.2g}; "
            f"warnings of it {len(words)}",
            flush=True,
        )
        if title in WRONG:
            changed |= min(nats[0], nats[2]) < 0.3 or max(nats[1], nats[3]) > 1e-4 or bool(words)
        else:
            changed |= max(nats[0], nats[2]) > 1e-4

for title, tokens in (("no tokens", None), ("trained tokens", {"embed_tokens": IDS[0].tolist()})):
    model = filled(get_peft_model(base_model(), LoraConfig(r=4, target_modules=NAMES, trainable_token_indices=tokens), adapter_name="one"))
    alone = predictions(model, "one")
    model.add_weighted_adapter(["one"], [1.0], "mix", combination_type="linear")
    nats = apart(predictions(model, "mix"), alone)
    print(f"one adapter with {title}, mixed with weight 1: {nats:.2g} nats from itself")
    changed |= (nats < 0.3) if tokens else (nats > 1e-4)
raise SystemExit(1 if changed else 0)
PY
OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 "$folder/venv/bin/python" "$folder/mix.py" 2>"$folder/log" || { tail -5 "$folder/log"; exit 1; }
