"""A memory that is written while a model reads: next to attention over a sliding window, after Titans (arXiv 2501.00663)."""
