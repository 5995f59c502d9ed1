"""harness/schema.json is what the models say, and every shipped experiment names it."""

from __future__ import annotations

import json

from harness.experiment.schema import PATH, experiment_schema


def test_the_schema_on_disk_is_current() -> None:
    assert json.loads(PATH.read_text()) == experiment_schema(), "write it anew: python -m harness.experiment.schema"


def test_the_schema_knows_dotted_paths_blocks_and_claims() -> None:
    schema = experiment_schema()
    configuration = schema["$defs"]["Configuration"]["properties"]
    assert configuration["model.stem_width"]["minimum"] == 1
    assert "schedule" in configuration
    assert {"model.dropout", "schedule.gamma", "optimizer.lookahead.k"} <= set(configuration)
    assert len(schema["$defs"]["Claim"]["oneOf"]) == 11
    assert schema["properties"]["config"] == {"$ref": "#/$defs/Configuration"}


def test_every_reference_in_the_schema_leads_somewhere() -> None:
    schema = experiment_schema()

    def references(value: object) -> list[str]:
        if isinstance(value, dict):
            found = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return found + [ref for item in value.values() for ref in references(item)]
        return [ref for item in value for ref in references(item)] if isinstance(value, list) else []

    names = {ref.removeprefix("#/$defs/") for ref in references(schema)}
    assert names
    assert names <= set(schema["$defs"])
