#!/usr/bin/env bash
# peft merges the adapters of layers that share their weights into each other, and gives back another model. Zamba and Zamba2 use one
# block of attention several times: in transformers 5 as modules of their own, whose weights are the same tensors. LoRA gives each of
# these modules its own adapter, which is trained and saved as such; merge_and_unload() then adds all of these to the one weight. No
# warning, also with safe_merge=True; the adapters by themselves, loaded again, are right. (That an adapter of a tied output layer
# moves the embedding is known; peft looks for that by the embedding's name, and ensure_weight_tying is for it alone.)
# Expected: the logits of before the merge, as in a Llama of that size; or an error, since no single weight can hold both.
# Seen, LoRA on q_proj, k_proj, v_proj, o_proj: merged, Zamba is 0.7 and Zamba2 0.51 nats from what it was, Llama 1e-06; the weight is
# W + the products of both layers to rounding. Loaded again without merging: equal.
# Tried: peft 0.21.2, transformers 5.23.0, torch 2.13.0 on a CPU. Exit code 0 while this is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check peft==0.21.2 transformers==5.23.0 accelerate==1.15.0 torch==2.13.0 numpy==2.4.1
cat > "$folder/merge.py" <<'PY'
import pathlib
import sys
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig, Zamba2Config, ZambaConfig

folder = pathlib.Path(sys.argv[1])
SIZES = {"vocab_size": 100, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4}
HYBRID = {"num_key_value_heads": 4, "layers_block_type": ["mamba", "hybrid"] * 2}
CONFIGS = {
    "Llama": LlamaConfig(**SIZES),
    "Zamba": ZambaConfig(**SIZES, **HYBRID, attention_hidden_size=64, attention_head_dim=16, n_mamba_heads=2, mamba_d_state=8),
    "Zamba2": Zamba2Config(
        **SIZES, **HYBRID, n_mamba_heads=8, mamba_headdim=8, mamba_d_state=8, mamba_ngroups=1, num_mem_blocks=1, hybrid_layer_ids=[1, 3]
    ),
}
IDS = torch.randint(3, 100, (2, 11), generator=torch.Generator().manual_seed(1))


def model_of(config):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    for weight in {id(weight): weight for weight in model.parameters()}.values():
        weight.data += torch.randn(weight.shape) * 0.1
    return model


@torch.no_grad()
def logprobs(model):
    return model(IDS, use_cache=False).logits.log_softmax(-1)


def product(layer):
    return layer.scaling["default"] * layer.lora_B["default"].weight @ layer.lora_A["default"].weight


changed = False
for name, config in CONFIGS.items():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        torch.manual_seed(2)
        model = get_peft_model(model_of(config), LoraConfig(r=2, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"])).eval()
        for key, weight in model.named_parameters():
            if "lora_B" in key:
                weight.data.normal_(0, 0.05)
        before = logprobs(model)
        layers = [module for key, module in model.named_modules() if key.endswith("q_proj")]
        weight = layers[0].base_layer.weight
        shared = sum(layer.base_layer.weight is weight for layer in layers)
        own = (weight + product(layers[0])).detach().clone()
        every = (weight + sum(product(layer) for layer in layers if layer.base_layer.weight is weight)).detach().clone()
        model.save_pretrained(folder / name)
        again = logprobs(PeftModel.from_pretrained(model_of(config), folder / name).eval())
        merged = model.merge_and_unload(safe_merge=True)
        after = logprobs(merged)
    loaded, nats = (before - again).abs().max().item(), (before - after).abs().max().item()
    words = [str(one.message) for one in told if "merg" in str(one.message) or "tie" in str(one.message)]
    print(
        f"{name}: loaded again {loaded:.1g} nats apart, merged {nats:.2g}; {shared} of {len(layers)} layers share the first's weight, "
        f"which is W + its own product: {torch.allclose(weight, own, atol=1e-6)}, W + all of theirs: "
        f"{torch.allclose(weight, every, atol=1e-6)}; warnings of it: {len(words)}",
        flush=True,
    )
    right = nats < 1e-4 and torch.allclose(weight, own, atol=1e-6)
    wrong = nats > 0.3 and shared == 2 and torch.allclose(weight, every, atol=1e-6) and not words
    changed |= loaded > 1e-4 or not (right if name == "Llama" else wrong)
raise SystemExit(1 if changed else 0)
PY
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" "$folder/merge.py" "$folder" 2>"$folder/log" || { tail -5 "$folder/log"; exit 1; }
