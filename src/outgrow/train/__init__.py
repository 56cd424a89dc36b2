"""Moving weights: the RL step, supervised fine-tuning, losses, schedules, and the loop that runs them."""
