"""Run and plans -> name, group, tags, configuration and summary in W&B, without secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.experiment.plan import Plan
from harness.experiment.run_id import Spec
from harness.experiment.steps import known_steps
from harness.store.ledger.chain import Head
from harness.store.provenance import Provenance
from harness.store.records import Result
from harness.store.trial_runs import Membership

LONGEST_TAG = 64  # characters; W&B refuses longer ones
LONGEST_NAME = 128
SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASS|AUTH|CREDENTIAL|(?:^|_)PAT(?:$|_)", re.IGNORECASE)
USER_IN_URL = re.compile(r"\b(\w+://)[^/\s]+@")  # \b: else quadratic in the length of a word
# Access tokens that are recognised by their form: GitHub, Hugging Face, OpenAI and Anthropic, Slack, AWS, W&B.
TOKEN = re.compile(
    r"\b(?:gh[opsu]_\w{30,}|github_pat_\w{30,}|hf_[A-Za-z0-9]{30,}|sk-[\w-]{30,}|xox[abp]-[\w-]{20,}|AKIA[A-Z0-9]{16}|wandb_v1_\w{20,})"
)
REPORT_ID = re.compile(r"report-[0-9a-f]{12}")  # of the run of a plan's report, which trained nothing
SEARCH, TUNING = "search", "tuning"  # tags of runs that only serve to choose
CHOOSING = frozenset((SEARCH, TUNING))
STEP = "step"  # job type and tag of a step that runs share
SHORTEST_SECRET = 8  # characters; shorter values are words such as "true"


@dataclass(frozen=True)
class Page:
    """What is sent to W&B when a run opens."""

    id: str
    name: str
    group: str
    job_type: str
    tags: tuple[str, ...]
    config: Mapping[str, Any]
    by_epoch: bool = True  # whether its rows are epochs

    @property
    def chooses(self) -> bool:
        """Whether the run only serves to choose: in a search or a tuning."""
        return not CHOOSING.isdisjoint(self.tags)


@dataclass(frozen=True)
class FinalUpdate:
    """What is sent to W&B when a run is closed; W&B shows exit codes other than 0 as failed."""

    summary: Mapping[str, Any]
    exit_code: int
    tags: tuple[str, ...] = field(default=())


def page(  # noqa: PLR0917 - everything about a run, by name
    run_id: str,
    spec: Spec,
    plans: Iterable[Plan],
    provenance: Provenance | None,
    folder: Path,
    trials: Sequence[Membership] = (),
    head: Head | None = None,
    step_of: Membership | None = None,
) -> Page:
    """Group, variant and name come from the first plan that contains the run, else from the search's trial; others are tags.

    A step that runs share is named after itself, in the group of the first plan with it, else of the search with the trial
    `step_of`.

    The configuration stays nested, so that `model.activation` works in filters; `seed`, `variant` and `harness` (folder, code,
    machine, the ledger's `head`, and the `ref` of the program's version if all plans agree on it) are added unless the task
    has such keys. One tag distinguishes evidence, rehearsals, tuning and searches.
    """
    known = sorted(plans, key=lambda plan: plan.created)
    containing = [plan for plan in known if any(run.id == run_id for run in plan.runs)]
    step = None if containing or trials else _step(run_id, known, step_of)
    variant, group, factors = run_id, "", {}
    if containing:
        first = containing[0]
        variant = next(run.variant for run in first.runs if run.id == run_id)
        group, factors = first.name, {factor_key(name): level for name, level in first.levels.get(variant, {}).items()}
    elif trials:
        variant, group = f"trial {trials[0].number}", trials[0].study
    elif step is not None:
        variant, group = step
    tags = [*(plan.name for plan in containing[1:]), *(trial.study for trial in trials if trial.study != group)]
    tags.append(STEP if step is not None else _use(containing, trials))
    ours: dict[str, Any] = {"run_id": run_id, "folder": str(folder.absolute()), "plans": [plan.name for plan in containing]}
    ours |= {"trials": [f"{trial.study} {trial.number}" for trial in trials]} if trials else {}
    # W&B's clock then vouches for the entries up to this one.
    ours |= {"ledger": {"number": head.number, "head": head.digest}} if head else {}
    # Plans that share a run may call its version by different refs; the commit that trained it is in `program`.
    versions = [plan.code.get(run.variant) for plan in containing for run in plan.runs if run.id == run_id]
    refs = {version.ref if version else None for version in versions}
    ours |= {"ref": ref} if len(refs) == 1 and (ref := refs.pop()) else {}
    ours |= {"task": spec.task, "task_version": spec.version, "data": spec.data, "factors": factors}
    if provenance is not None:
        # Not the command: its arguments may contain anything.
        kept = {"code", "packages", "python", "environment", "platform", "host", "accelerator"}
        ours |= provenance.model_dump(mode="json", include=kept)
        ours |= {"program": provenance.program.model_dump(mode="json")} if provenance.program else {}
        ours |= {"steps": provenance.steps} if provenance.steps else {}
        ours |= {"device": provenance.device, "threads": provenance.threads, "started": provenance.started}
    config = {"seed": spec.seed, "variant": variant, **_nested(spec.config), "harness": ours}
    return Page(
        id=run_id,
        name=shortened(f"{variant} · {spec.seed}", LONGEST_NAME),
        group=shortened(group, LONGEST_NAME),
        job_type=shortened(variant, LONGEST_NAME) if step is None else STEP,
        tags=tuple(dict.fromkeys(shortened(tag, LONGEST_TAG) for tag in tags)),
        config=without_secrets(config),
    )


def factor_key(name: str) -> str:
    """A factor's key below `harness.factors`: W&B reads dots as levels."""
    return re.sub(r"[./]", "_", name)


