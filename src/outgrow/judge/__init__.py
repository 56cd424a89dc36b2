"""The judge: a model that scores answers, in addition to the checker (verify/), which decides whether they are right.

rubric (its prompt) -> judge (scores); metrics, canaries, hacking_alarm (whether the policy exploits it); benchmark, quality (how
good it is, before training). The training loop uses it through train/judge_scores.py.
"""
