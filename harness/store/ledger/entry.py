"""One entry of the ledger: an event, the digest of the entry before, when and where it was written."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.experiment.run_id import canonical_json

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Terms(_Part):
    """What a plan registers: digests of its claims and variants, and the settings by which the claims are judged."""

    claims: tuple[Digest, ...]  # of each claim
    settings: Mapping[str, Any]  # looks, margin, alpha, baseline
    variants: Mapping[str, Digest]  # label -> task, version, configuration and data, without the seed; empty: unknown

    @property
    def digest(self) -> str:
        """SHA-256 over all of it, without fields that later versions add and that have their defaults."""
        return digest_of(self.model_dump(mode="json", exclude_defaults=True))


class RunList(_Part):
    """The planned runs."""

    count: int
    seeds: int
    ids: Digest  # of the ids in the order of the plan


class Opened(_Part):
    """The first entry: what existed before the ledger did."""

    kind: Literal["opened"] = "opened"
    plans: int  # plans and searches
    results: int  # results of runs


class PlanRegistered(_Part):
    """A plan was written, or first seen by the ledger."""

    kind: Literal["plan_registered"] = "plan_registered"
    plan: str
    terms: Terms
    runs: RunList
    results_known: int  # results of its runs that existed then
    replaces: Digest | None = None  # the terms registered under this name before, if they differ


class PlanExtended(_Part):
    """Further seeds were added to a plan."""

    kind: Literal["plan_extended"] = "plan_extended"
    plan: str
    runs: RunList
    results_known: int


class ClaimsAmended(_Part):
    """The experiment file registers something else now; the plan keeps what was registered first."""

    kind: Literal["claims_amended"] = "claims_amended"
    plan: str
    terms: Terms | None  # what the file has now; None: again what was registered
    results_known: int


class Replanned(_Part):
    """A plan or a search was archived; the next of its name starts anew."""

    kind: Literal["replanned"] = "replanned"
    plan: str
    terms: Digest | None  # of the archived plan as it was then; None: a search
    archived: str  # relative to the results folder
    results_known: int


class FirstRunStarted(_Part):
    """A worker is about to take the first run of a plan."""

    kind: Literal["first_run_started"] = "first_run_started"
    plan: str
    terms: Digest


class JudgedClaim(_Part):
    """The verdict on a claim at a look. Without a claim: comparisons that were shown but not claimed."""

    claim: Mapping[str, Any] | None
    registered: bool = True
    verdict: str
    decided_at: int | None = None
    open: bool = False
    p_adjusted: tuple[float | None, ...] = ()  # of each variant
    comparisons: tuple[str, ...]  # what was compared, see `terms.comparisons`


class LookJudged(_Part):
    """The claims of a plan were judged at a look."""

    kind: Literal["look_judged"] = "look_judged"
    plan: str
    terms: Digest  # by which it was judged
    look: int  # [seeds]
    verdicts: tuple[JudgedClaim, ...]
    results: Mapping[str, Digest]  # run id -> SHA-256 of result.json; without those that an earlier look of the plan names


class ResultsSetAside(_Part):
    """`--retry` archives these results and trains the runs again."""

    kind: Literal["results_set_aside"] = "results_set_aside"
    results: Mapping[str, Digest]  # run id -> SHA-256 of result.json


class ResultsMissing(_Part):
    """Results that a look used are gone or have changed since."""

    kind: Literal["results_missing"] = "results_missing"
    plan: str
    results: Mapping[str, Digest | None]  # run id -> what it is now; None: no result


class WinnerChosen(_Part):
    """The results of a plan chose the variants of the next one."""

    kind: Literal["winner_chosen"] = "winner_chosen"
    plan: str  # whose results chose
    then: str  # the plan that compares what was chosen
    variants: Mapping[str, str]  # label in `then` -> label in `plan`


class LoopJoined(_Part):
    """A plan became a member of a loop of comparisons, with the level that the decisions so far left it."""

    kind: Literal["loop_joined"] = "loop_joined"
    loop: str
    number: int = Field(ge=1)  # in the loop
    plan: str
    question: Digest  # of what it compares and how: the same again is the same member
    alpha: float  # of the whole loop
    level: float  # of this member
    compared: tuple[str, ...]  # the id of the first run of each variant that the first claim is about, without its references
    fresh: bool  # no result of these variants was known; else a verdict adds nothing to the budget


Event = Annotated[
    Opened
    | PlanRegistered
    | PlanExtended
    | ClaimsAmended
    | Replanned
    | FirstRunStarted
    | LookJudged
    | ResultsSetAside
    | ResultsMissing
    | WinnerChosen
    | LoopJoined,
    Field(discriminator="kind"),
]


class Entry(_Part):
    """ledger/<name>/<number>.json."""

    schema_version: Literal[1] = Field(1, alias="schema")
    number: int = Field(ge=1)
    previous: Digest | None  # SHA-256 of the bytes of the entry before; None: the first
    at: str  # ISO 8601, UTC
    host: str
    harness: str  # version
    event: Event
    checksum: str = ""  # `checksum` of the file: shows damage of the last entry, which no later one confirms


class LedgerName(_Part):
    """ledger/ledger.json: which chain is this folder's own."""

    schema_version: Literal[1] = Field(1, alias="schema")
    name: str = Field(pattern=r"^[0-9a-f]{16}$")


def checksum(content: Mapping[str, Any]) -> str:
    """SHA-256 over the content of an entry's file, without the field of this name."""
    return digest_of({name: value for name, value in content.items() if name != "checksum"})


def digest_of(value: Any) -> str:
    """SHA-256 of canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
