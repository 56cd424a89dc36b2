"""What a run says where held-out problems got worse: the loss, the likeliest cause, and what to change."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ..core.errors import OutgrowError, reason
from ..core.files import parse_json, read_plain
from ..core.shell import command_line
from ..runs.folder import RunFolder
from .decline import Decline
from .likely_cause import Cause


@dataclass(frozen=True)
class Worse:
    """Held-out problems got worse. Kept in a run's worse.json and summary.json."""

    step: int
    """The step that the loss was seen in; at the end of a run, its last step."""
    loss: Decline
    cause: Cause
    policy_step: int | None = None
    """The step of the checkpoint that the run ended with for this reason; None where it went on."""

    @property
    def headline(self) -> str:
        """The loss in a sentence."""
        loss = self.loss
        change, low, high = (f"{100 * value:+.1f}".replace("-", "−") for value in (loss.change, loss.low, loss.high))
        return (
            f"held-out problems got worse by step {self.step:,}: {loss.before:.1%} → {loss.after:.1%}, {change} points ({low} to "
            f"{high}, a {100 * loss.level:.4g}% interval), n = {loss.n:,} problems × {loss.k} answers."
        )

    @property
    def reason(self) -> str:
        """The likeliest cause in a sentence."""
        return f"Likeliest cause: {self.cause.name} ({self.cause.evidence})."

    @property
    def ending(self) -> str:
        """Which policy the run ended with; empty where it went on."""
        if self.policy_step is None:
            return ""
        return f"The run ended there; its policy is that of step {self.policy_step:,}, the last that was not worse."

    @property
    def option(self) -> str:
        """What to add to the command line."""
        return f"--set {self.cause.setting}"

    def command(self, run: str) -> str:
        """Return what continues a run that ended early. run: its folder."""
        return command_line("resume", run, "--set", self.cause.setting)

    def advice(self, run: str) -> str:
        """Return what to do, in a line that can be copied. run: the run's folder."""
        first = f"{self.cause.hint.capitalize()}, or " if self.cause.hint else ""
        if self.policy_step is not None:
            text = f"continue from step {self.policy_step:,} with: {self.command(run)}"
        else:
            text = f"train again with: {self.option}   (--set run.on_worse=stop ends a run at its last good checkpoint)"
        return first + text if first else text[0].upper() + text[1:]

    def lines(self, run: str) -> list[str]:
        """Return what a terminal shows. run: the run's folder."""
        return [f"WORSE: {self.headline}", *filter(None, (self.ending, self.reason)), self.advice(run)]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON, with a text for the model card."""
        text = " ".join(filter(None, (f"WORSE: {self.headline}", self.ending, self.reason)))
        return {**asdict(self), "text": f"{text} Setting to change: {self.cause.setting}"}


_WORSE = TypeAdapter(Worse)


def read_worse(run: Path) -> Worse | None:
    """Return what a run's worse.json says; None where the run is not shown to be worse.

    Raises OutgrowError where the file cannot be read.
    """
    file = RunFolder(run).worse
    try:
        if not file.exists():
            return None
        return _WORSE.validate_python(parse_json(read_plain(file)))
    except (OSError, ValueError, TypeError) as error:
        raise OutgrowError(
            f"{file}: cannot be read ({reason(error)}); remove it, then run: {command_line('resume', run)}"
        ) from error


def early_end(run: Path) -> Worse | None:
    """Return why a run ended before its last step; None where it did not. Raises as `read_worse`."""
    worse = read_worse(run)
    return worse if worse and worse.policy_step is not None else None
