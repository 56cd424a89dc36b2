#!/usr/bin/env bash
# peft takes adapter_names=[...], an adapter for each row of a batch, in forward() and generate() of every method, and drops it without
# a word in most of them: all rows then get the active adapter, also rows for which the base model was asked ("__base__"), and a name
# that does not exist raises nothing. LoRA, RoAd and GLoRA do what is asked, and raise for such a name. DoRA raises.
# HiRA has the hook for it in its source, but nothing that sets the hook.
# Expected: each row by its own adapter, or an error. Who compares or serves several adapters in one batch compares one with itself.
# Seen, two adapters "one" (active) and "two", a batch of three rows for "one", "two" and "__base__": in 15 methods the second and third
# row are equal to those of "one" to the bit, and 0.2 to 6.6 nats from what was asked for; generate() writes what "one" writes.
# Tried: peft 0.21.2, transformers 5.23.0, torch 2.13.0 on a CPU. Exit code 0 while this is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check peft==0.21.2 transformers==5.23.0 accelerate==1.15.0 torch==2.13.0 numpy==2.4.1
cat > "$folder/rows.py" <<'PY'
import peft
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

RIGHT = {"Lora": {"r": 4}, "Road": {"group_size": 8}, "Glora": {}}
DROPPED = {
    "LoHa": {}, "LoKr": {}, "OFT": {"r": 0, "oft_block_size": 8}, "BOFT": {"boft_block_size": 8}, "Vera": {},
    "IA3": {"feedforward_modules": ["down_proj"]}, "HRA": {}, "FourierFT": {"n_frequency": 20}, "RandLora": {}, "Miss": {"r": 4},
    "Shira": {"r": 2}, "Gralora": {}, "Delora": {}, "Hira": {}, "VBLoRA": {"num_vectors": 16, "vector_length": 8},
}  # fmt: skip
IDS = torch.arange(3, 27).view(2, 12)[:1].expand(3, -1)
ASKED = ["one", "two", "__base__"]


def model_of(method, settings):
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=96, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
        initializer_range=0.2, pad_token_id=0, eos_token_id=None, bos_token_id=None,
    )  # fmt: skip
    one, two = (
        getattr(peft, f"{method}Config")(target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM", **settings) for _ in "12"
    )
    model = peft.get_peft_model(Qwen2ForCausalLM(config), one, adapter_name="one")
    model.add_adapter("two", two)
    random = torch.Generator().manual_seed(1)
    for name in ("two", "one"):
        model.set_adapter(name)
        for weight in model.parameters():
            if weight.requires_grad:
                weight.data += torch.randn(weight.shape, generator=random).to(weight) * 0.1
    return model.eval()


@torch.no_grad()
def predicted(model, **settings):
    return model(input_ids=IDS, **settings).logits.log_softmax(-1)


def written(model, **settings):
    return model.generate(input_ids=IDS, attention_mask=torch.ones_like(IDS), max_new_tokens=8, do_sample=False, **settings).tolist()


changed = False
for method, settings in (RIGHT | DROPPED).items():
    model = model_of(method, settings)
    one = predicted(model)
    model.set_adapter("two")
    two = predicted(model)
    model.set_adapter("one")
    with model.disable_adapter():
        base = predicted(model)
    got = predicted(model, adapter_names=ASKED)
    nats = [(row - right).abs().max().item() for row, right in zip(got, (one[0], two[1], base[2]))]
    drops = torch.equal(got, one)
    writes_one = written(model, adapter_names=ASKED) == written(model)
    try:
        predicted(model, adapter_names=["one", "one", "no such adapter"])
        unknown = "nothing"
    except ValueError:
        unknown = "ValueError"
    told = ", ".join(f"{value:.2g}" for value in nats)
    print(f"{method}: {told} nats from what was asked; all rows equal the active one: {drops}; an unknown name raises {unknown}", flush=True)
    if method in DROPPED:
        changed |= not drops or not writes_one or unknown != "nothing" or min(nats[1:]) < 0.05
    else:
        changed |= max(nats) > 1e-4 or unknown != "ValueError"

dora = model_of("Lora", {"r": 4, "use_dora": True})
try:
    predicted(dora, adapter_names=ASKED)
    changed = True
except ValueError as error:
    print("DoRA raises:", error)
raise SystemExit(1 if changed else 0)
PY
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" -W ignore "$folder/rows.py" 2>"$folder/log" || { tail -5 "$folder/log"; exit 1; }
