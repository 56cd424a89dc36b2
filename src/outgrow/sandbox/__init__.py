"""reasoning-gym, in processes of its own: `draw` makes its problems, `worker` scores what a model answered to them.

The run itself imports none of it. The package takes seconds to load, moves Python's and numpy's global generators, orders some of
its problems by Python's hash seed, and hands answers to `eval`.
"""
