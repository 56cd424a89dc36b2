"""A model that scores answers beside the checker: what it is asked (rubric), asking it (judge), whether it is being fooled (watch,
canaries, alarm), and how good it is before it is trusted (trial, quality). The loop around it is train/judge_scores.py."""
