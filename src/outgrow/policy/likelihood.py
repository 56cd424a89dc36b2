"""How likely given continuations are, and whether they are the likeliest: what multiple-choice benchmarks ask."""

from collections.abc import Sequence

import torch

from .chunked_logprobs import tokens_at_once
from .logprobs import distinct_prompts, output_weight
from .packed_forward import hidden_states, pack
from .policy import Policy


def likelihoods(
    policy: Policy, prompts: Sequence[Sequence[int]], continuations: Sequence[Sequence[int]]
) -> list[tuple[float, bool]]:
    """Of each continuation, its log-probability (nats, at temperature 1) and whether each of its tokens is the likeliest.

    prompts, continuations: B lists of token ids, none of them empty. A prompt that several share is run once.
    """
    with torch.no_grad():
        branches = pack(*distinct_prompts(prompts), continuations, policy.model.device)
        before_MD = hidden_states(policy.model, branches).index_select(0, branches.predictor_M)
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


def forward_kl(base: Policy, policy: Policy, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]]) -> list[float]:
    """KL(base ‖ policy) of each completion, its mean over tokens (nats, at temperature 1), over the whole vocabulary at each.

    On completions that the base wrote this is what forgetting goes with (RL's Razor, arXiv 2509.04259): how much of what the
    base would have said has become unlikely. Both must have one vocabulary.
    """
    with torch.no_grad():
        branches = pack(*distinct_prompts(prompts), completions, base.model.device)
        hidden = [hidden_states(one.model, branches).index_select(0, branches.predictor_M) for one in (base, policy)]
        weights = [output_weight(one) for one in (base, policy)]
        found = []
        for parts in zip(*(states_MD.split(tokens_at_once(len(weights[0]))) for states_MD in hidden), strict=True):
            first_CV, second_CV = ((part @ weight.T).float().log_softmax(-1) for part, weight in zip(parts, weights, strict=True))
            found.append((first_CV.exp() * (first_CV - second_CV)).sum(-1))
        return [float(tokens.mean()) for tokens in torch.cat(found).split(list(map(len, completions)))]
