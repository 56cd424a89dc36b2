"""A judge that says what a test wants it to, and the overrides of a short run that one scores."""

from helpers.runs import SMALL
from outgrow.engines import Answer

JUDGED = [*SMALL, "learn.steps=4", "evaluate.every=0", "run.checkpoint_every=1"]


class Says:
    """A chat model that replies with what a function makes of the rubric's text and of how often it was asked."""

    context = 2**20
    opens_think = False
    identity = "says"

    def __init__(self, reply):
        self.reply, self.calls = reply, []

    def room(self, conversation):
        return self.context - len(conversation[-1]["content"])

    def answer(self, request, check_stop=lambda: None):
        self.calls.append((len(request.conversations), request.sampling.temperature))
        return [
            [Answer(self.reply(conversation[-1]["content"], len(self.calls), index), True, 1) for index in range(request.n)]
            for conversation in request.conversations
        ]
