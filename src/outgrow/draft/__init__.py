"""A recipe for a person's own problems, drafted from what the file, the model and the machine show.

The data flow one way: `data`, `model` and `machine` look; `findings` holds what they saw; `choose` turns it into settings, each
with its reason; `text` writes them as TOML; `words` says what was seen.
"""
