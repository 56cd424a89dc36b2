"""Moving weights: the RL step, supervised fine-tuning, schedules, and the loop that runs them."""
