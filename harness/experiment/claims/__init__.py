"""Claims: what a person may write (`kinds`), how it is read and checked (`reader`), and what comes of it (`model`)."""

from harness.experiment.claims.kinds import ALL, KINDS, Level
from harness.experiment.claims.model import (
    COMPARISONS,
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
    "Claim",
    "ComparisonClaim",
    "ContrastClaim",
    "DeclineClaim",
    "DoseClaim",
    "Factor",
    "Level",
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
