"""The verdicts of an audit."""

from enum import StrEnum


class AuditVerdict(StrEnum):
    """What an audit says of a recipe."""

    GO = "go"
    FIX_REWARD = "fix the reward"
    CUT = "answers are cut"
    FORMAT = "format not met"
    TOO_EASY = "too easy"
    NO_SUPPORT = "no support"
    NOT_SAMPLED = "not sampled"
    """The reward is sound, and the policy was not asked."""

    @property
    def opens(self) -> bool:
        """Whether nothing is known that speaks against training."""
        return self in (AuditVerdict.GO, AuditVerdict.NOT_SAMPLED)
