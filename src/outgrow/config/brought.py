"""Names of settings in TRL, Unsloth, verl and transformers, each with the key that does its job here.

Like the table of old names (`renamed.py`), it is read only for what validation refused, so that no row hides a key of the schema.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Brought:
    """What does the job of a setting that another library has."""

    keys: tuple[str, ...] = ()
    """The keys that do; none where nothing needs to be set, or nothing can."""
    note: str = ""
    """What differs; empty where the first key means the same and takes the same value."""
    either: bool = False
    """Whether each key could be the one that is meant."""
    sft: tuple[str, ...] | None = None
    """The keys in a recipe of kind sft, where they are others."""


def _same(key: str) -> Brought:
    return Brought((key,))


def _none(note: str) -> Brought:
    return Brought((), note)


_EPOCHS = Brought(("learn.steps",), "an epoch is the number of problems / learn.problems_per_step")
_PER_STEP = Brought(
    ("learn.problems_per_step", "learn.tokens_per_microbatch"),
    "a step has that number of problems, with learn.group_size completions each; the second key bounds memory",
    sft=("learn.batch_size", "learn.tokens_per_microbatch"),
)
_MICROBATCH = Brought(("learn.tokens_per_microbatch",), "gradients add up over the whole step; this key bounds memory")
_PROBLEMS = Brought(("problems",), 'write [[problems]] and below it type = "table" and path = FILE, or hub = "OWNER/NAME"')
_HELD_OUT = Brought(("evaluate.suite",), "the name of a suite, a file, or a data set on the hub")
_REWARDS = Brought(("rewards",), 'write [[rewards]] and below it type = "accuracy", or type = "module:name" for your own')
_TRACKERS = Brought(("run.trackers",), 'a list, for example ["wandb"]')
_ENGINE = Brought(("engine.type",), '"vllm" or "native"')
_VLLM_MEMORY = Brought(("engine.gpu_memory_utilization",), 'with engine.type = "vllm"')
_PROMPT_LENGTH = _none("prompts are never cut; prompt and sampling.max_tokens together must fit the model's context")
_GRADIENT_CHECKPOINTING = Brought(("learn.tokens_per_microbatch",), "lower it to save memory; activations are not recomputed")
_CLIP = Brought(("loss.clip_low", "loss.clip_high"), "one clip for each side")
_MINI_BATCH = Brought(("learn.updates_per_step",), "the number of optimizer steps that share a step's rollouts")
_SCALE = Brought(("advantage.type",), '"grpo" divides by the standard deviation of a group, "dr_grpo" does not')
_HALF = Brought(("policy.dtype",), '"float32" or "bfloat16"')
_DEVICES = Brought(
    ("learn.ranks", "engine.actors"), "processes that share the learning, and processes that write, each on a GPU of its own"
)
_QUANTIZED = _none('weights are not quantized; policy.dtype = "bfloat16" and [policy.lora] save memory')
_ALL_LOGGED = _none("metrics of every step are written to metrics.jsonl")
_LOSS = Brought(("loss.type", "loss.aggregation"), 'aggregation "sequence" is grpo in TRL, "token" is dapo, "constant" is dr_grpo')

# A name, or the last names of a dotted key; the longest that fits counts.
BROUGHT = {
    # transformers' TrainingArguments
    "learning_rate": _same("learn.lr"),
    "max_steps": _same("learn.steps"),
    "num_train_epochs": _EPOCHS,
    "per_device_train_batch_size": _PER_STEP,
    "per_device_eval_batch_size": Brought(("engine.max_sequences",), "answers that are written at the same time"),
    "gradient_accumulation_steps": _MICROBATCH,
    "gradient_checkpointing": _GRADIENT_CHECKPOINTING,
    "lr_scheduler_type": _same("learn.schedule"),
    "warmup_ratio": _same("learn.warmup"),
    "warmup_steps": Brought(("learn.warmup",), "a share of the steps, not their number"),
    "adam_beta1": Brought(("learn.betas",), "a list of both, for example [0.9, 0.95]"),
    "adam_beta2": Brought(("learn.betas",), "a list of both, for example [0.9, 0.95]"),
    "optim": _none("the optimizer is AdamW; its keys are learn.betas, learn.weight_decay and learn.max_grad_norm"),
    "logging_steps": _ALL_LOGGED,
    "logging_strategy": _ALL_LOGGED,
    "save_steps": _same("run.checkpoint_every"),
    "save_strategy": Brought(("run.checkpoint_every",), "steps between checkpoints"),
    "save_total_limit": _same("run.keep_checkpoints"),
    "eval_steps": _same("evaluate.every"),
    "eval_strategy": Brought(("evaluate.every",), "steps between measurements; 0 for none"),
    "output_dir": _none("the option --out names the folder of a run"),
    "report_to": _TRACKERS,
    "run_name": _same("name"),
    "random_state": _same("seed"),
    "data_seed": _same("seed"),
    "bf16": _HALF,
    "fp16": _HALF,
    "torch_dtype": _same("policy.dtype"),
    "resume_from_checkpoint": _none("the command outgrow resume RUN continues a run"),
    # TRL
    "num_generations": _same("learn.group_size"),
    "generation_batch_size": _PER_STEP,
    "steps_per_generation": _MINI_BATCH,
    "num_iterations": _MINI_BATCH,
    "max_completion_length": _same("sampling.max_tokens"),
    "max_prompt_length": _PROMPT_LENGTH,
    "beta": _same("loss.kl_weight"),
    "epsilon": _same("loss.clip_low"),
    "epsilon_high": _same("loss.clip_high"),
    "loss_type": _LOSS,
    "importance_sampling_level": Brought(("loss.type",), '"gspo" has one ratio a completion, "clipped_surrogate" one a token'),
    "scale_rewards": _SCALE,
    "reward_funcs": _REWARDS,
    "reward_weights": Brought(("rewards",), "each table [[rewards]] has its weight"),
    "mask_truncated_completions": Brought(("rewards",), 'a completion that is cut earns 0; see the reward "length_overlong"'),
    "sync_ref_model": _none("the reference is the starting policy and does not change"),
    "use_vllm": _ENGINE,
    "vllm_mode": _ENGINE,
    "vllm_gpu_memory_utilization": _VLLM_MEMORY,
    "temperature": _same("sampling.temperature"),
    "min_p": Brought(("sampling.top_p", "sampling.top_k"), "min_p itself is not available"),
    "repetition_penalty": _none("tokens are drawn from the policy's own distribution, without a penalty"),
    "model_name_or_path": _same("policy.model"),
    "model_name": _same("policy.model"),
    "ref_model": _none("the reference of loss.kl_weight is the starting policy"),
    "dataset_name": _PROBLEMS,
    "dataset_config": Brought(("problems",), "the key config of a [[problems]] table"),
    "train_dataset": _PROBLEMS,
    "eval_dataset": _HELD_OUT,
    "system_prompt": _same("prompt.system"),
    "chat_template": _same("prompt.template"),
    "use_peft": _none("write a table [policy.lora]; without it every weight learns"),
    # peft and Unsloth
    "lora_r": _same("policy.lora.rank"),
    "lora_rank": _same("policy.lora.rank"),
    "max_lora_rank": _same("policy.lora.rank"),
    "lora_alpha": _same("policy.lora.alpha"),
    "lora_dropout": _same("policy.lora.dropout"),
    "lora_target_modules": _same("policy.lora.targets"),
    "target_modules": _same("policy.lora.targets"),
    "lora.r": _same("policy.lora.rank"),
    "max_seq_length": _PROMPT_LENGTH,
    "load_in_4bit": _QUANTIZED,
    "load_in_8bit": _QUANTIZED,
    "fast_inference": _ENGINE,
    "use_gradient_checkpointing": _GRADIENT_CHECKPOINTING,
    # verl
    "rollout.n": _same("learn.group_size"),
    "rollout.name": _ENGINE,
    "rollout.temperature": _same("sampling.temperature"),
    "rollout.top_p": _same("sampling.top_p"),
    "rollout.top_k": _same("sampling.top_k"),
    "rollout.gpu_memory_utilization": _VLLM_MEMORY,
    "rollout.max_num_seqs": _same("engine.max_sequences"),
    "model.path": _same("policy.model"),
    "optim.lr": _same("learn.lr"),
    "optim.weight_decay": _same("learn.weight_decay"),
    "lr_warmup_steps_ratio": _same("learn.warmup"),
    "grad_clip": _same("learn.max_grad_norm"),
    "train_batch_size": _PER_STEP,
    "ppo_mini_batch_size": _MINI_BATCH,
    "ppo_epochs": _MINI_BATCH,
    "ppo_micro_batch_size": _MICROBATCH,
    "ppo_micro_batch_size_per_gpu": _MICROBATCH,
    "ppo_max_token_len_per_gpu": _same("learn.tokens_per_microbatch"),
    "enable_gradient_checkpointing": _GRADIENT_CHECKPOINTING,
    "clip_ratio": _CLIP,
    "clip_ratio_low": _same("loss.clip_low"),
    "clip_ratio_high": _same("loss.clip_high"),
    "kl_loss_coef": _same("loss.kl_weight"),
    "kl_ctrl.kl_coef": _same("loss.kl_weight"),
    "kl_coef": _same("loss.kl_weight"),
    "use_kl_loss": Brought(("loss.kl_weight",), "a weight above 0 turns it on"),
    "use_kl_in_reward": Brought(("loss.kl_weight",), "KL is a part of the loss and not of the reward"),
    "loss_agg_mode": Brought(("loss.aggregation",), '"token", "sequence" or "constant"'),
    "adv_estimator": Brought(("advantage.type",), '"grpo", "dr_grpo", "rloo" and others'),
    "norm_adv_by_std_in_grpo": _SCALE,
    "max_response_length": _same("sampling.max_tokens"),
    "train_files": _PROBLEMS,
    "val_files": _HELD_OUT,
    "custom_reward_function.path": _REWARDS,
    "custom_reward_function.name": _REWARDS,
    "total_epochs": _EPOCHS,
    "total_training_steps": _same("learn.steps"),
    "save_freq": _same("run.checkpoint_every"),
    "test_freq": _same("evaluate.every"),
    "trainer.logger": _TRACKERS,
    "n_gpus_per_node": _DEVICES,
    "nnodes": _DEVICES,
}
