"""What each rank of tests/test_ranks.py runs, under torchrun: learning with ranks and without, from the same rows.

Usage: torchrun --nproc-per-node N -m helpers.ranked FILE. Rank 0 writes what both ways led to into FILE.
"""

import random
import sys
from functools import partial
from pathlib import Path

import torch

from outgrow.config import parse_recipe
from outgrow.core.oom_backoff import AutoBatchSize
from outgrow.policy import load_policy
from outgrow.policy.sharded import local
from outgrow.runs.models import learner_and_reference
from outgrow.train.optimizer import Optimizer
from outgrow.train.passes import run_passes
from outgrow.train.ranks.front import shared_out
from outgrow.train.ranks.group import joined
from outgrow.train.ranks.serve import serve
from outgrow.train.sft import Example, SFTLearner
from outgrow.train.update import AdvantagedRollout, Learner
from outgrow.types import Rollout

STEPS = 5
RL = {
    "name": "ranked",
    "policy": {"model": "micro-base"},
    "learn": {"lr": 1e-4, "warmup": 0, "steps": 10, "max_grad_norm": 0.05, "ranks": 2},
}
OFTEN = {"updates_per_step": 2, "old_logprobs": "learner"}
LORA = {"model": "micro-base", "lora": {"rank": 4}}
CASES = {
    "full": RL,
    "full, KL, old of the learner, two updates": RL | {"loss": {"kl_weight": 0.1}, "learn": RL["learn"] | OFTEN},
    "adapters, KL": RL | {"policy": LORA, "loss": {"kl_weight": 0.1}, "learn": RL["learn"] | {"lr": 1e-3}},
    "half precision, adapters": RL | {"policy": LORA | {"dtype": "bfloat16"}},
    "solutions": RL | {"kind": "sft"},
}


def rows(step, vocabulary):
    """Rollouts of four prompts, of very unequal lengths: the first group has half of all tokens."""
    draw = random.Random(step)
    groups = []
    for size, longest in ((4, 60), (3, 9), (5, 20), (2, 4)):
        prompt, group = [draw.randrange(5, vocabulary) for _ in range(draw.randrange(3, 20))], []
        for place in range(size):
            ids = [draw.randrange(5, vocabulary) for _ in range(draw.randrange(1, longest + 1))]
            rollout = Rollout(prompt, ids, [-draw.random() for _ in ids], finished=True, text="")
            group.append(AdvantagedRollout(rollout, draw.gauss(0, 1) if place else 1.0))
        groups.append(group)
    return groups


def learn(recipe, policy, reference, ranks=None):
    """Learn for some steps; return the norms and losses of the steps, the weights, the moments, and KL to the reference."""
    optimizer = ranks.optimizer if ranks else Optimizer(policy.model, recipe.learn, recipe.learn.steps)
    size, figures = AutoBatchSize("tokens", 100, print), []
    if recipe.kind == "rl":
        section = (recipe.learn, recipe.loss, recipe.sampling, recipe.seed, size)
        learner = Learner(policy, reference, optimizer, *section, ranks)
    else:
        learner = SFTLearner(policy, optimizer, size, ranks)
    kl = 0.0
    for step in range(1, STEPS + 1):
        groups = rows(step, 100)
        if recipe.kind == "rl":
            kl = learner.kl_to_reference([row.rollout for group in groups for row in group], 10.0)
            figures.append(learner.update(groups, step))
            continue
        examples = [[Example(row.rollout.prompt_ids, row.rollout.completion_ids) for row in group] for group in groups]
        tokens = sum(len(each.completion_ids) for group in examples for each in group)
        loss = sum(part for _, part in run_passes(learner, partial(SFTLearner.backward, tokens=tokens), examples))
        norm, _ = optimizer.step(step)
        figures.append({"train/loss": loss, "train/grad_norm": norm})
    clone = {name: tensor.clone() for name, tensor in policy.named_weights().items()}
    base = {name: tensor.clone() for name, tensor in reference.named_weights().items()}
    return {"figures": figures, "weights": clone, "moments": dict(optimizer.tensors()), "kl": kl, "base": base}


def held(rank, argument):
    """Return the bytes that a rank holds of the policy's weights and of their moments."""
    moments = [value for value in rank.learner.optimizer.tensors().values() if value.dim()]
    return [sum(local(each).nbytes for each in every) for every in (rank.policy.model.parameters(), moments)]


def loaded(rank, argument):
    """Return a digest of what a rank holds of the moments."""
    return [local(value).double().sum().item() for value in rank.learner.optimizer.tensors().values()]


def kept(rank, argument):
    """Return the bytes that a rank holds of the reference's weights."""
    return sum(local(each).untyped_storage().nbytes() for each in rank.reference.model.parameters())


def compare(recipe, folder):
    policy, reference = learner_and_reference(recipe, load_policy("micro-base", dtype=recipe.policy.dtype), None)
    alone = learn(recipe, policy, reference)
    policy.save(folder / "alone")
    policy, reference = learner_and_reference(recipe, load_policy("micro-base", dtype=recipe.policy.dtype), None)
    whole = sum(weight.nbytes for weight in policy.model.parameters())
    adapter = policy.adapter
    policy.model.eval()
    with shared_out(recipe, policy, reference, folder) as (front, base, ranks):
        assert front.adapter is adapter
        shared = learn(recipe, front, base, ranks)
        front.save(folder / "shared")
        team = ranks._team
        bytes_held = team.call(held, [None] * team.size)
        before = team.call(loaded, [None] * team.size)
        ranks.optimizer.load_tensors({name: 2 * tensor for name, tensor in ranks.optimizer.tensors().items()})
        after = team.call(loaded, [None] * team.size)
        of_reference = [team.call(kept, [None] * team.size)]
        ranks.drop_reference()
        of_reference.append(team.call(kept, [None] * team.size))
        still = dict(front.named_weights())
    assert all(torch.equal(weight, still[name]) for name, weight in shared["weights"].items())
    held_all = {"whole": whole, "held": bytes_held, "of_reference": of_reference}
    return {"alone": alone, "shared": shared, "moments": (before, after), **held_all}


def main(file):
    with joined() as group:
        if group.rank:
            serve(group)
            return
        torch.set_num_threads(1)
        results = {}
        for name, values in CASES.items():
            folder = file.parent / name
            results[name] = compare(parse_recipe(dict(values)), folder)
        torch.save(results, file)


if __name__ == "__main__":
    from helpers import ranked  # what is sent to other ranks is sent by its module's name

    ranked.main(Path(sys.argv[1]))
