"""A program started many times by other tools, one after another: `orchestration_peers.py [TOOL RUNS PROGRAM]`.

Without arguments, prints the tools that are installed. Each starts the shell script PROGRAM as its users would write it; its
output ends with the loss.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.util import find_spec


def loss(program: str, number: int) -> float:
    """Run the program."""
    done = subprocess.run(["sh", program, str(number)], check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def optuna(runs: int, program: str) -> None:
    """A study in SQLite."""
    from optuna import create_study

    with tempfile.TemporaryDirectory() as folder:
        study = create_study(storage=f"sqlite:///{folder}/study.db")
        study.optimize(lambda trial: loss(program, trial.suggest_int("seed", 0, runs)), n_trials=runs)


def hydra(runs: int, program: str) -> None:
    """A multirun with the basic launcher, which works in this process."""
    import hydra as library
    from hydra.core.config_store import ConfigStore

    ConfigStore.instance().store(name="config", node={"seed": 0})
    with tempfile.TemporaryDirectory() as folder:
        sys.argv = ["hydra", "--multirun", f"seed=range({runs})", f"hydra.sweep.dir={folder}"]
        library.main(version_base=None, config_name="config")(lambda config: loss(program, config.seed))()


def ray(runs: int, program: str) -> None:
    """A grid of Ray Tune, one trial at a time."""
    from ray import tune

    def trial(config: dict[str, int]) -> None:
        tune.report({"loss": loss(program, config["seed"])})

    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            trial,
            param_space={"seed": tune.grid_search([*range(runs)])},
            tune_config=tune.TuneConfig(max_concurrent_trials=1),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )
        assert len(tuner.fit().get_dataframe()) == runs


def submitit(runs: int, program: str) -> None:
    """Jobs on this machine, each awaited."""
    from submitit import LocalExecutor

    with tempfile.TemporaryDirectory() as folder:
        executor = LocalExecutor(folder)
        for number in range(runs):
            executor.submit(loss, program, number).result()


def main() -> None:
    tools = {"optuna": optuna, "hydra": hydra, "ray": ray, "submitit": submitit}
    if len(sys.argv) == 1:
        print(*[name for name in tools if find_spec(name)])
    else:
        name, runs, program = sys.argv[1:]
        tools[name](int(runs), program)


if __name__ == "__main__":
    main()
