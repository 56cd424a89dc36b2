"""How likely given continuations are, and whether they are the likeliest: what multiple-choice benchmarks ask."""

from collections.abc import Sequence

import torch

from .branches import lay_out, states
from .head import tokens_at_once
from .logprobs import distinct_prompts, output_weight
from .policy import Policy


def likelihoods(
    policy: Policy, prompts: Sequence[Sequence[int]], continuations: Sequence[Sequence[int]]
) -> list[tuple[float, bool]]:
    """Of each continuation, its log-probability (nats, at temperature 1) and whether each of its tokens is the likeliest.

    prompts, continuations: B lists of token ids, none of them empty. A prompt that several share is run once.
    """
    with torch.no_grad():
        branches = lay_out(*distinct_prompts(prompts), continuations, policy.model.device)
        before_MD = states(policy.model, branches).index_select(0, branches.before_M)
        targets_M = torch.tensor([token for row in continuations for token in row], device=before_MD.device)
        weight_VD = output_weight(policy)
        found, best = [], []
        for hidden_CD, targets_C in zip(
            *(part.split(tokens_at_once(len(weight_VD))) for part in (before_MD, targets_M)), strict=True
        ):
            logprobs_CV = (hidden_CD @ weight_VD.T).float().log_softmax(-1)
            found.append(logprobs_CV.gather(-1, targets_C.unsqueeze(-1)).squeeze(-1))
            best.append(logprobs_CV.argmax(-1) == targets_C)
        lengths = list(map(len, continuations))
        rows = zip(torch.cat(found).split(lengths), torch.cat(best).split(lengths), strict=True)
        return [(float(logprobs.sum()), bool(likeliest.all())) for logprobs, likeliest in rows]
