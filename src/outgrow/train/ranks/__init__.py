"""A learner of several processes (ranks): each holds a part of the weights and of the optimizer's moments (`learn.ranks`).

Rank 0 is the run: it chooses problems, writes and grades answers, and keeps the files. The others wait for calls.
"""
