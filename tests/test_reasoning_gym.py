r"""Every task of reasoning-gym: drawn the same everywhere, graded by its own scorer, and no answer executes anything.

The right answers are reasoning-gym's own; that they are right is checked against its own process-free API in a process without
our guard (`peer`).
"""

import json
import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from runs_helper import Silent

from outgrow.errors import UsageError
from outgrow.evaluate import suite
from outgrow.learn.loop import train
from outgrow.problems.overlap import fold
from outgrow.problems.reasoning_gym import ReasoningGym
from outgrow.recipes import load_recipe, parse_recipe
from outgrow.runs.files import read_lines
from outgrow.verify import Attempt, Verdict, Verifier
from outgrow.verify.pool import GYM, LIMIT_S, Pool

pytest.importorskip("reasoning_gym", reason='the problem source reasoning_gym needs: pip install "outgrow[reasoning-gym]"')
