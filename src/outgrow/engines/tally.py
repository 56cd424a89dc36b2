"""How much several calls of a model have written together."""

from dataclasses import dataclass, replace

from ..core.callbacks import CheckStop, OnWritten, Written, never_stop, untold
from .chat_model import Answer, ChatModel, ChatRequest, WrappedModel


class Tally:
    """Adds up what one call after the other has written, and passes the sum on."""

    def __init__(self, on_written: OnWritten = untold) -> None:
        """on_written: takes the sum over all calls."""
        self._on_written = on_written
        self._sum = Written()

    def add_stored(self, answers: int) -> None:
        """Count answers that were there before."""
        self._tell(self._sum + Written(answers, 0, answers))

    def call(self) -> OnWritten:
        """Begin a call. Return what takes how much it has written so far."""
        before = self._sum
        return lambda written: self._tell(before + written)

    def wrap(self, model: ChatModel) -> ChatModel:
        """Return the model with every call counted."""
        return _TalliedModel(model, self)

    def watching(self, check_stop: CheckStop) -> CheckStop:
        """Return check_stop; it also tells the sum again, so that a listener's clock goes on while answers are graded."""

        def check() -> None:
            check_stop()
            self._on_written(self._sum)

        return check

    def _tell(self, written: Written) -> None:
        self._sum = written
        self._on_written(written)


@dataclass(frozen=True)
class _TalliedModel(WrappedModel):
    """A `ChatModel` whose calls are counted."""

    tally: Tally

    def answer(self, request: ChatRequest, check_stop: CheckStop = never_stop) -> list[list[Answer]]:
        latest = Written()
        tell = self.tally.call()

        def on_written(written: Written) -> None:
            nonlocal latest
            latest = written
            tell(written)

        groups = self.model.answer(replace(request, on_written=on_written), check_stop)
        # Not every engine tells anything.
        if latest.answers < len(groups) * request.n:
            tokens = sum(answer.length or 0 for group in groups for answer in group)
            tell(Written(len(groups) * request.n, tokens, latest.stored))
        return groups
