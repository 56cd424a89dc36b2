#!/usr/bin/env bash
# peft's save_pretrained, called while the adapters are merged (merge_adapter), writes a wrong adapter if LoRA is on the embedding or on
# the head. It then also saves the layer below ("Setting `save_embedding_layers` to `True`"), whose weight holds the adapter's change by
# now: whoever loads the folder gets that change twice. Without these two layers among the targets, saving while merged is harmless.
# Loaded next to another adapter, such a folder also moves the frozen base below it: adapter one, and the model with its adapters
# disabled, answer otherwise as soon as two is loaded, without being active, and after delete_adapter("two") they still do.
# No warning, neither when saving nor when loading. unmerge_adapter() before saving, or save_embedding_layers=False, avoids it.
# Expected: the model that was saved, as with other targets; or an error.
# Seen, a Llama of two layers with embedding and head of their own: the loaded model is 2.9 nats (embedding) and 1.3 nats (head) from
# the one that was saved, with q_proj and v_proj, or unmerged, 0. Loaded as a second adapter: 5.5 nats for the first, 4.7 for the base.
# Tried: peft 0.21.2, transformers 5.23.0, torch 2.13.0 on a CPU. Exit code 0 while this is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check peft==0.21.2 transformers==5.23.0 accelerate==1.15.0 torch==2.13.0 \
    numpy==2.4.1
cat > "$folder/merged.py" <<'PY'
import tempfile
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

CONFIG = LlamaConfig(
    vocab_size=120, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, initializer_range=0.2,
    tie_word_embeddings=False,
)
IDS = torch.randint(3, 120, (2, 10), generator=torch.Generator().manual_seed(1))


def base_model():
    torch.manual_seed(0)
    return LlamaForCausalLM(CONFIG).eval()


def adapted(targets, name="default", seed=2):
    model = get_peft_model(base_model(), LoraConfig(r=4, target_modules=targets), adapter_name=name)
    drawn = torch.Generator().manual_seed(seed)
    for key, weight in model.named_parameters():
        if "lora_" in key:
            weight.data += torch.randn(weight.shape, generator=drawn) * 0.1
    return model.eval()


@torch.no_grad()
def predictions(model):
    return model(IDS).logits.log_softmax(-1)


@torch.no_grad()
def without_adapters(model):
    with model.disable_adapter():
        return predictions(model)


def apart(one, two):
    return (one - two).abs().max().item()


changed = False
for targets in (["q_proj", "v_proj"], ["q_proj", "embed_tokens"], ["q_proj", "lm_head"]):
    for how, more in (("unmerged", {}), ("merged", {}), ("merged", {"save_embedding_layers": False})):
        model = adapted(targets)
        wanted = predictions(model)
        if how == "merged":
            model.merge_adapter()
        kept = apart(predictions(model), wanted)
        with tempfile.TemporaryDirectory() as saved, warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            model.save_pretrained(saved, **more)
            loaded = apart(predictions(PeftModel.from_pretrained(base_model(), saved).eval()), wanted)
            of_merging = [str(one.message) for one in told if "merge" in str(one.message)]
        print(f"{targets}, saved {how} {more or ''}: in memory {kept:.2g} nats, loaded {loaded:.2g}; warnings {len(of_merging)}", flush=True)
        wrong = how == "merged" and not more and targets[1] != "v_proj"
        changed |= kept > 1e-4 or bool(of_merging) or (loaded < 0.3 if wrong else loaded > 1e-4)

for how in ("unmerged", "merged"):
    two = adapted(["q_proj", "embed_tokens"])
    if how == "merged":
        two.merge_adapter()
    one = adapted(["v_proj", "embed_tokens"], "one", 5)
    by_one, by_base = predictions(one), without_adapters(one)
    with tempfile.TemporaryDirectory() as saved:
        two.save_pretrained(saved)
        one.load_adapter(saved, "two")
    one.set_adapter("one")
    moved = apart(predictions(one), by_one), apart(without_adapters(one), by_base)
    one.delete_adapter("two")
    after = apart(predictions(one), by_one)
    print(f"saved {how}, loaded as a second adapter: the first {moved[0]:.2g} nats, the base {moved[1]:.2g}; after delete_adapter {after:.2g}")
    changed |= (min(*moved, after) < 0.3) if how == "merged" else (max(*moved, after) > 1e-4)
raise SystemExit(1 if changed else 0)
PY
OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 "$folder/venv/bin/python" "$folder/merged.py" 2>"$folder/log" || { tail -5 "$folder/log"; exit 1; }
