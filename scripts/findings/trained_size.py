"""The size of what was trained, in words."""

from __future__ import annotations

from found_results import Evidence

from harness.reporting import phrases


def scale(evidence: Evidence) -> str:
    """`at 1/14,000 of the compute of the large experiments, …`; of large experiments the size of the recipe's training."""
    if words := phrases.scale(evidence.plan, "the large experiments"):
        return words
    paper = evidence.paper()
    known = () if paper is None else paper.records.values()
    parameters = [record.metrics["parameters"] for record in known if "parameters" in record.metrics]
    config = next(iter(evidence.plan.variants.values()))
    size = [f"a network of {phrases.count(max(parameters))} parameters"] if parameters else []
    limit = config["data"].get("train_limit")
    size += [f"{phrases.count(limit)} training images"] if limit else []
    size += [phrases.plural(epochs, "epoch")] if (epochs := phrases.epochs(config)) else []
    return f"with {phrases.listed(size)}"
