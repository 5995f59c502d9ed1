"""Claims: the YAML models (`kinds`), reading and checking (`reader`), and the checked models of plans (`model`)."""

from harness.experiment.claims.kinds import ALL, KINDS, Level, Levels
from harness.experiment.claims.model import (
    COMPARISONS,
    Across,
    Claim,
    ComparisonClaim,
    ContrastClaim,
    DeclineClaim,
    DoseClaim,
    Factor,
    ProportionClaim,
    RangeClaim,
    Setting,
    ThresholdClaim,
    as_dict,
    digest,
    is_grid,
    members,
    within,
)
from harness.experiment.claims.reader import level_label, read_claim

__all__ = [
    "ALL",
    "COMPARISONS",
    "KINDS",
    "Across",
    "Claim",
    "ComparisonClaim",
    "ContrastClaim",
    "DeclineClaim",
    "DoseClaim",
    "Factor",
    "Level",
    "Levels",
    "ProportionClaim",
    "RangeClaim",
    "Setting",
    "ThresholdClaim",
    "as_dict",
    "digest",
    "is_grid",
    "level_label",
    "members",
    "read_claim",
    "within",
]
