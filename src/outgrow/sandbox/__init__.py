"""reasoning-gym in separate processes: `generate` makes its problems, `scorer_process` scores a model's answers to them.

The run itself imports none of it. The package takes seconds to load, moves Python's and numpy's global generators, orders some of
its problems by Python's hash seed, and hands answers to `eval`.
"""
