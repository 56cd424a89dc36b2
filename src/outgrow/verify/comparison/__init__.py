"""Whether an answer is the known one: tokens, structure, formulas and their values."""