def _nested(config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with dots in their names as nested ones, as W&B shows them: {"model.lr": 1} -> {"model": {"lr": 1}}.

    A name below another setting stays as it is (`model.lr` beside `model`).
    """
    found: dict[str, Any] = {}
    for name, value in sorted(config.items(), key=lambda item: item[0].count(".")):
        *blocks, last = name.split(".")
        below = found
        for block in blocks:
            below = below.setdefault(block, {}) if isinstance(below, dict) else below
        if isinstance(below, dict) and last not in below:
            below[last] = value
        else:
            found[name] = value
    return found


def _step(run_id: str, plans: Iterable[Plan], step_of: Membership | None) -> tuple[str, str] | None:
    """Name and group of a step; None: it is none."""
    for plan in plans:
        if (found := known_steps(plan, of_programs=True).get(run_id)) is not None:
            return found.run.name, plan.name
    return None if step_of is None else (STEP, step_of.study)


def _use(containing: Sequence[Plan], trials: Sequence[Membership]) -> str:
    """The purpose of a run, as a tag."""
    judged = [plan for plan in containing if plan.selection is None]
    if judged:
        return "rehearsal" if all(plan.rehearsal for plan in judged) else "evidence"
    if any(plan.stage == "tuning" for plan in containing):
        return TUNING
    return SEARCH if containing or trials else "without plan"


def final_update(result: Result | None) -> FinalUpdate:
    """`result` None: interrupted. The summary is result.json without its checksums."""
    if result is None:
        return FinalUpdate({"state": "interrupted"}, 1, ("interrupted",))
    fields = result.model_dump(
        mode="json", exclude={"schema_version", "checksums", "provenance_digest", "seal", "traceback_digest"}
    )
    summary = {name: value for name, value in fields.items() if value is not None}
    ended_well = result.state == "completed"
    return FinalUpdate(without_secrets(summary), 0 if ended_well else 1, () if ended_well else (result.state,))


def without_secrets(value: Any, environment: Mapping[str, str] | None = None) -> Any:
    """Replace, at any depth, the values of secret environment variables, known access tokens and users in URLs by `***`."""
    return _masked(value, sorted(_secrets(environment).values(), key=len, reverse=True))


def secret_in(data: bytes, environment: Mapping[str, str] | None = None) -> str | None:
    """In words the first secret in `data` that `without_secrets` would replace; users in URLs are passed over."""
    for name, text in _secrets(environment).items():
        if os.fsencode(text) in data:
            return f"the value of the environment variable {name}"
    found = TOKEN.search(data.decode(errors="replace"))
    return f"what looks like an access token ({found[0][:6]}…)" if found else None


def _secrets(environment: Mapping[str, str] | None) -> dict[str, str]:
    environment = os.environ if environment is None else environment
    return {name: text for name, text in environment.items() if SECRET_NAME.search(name) and len(text) >= SHORTEST_SECRET}


def _masked(value: Any, secrets: Sequence[str]) -> Any:
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, "***")
        return TOKEN.sub("***", USER_IN_URL.sub(r"\1***@", value))
    if isinstance(value, Mapping):
        return {name: _masked(each, secrets) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(each, secrets) for each in value]
    return value


def shortened(text: str, longest: int) -> str:
    """At most `longest` characters of `text`, the last one … if it is cut."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
