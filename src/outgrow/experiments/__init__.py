"""Experiments (`outgrow lab`): one recipe in several arms, each at the same seeds, compared seed by seed."""

from .experiment import Experiment, load_experiment
from .page import write_page
from .runner import run_experiment

__all__ = ["Experiment", "load_experiment", "run_experiment", "write_page"]
