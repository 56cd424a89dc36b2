#!/usr/bin/env bash
# peft takes gate_proj, up_proj and down_proj in target_modules for the experts of a GLM-4-MoE, and for nothing else: it moves the names
# to target_parameters, since transformers 4 had linear layers of these names in each expert, and 5 has one parameter for all. The
# linear layers that have these names, of the dense first layers and of the shared expert, get no adapter, and no word is said of it.
# The whole name of a dense layer adapts the experts of all other layers in its place, and so does the short name with
# layers_to_transform of the dense layer or with exclude_modules=["experts"].
# Expected, as LoraConfig is documented: only modules whose names are given or end so, which are the linear layers.
# Seen: two layers, the first dense, the second with experts and a shared one: of 6 linear layers of these names 0 are adapted, and
# model.layers.1.mlp.experts is, by wrappers in each other (down_proj as experts, gate_up_proj as experts.base_layer). A warning says
# that the rank for gate_up_proj is ignored, yet it is used (twice r). In a Llama of that size all 6 are adapted and nothing else.
# Saved and loaded, logits are equal; the file says target_modules [] and the wrappers' names. What adapts a dense layer by itself:
# target_parameters=["layers.0.mlp.down_proj.weight"], target_modules=[].
# Tried: peft 0.21.2, transformers 5.23.0, torch 2.13.0 on a CPU. Exit code 0 while this is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check peft==0.21.2 transformers==5.23.0 accelerate==1.15.0 torch==2.13.0 numpy==2.4.1
cat > "$folder/experts.py" <<'PY'
import json
import pathlib
import sys
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import Glm4MoeConfig, Glm4MoeForCausalLM, LlamaConfig, LlamaForCausalLM

folder = pathlib.Path(sys.argv[1])
NAMES, RANK, EXPERTS = ["gate_proj", "up_proj", "down_proj"], 2, 4
SIZES = {
    "vocab_size": 100, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "initializer_range": 0.2, "pad_token_id": 0,
}  # fmt: skip
MIXTURE = {
    "moe_intermediate_size": 16, "n_routed_experts": EXPERTS, "num_experts_per_tok": 2, "n_shared_experts": 1,
    "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1,
}  # fmt: skip
TOKENS = torch.arange(3, 15)[None]


def model_of(family):
    torch.manual_seed(0)
    glm = family == "GLM-4-MoE"
    return (Glm4MoeForCausalLM(Glm4MoeConfig(**SIZES, **MIXTURE)) if glm else LlamaForCausalLM(LlamaConfig(**SIZES))).eval()


def adapted(model):
    """Return the rank of each adapter, by the name of what it is on."""
    start, end = "base_model.model.", ".lora_A.default.weight"
    return {
        name.removeprefix(start).removesuffix(end): len(weight) for name, weight in model.named_parameters() if name.endswith(end)
    }


def with_names(family, **settings):
    return get_peft_model(model_of(family), LoraConfig(r=RANK, lora_alpha=4, **settings))


for family in ("Llama", "GLM-4-MoE"):
    modules = model_of(family).named_modules()
    linear = {name for name, module in modules if isinstance(module, torch.nn.Linear) and name.split(".")[-1] in NAMES}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model = with_names(family, target_modules=NAMES)
    ranks = adapted(model)
    others = sorted(set(ranks) - linear)
    print(f"{family}: {len(linear & set(ranks))} of {len(linear)} linear layers of these names are adapted; others:", *others or ["none"])
print("warned of a rank ignored:", any("rank_pattern" in str(each.message) and "ignored" in str(each.message) for each in told))
print("ranks by expert:", *(ranks[name] // EXPERTS for name in others))
for settings in (
    {"target_modules": ["layers.0.mlp.down_proj"]},
    {"target_modules": ["down_proj"], "layers_to_transform": [0]},
    {"target_modules": ["down_proj"], "exclude_modules": ["experts"]},
    {"target_modules": [], "target_parameters": ["layers.0.mlp.down_proj.weight"]},
):
    print(*(f"{key}={value}" for key, value in settings.items()), "adapts", *adapted(with_names("GLM-4-MoE", **settings)))

random = torch.Generator().manual_seed(1)
for name, weight in model.named_parameters():
    if "lora_B" in name:
        weight.data = torch.randn(weight.shape, generator=random) * 0.3
model.eval().save_pretrained(folder / "adapter")
saved = json.loads((folder / "adapter" / "adapter_config.json").read_text())
print("saved: target_modules", saved["target_modules"], "target_parameters", sorted(saved["target_parameters"]))
loaded = PeftModel.from_pretrained(model_of("GLM-4-MoE"), folder / "adapter").eval()
with torch.no_grad():
    base, before, after = (each(TOKENS).logits for each in (model_of("GLM-4-MoE"), model, loaded))
print("the adapter changes the logits:", not torch.allclose(base, before, atol=1e-2))
print("saved and loaded they are equal:", torch.allclose(before, after, atol=1e-5))
PY
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" -W ignore "$folder/experts.py" "$folder" 2>"$folder/log" | tee "$folder/seen" || { tail -5 "$folder/log"; exit 1; }
diff "$folder/seen" - <<'SEEN'
Llama: 6 of 6 linear layers of these names are adapted; others: none
GLM-4-MoE: 0 of 6 linear layers of these names are adapted; others: model.layers.1.mlp.experts model.layers.1.mlp.experts.base_layer
warned of a rank ignored: True
ranks by expert: 2 4
target_modules=['layers.0.mlp.down_proj'] adapts model.layers.1.mlp.experts
target_modules=['down_proj'] layers_to_transform=[0] adapts model.layers.1.mlp.experts
target_modules=['down_proj'] exclude_modules=['experts'] adapts model.layers.1.mlp.experts
target_modules=[] target_parameters=['layers.0.mlp.down_proj.weight'] adapts model.layers.0.mlp.down_proj
saved: target_modules [] target_parameters ['down_proj', 'gate_up_proj']
the adapter changes the logits: True
saved and loaded they are equal: True
SEEN
