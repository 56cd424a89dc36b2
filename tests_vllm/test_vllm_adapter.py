"""What outgrow saves, vLLM loads by itself: an adapter, as it comes out of a run, next to its base."""

from importlib.util import find_spec

import pytest
import torch

if find_spec("vllm") is None:
    pytest.skip("vLLM has an environment of its own: make test-vllm", allow_module_level=True)

from outgrow.policy import Policy, Sampling
from outgrow.policy.logprobs import completion_logprobs
from outgrow.policy.lora import add_adapter
from outgrow.policy.lora_settings import LoRA

KEPT = []  # one that is let go takes the state of others in this process along
QUESTIONS = ["3+4=?", "27+58=?", "12*3=?"]


def test_vllm_loads_a_saved_adapter(untrained, tmp_path):
    """Greedy completions with and without it; log-probabilities are those of our multiplied-out weights."""
    from vllm import LLM, SamplingParams
    from vllm.lora.request import LoRARequest

    untrained.save(tmp_path / "base")
    base = add_adapter(untrained.model, LoRA(rank=8), 0, "somebody/base")
    policy = Policy(untrained.model, untrained.tokenizer, adapter=base)
    generator = torch.Generator().manual_seed(1)
    for name, weight in policy.model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.1, generator=generator)
    policy.save(tmp_path / "adapter")

    llm = LLM(
        str(tmp_path / "base"), dtype="float32", enforce_eager=True, kv_cache_memory_bytes=2**28, enable_lora=True, max_lora_rank=8
    )
    KEPT.append(llm)
    prompts = [policy.prompt_ids(question) for question in QUESTIONS]
    settings = SamplingParams(temperature=0.0, max_tokens=20, logprobs=0)
    request = LoRARequest("ours", 1, str(tmp_path / "adapter"))

    def difference(lora_request):
        outputs = llm.generate(
            [{"prompt_token_ids": prompt} for prompt in prompts], settings, use_tqdm=False, lora_request=lora_request
        )
        completions = [list(output.outputs[0].token_ids) for output in outputs]
        with torch.no_grad():
            learner, _, _ = completion_logprobs(policy, prompts, completions, Sampling(temperature=0.0))
        theirs = [
            [place[token].logprob for token, place in zip(ids, output.outputs[0].logprobs, strict=True)]
            for ids, output in zip(completions, outputs, strict=True)
        ]
        return max((torch.tensor(row) - learner[i, : len(row)]).abs().max().item() for i, row in enumerate(theirs))

    assert difference(None) > 0.1, "the adapter changes nothing, so nothing is shown"
    found = difference(request)
    print(f"largest difference {found:.2g}")
    assert found < 1e-3
