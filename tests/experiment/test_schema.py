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
    assert schema["properties"]["config"]["$ref"] == "#/$defs/Configuration"


def test_variants_may_request_resources_and_config_may_not() -> None:
    schema = experiment_schema()
    configuration = schema["$defs"]["Configuration"]["properties"]
    assert configuration["resources"]["$ref"] == "#/$defs/Resources"
    assert configuration["resources.gpus"]["anyOf"][0]["maximum"] == 1024
    assert {"required": ["resources.gpus"]} in schema["properties"]["config"]["not"]["anyOf"]
    assert schema["properties"]["resources"]["anyOf"][0] == {"$ref": "#/$defs/Resources"}


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
