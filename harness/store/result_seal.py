"""A result -> its seal: SHA-256 over its content, kept in the file itself: shows changes by other means than the harness."""

from __future__ import annotations

import hashlib

from harness.experiment.run_id import canonical_json
from harness.store.records import Result


def seal(result: Result) -> str:
    """SHA-256 over the fields of result.json except `seal`, as they are in the file (fields that it lacks do not count)."""
    content = result.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"seal"})
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def sealed(result: Result) -> Result:
    """`result` with its seal, with every field set as it will be in the file."""
    whole = Result.model_validate(result.model_dump(mode="json", by_alias=True))
    return Result.model_validate({**whole.model_dump(mode="json", by_alias=True), "seal": seal(whole)})
