"""Writes harness/schema.json, with which editors complete and check experiment files: `python -m harness.experiment.schema`.

A test checks that the file is current.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from harness.common.validation import shape_of
from harness.experiment.claims import KINDS
from harness.experiment.file import LABEL, ExperimentFile
from harness.tasks.registry import find_task
from harness.tasks.resources import Resources, field_of

PATH = Path(__file__).parent.parent / "schema.json"


def experiment_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of an experiment file of the default task, claims and configuration paths included."""
    schema = ExperimentFile.model_json_schema()
    definitions: dict[str, Any] = schema["$defs"]
    config = find_task("cifar_resnet").Config.model_json_schema()
    blocks = config.pop("$defs")
    assert not definitions.keys() & blocks.keys(), "two models of one name: the references to one would lead to the other"
    definitions.update(blocks)
    definitions["Configuration"] = _configuration(config)
    definitions["Claim"] = {"oneOf": [_claim(kind, definitions) for kind in KINDS]}
    for owner in (schema, definitions["Profile"]):
        properties = owner["properties"]
        elsewhere = [{"required": [name]} for name in ("resources", *map(field_of, Resources.model_fields))]
        patch = {"anyOf": [{"$ref": "#/$defs/Configuration"}, {"type": "null"}]}
        labelled = {"type": "object", "additionalProperties": patch, "propertyNames": {"pattern": LABEL}}
        single = {"type": ["string", "number", "boolean", "null"]}
        level = {"anyOf": [single, {"type": "array", "items": single}]}
        levels = {"anyOf": [{"type": "array", "items": level}, {"type": "object", "additionalProperties": patch}]}
        exact: dict[str, dict[str, Any]] = {
            "config": {"$ref": "#/$defs/Configuration", "not": {"anyOf": elsewhere}},
            "claims": {"type": "array", "items": {"$ref": "#/$defs/Claim"}},
            "variants": labelled,
            "components": labelled,
            "factors": {"type": "object", "additionalProperties": levels},
        }
        for key, value in exact.items():
            properties[key] = {**value, "description": properties[key]["description"]}
    schema["properties"] = _own_first(schema["properties"], definitions["Profile"]["properties"].keys() - {"evidence"})
    schema["title"] = "Ablation experiment"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _own_first(properties: Mapping[str, Any], inherited: Set[str]) -> dict[str, Any]:
    """The properties in another order: those of the file alone, such as `question`, before those that profiles have, too."""
    return dict(sorted(properties.items(), key=lambda each: each[0] in inherited))


def _configuration(config: Mapping[str, Any]) -> dict[str, Any]:
    """Blocks by name and every dotted path below them; a dotted path allows the values of all members of its unions.

    With what the runs of a variant need of a machine, which is allowed in variants only.
    """
    shape = shape_of(find_task("cifar_resnet").Config)
    properties: dict[str, Any] = dict(config["properties"])
    for path in shape.leaves():
        if len(path) > 1:
            options = shape.anywhere(path)
            properties[".".join(path)] = options[0] if len(options) == 1 else {"anyOf": options}
    requests = Resources.model_json_schema()["properties"]
    needs = {"$ref": "#/$defs/Resources", "description": "what the runs of a variant need, key by key instead of the file's"}
    properties |= {"resources": needs, **{field_of(name): each for name, each in requests.items()}}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _claim(kind: str, definitions: dict[str, Any]) -> dict[str, Any]:
    claim = KINDS[kind].model_json_schema()
    definitions.update(claim.pop("$defs", {}))
    return claim


def main() -> None:
    """Write the file."""
    PATH.write_text(json.dumps(experiment_schema(), indent=1) + "\n")


if __name__ == "__main__":
    main()
