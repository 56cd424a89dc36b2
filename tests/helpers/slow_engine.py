"""An engine from outside the package: transformers' own model class, every token of every row computed again at each step."""

from typing import ClassVar

import torch
from transformers import AutoModelForCausalLM

from outgrow.core.callbacks import Written, never_stop, quiet
from outgrow.core.rng import torch_rng
from outgrow.engines import Engine, EngineConfig
from outgrow.policy.distribution import distribution, draw
from outgrow.types import Rollout


class SlowEngineConfig(EngineConfig):
    """Its settings in a recipe: `type = "helpers.slow_engine:SlowEngineConfig"`."""

    type: str = "helpers.slow_engine:SlowEngineConfig"

    def build(self, warn=quiet):
        return SlowEngine()


class SlowEngine(Engine):
    """Draws as the native engine does, from the same uniform numbers."""

    versions: ClassVar[list[int]] = []
    """Versions of the weights that were loaded, in order, by all of these engines."""

    def start(self, spec):
        super().start(spec)
        self.version = -1

    def load_weights(self, weights, version):
        self.model = AutoModelForCausalLM.from_config(self.spec.config, dtype=self.spec.dtype).eval()
        self.model.load_state_dict({name: weight.clone() for name, weight in weights.items()})
        self.version = version
        self.versions.append(version)

    def sleep(self):
        self.model = None

    @torch.no_grad()
    def generate(self, request, check_stop=never_stop):
        spec, sampling = self.spec, request.sampling
        prompts = [list(prompt) for prompt in request.prompts for _ in range(request.n)]
        uniforms = torch.cat(
            [torch.rand(request.n, sampling.max_tokens, generator=torch_rng(seed, "draw")) for seed in request.seeds]
        )
        ids, logprobs = [[] for _ in prompts], [[] for _ in prompts]
        for place in range(sampling.max_tokens):
            check_stop()
            ended = [bool(set(spec.end_ids) & set(written)) for written in ids]
            request.on_written(Written(sum(ended), sum(map(len, ids))))
            rows = [row for row, done in enumerate(ended) if not done]
            if not rows:
                break
            texts = [prompts[row] + ids[row] for row in rows]
            width = max(map(len, texts))
            tokens = torch.tensor([text + [spec.pad_id] * (width - len(text)) for text in texts])
            logits = self.model(tokens).logits[range(len(rows)), [len(text) - 1 for text in texts]]
            probs = distribution(logits, sampling)
            chosen = logits.argmax(-1) if sampling.temperature == 0 else draw(probs, uniforms[rows, place])
            for row, token, prob in zip(rows, chosen.tolist(), probs, strict=True):
                ids[row].append(token)
                logprobs[row].append(float(prob[token].log()))
        rollouts = [
            Rollout(prompt, written, logs, written[-1] in spec.end_ids, spec.text(written), self.version)
            for prompt, written, logs in zip(prompts, ids, logprobs, strict=True)
        ]
        return [rollouts[first : first + request.n] for first in range(0, len(rollouts), request.n)]
