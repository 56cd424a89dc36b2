"""What a run leaves behind: its folder, checkpoints, metrics, rollouts; and how it is stopped and resumed."""
