"""ExportGroups -> event files of TensorBoard: a folder per run, with its curves and its hyperparameters (the tab HPARAMS).

TensorBoard's server shows numbers of 32 bits only. So each number is there twice, rounded for it, and beside that with all its
bits, which other readers pass over: `harness judge` uses those. Equal results give equal files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ctypes import c_float
from pathlib import Path
from typing import Any

from harness.exporting.about import RESULT, about
from harness.exporting.groups import POSITIONS, ExportGroup, ExportRun
from harness.exporting.times import seconds_of, times_of

ABOUT = "about"  # the folder that describes the others
LONGEST = 200  # bytes of a folder's name
UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]|%(?=[0-9A-Fa-f]{2})")
STATES = {"completed": "STATUS_SUCCESS", "diverged": "STATUS_SUCCESS", "failed": "STATUS_FAILURE", "running": "STATUS_RUNNING"}


def write_tensorboard(groups: Sequence[ExportGroup], folder: Path) -> None:
    """Write `folder`: VARIANT/seed_N of one group, GROUP/VARIANT/seed_N of several. Raises StoreError."""
    _write_about(groups, folder)
    for group in groups:
        above = folder / folder_name(group.name) if len(groups) > 1 else folder
        for run in group.runs:
            _write_run(group, run, above / folder_name(run.variant) / f"seed_{run.seed}", len(groups) > 1)


def folder_name(label: str) -> str:
    """A label as a relative path, different for different labels: `lr=0.1`, `feature/muon`; what is unsafe as `%2F`."""
    return "/".join(_part(part) for part in label.split("/"))


def _part(part: str) -> str:
    safe = UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", part)
    if not safe or safe.strip(".") == "":
        return "%2E" * len(safe) or "%"
    cut = safe.encode()[:LONGEST].decode(errors="ignore")
    if cut == safe:
        return safe
    from hashlib import sha256

    return f"{cut}%{sha256(part.encode()).hexdigest()[:8]}"


def _write_about(groups: Sequence[ExportGroup], folder: Path) -> None:
    """What the columns of HPARAMS are, and the questions with their verdicts (the tab TEXT)."""
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    columns = dict.fromkeys(name for group in groups for run in group.runs for name in _hparams(group, run, len(groups) > 1))
    tags = dict.fromkeys(tag for group in groups for tag in _tags(group))
    experiment = api_pb2.Experiment(
        hparam_infos=[api_pb2.HParamInfo(name=name) for name in columns],
        metric_infos=[api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag)) for tag in tags],
    )
    values = [_of_hparams(metadata.EXPERIMENT_TAG, plugin_data_pb2.HParamsPluginData(experiment=experiment))]
    values += [_text(group.name, about(group)) for group in groups]
    _write(folder / ABOUT, [(0, 0.0, values)])


def _write_run(group: ExportGroup, run: ExportRun, folder: Path, several: bool) -> None:
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    rows, steps, origin = group.rows(run), group.steps(run), group.origin(run)
    times = times_of(rows, origin, run.record.ended_at)
    began = seconds_of(origin.started if origin else None) or (times[0] if times else 0.0)
    ended = seconds_of(run.record.ended_at) or (times[-1] if times else began)
    start = plugin_data_pb2.SessionStartInfo(
        group_name=f"{group.name}/{run.path}" if several else run.path, start_time_secs=began
    )
    for name, value in _hparams(group, run, several).items():
        if isinstance(value, bool):
            start.hparams[name].bool_value = value
        elif isinstance(value, int | float):
            start.hparams[name].number_value = value
        else:
            start.hparams[name].string_value = str(value)
    end = plugin_data_pb2.SessionEndInfo(
        status=api_pb2.Status.Value(STATES.get(run.state, "STATUS_UNKNOWN")), end_time_secs=ended
    )
    first = [
        _of_hparams(metadata.SESSION_START_INFO_TAG, plugin_data_pb2.HParamsPluginData(session_start_info=start)),
        _text("settings", _settings(run)),
    ]
    events: list[tuple[int, float, list[Any]]] = [(0, began, first)]
    known: set[str] = set()
    results = {name: value for name, value in group.results(run).items() if name in group.apart}
    # Before the curves, so that readers who guess which of two numbers is the result find it first.
    events.append((steps[-1] if steps else 0, ended, [_scalar(f"{RESULT}{name}", results[name], known) for name in results]))
    for row, step, time in zip(rows, steps, times, strict=True):
        events.append((step, time, [_scalar(name, value, known) for name, value in row.items() if name not in POSITIONS]))
    last = [_of_hparams(metadata.SESSION_END_INFO_TAG, plugin_data_pb2.HParamsPluginData(session_end_info=end))]
    _write(folder, [*events, (0, ended, last)])


def _hparams(group: ExportGroup, run: ExportRun, several: bool) -> dict[str, Any]:
    """The columns of a run: what it is, then the settings in which the runs of its group differ."""
    own: dict[str, Any] = {"plan": group.plan} if several else {}
    own |= {"variant": run.variant, "seed": run.seed, "state": run.state}
    return {**own, **{name: run.settings[name] for name in group.varying if name in run.settings and name not in own}}


def _tags(group: ExportGroup) -> list[str]:
    """The tags of the results."""
    return [f"{RESULT}{name}" if name in group.apart else name for name in group.numbers]


def _settings(run: ExportRun) -> str:
    rows = [f"| {name} | {str(value).replace('|', chr(92) + '|')} |" for name, value in run.settings.items()]
    return "\n".join(["| setting | value |", "| --- | --- |", *rows])


def _scalar(tag: str, value: float, known: set[str]) -> Any:
    """`known`: the tags that the file has already; only the first value of a tag says that it is a scalar."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.types_pb2 import DT_FLOAT

    tensor = TensorProto(dtype=DT_FLOAT, float_val=[c_float(value).value], double_val=[value], tensor_shape={})
    made = Summary.Value(tag=tag, tensor=tensor)
    if tag not in known:
        from tensorboard.plugins.scalar.metadata import create_summary_metadata

        made.metadata.CopyFrom(create_summary_metadata(display_name="", description=""))
        known.add(tag)
    return made


def _text(tag: str, text: str) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING
    from tensorboard.plugins.text.metadata import create_summary_metadata

    tensor = TensorProto(dtype=DT_STRING, string_val=[text.encode(errors="replace")], tensor_shape={})
    return Summary.Value(tag=tag, tensor=tensor, metadata=create_summary_metadata(display_name="", description=""))


def _of_hparams(tag: str, data: Any) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata

    return Summary.Value(tag=tag, tensor=metadata.NULL_TENSOR, metadata=metadata.create_summary_metadata(data))


def _write(folder: Path, events: Sequence[tuple[int, float, Sequence[Any]]]) -> None:
    """One event file; its name is that of every run, as its folder tells the runs apart. `events`: (step, time, values)."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "events.out.tfevents.0000000000.harness").open("wb") as file:
        writer = RecordWriter(file)
        writer.write(Event(file_version="brain.Event:2", wall_time=events[0][1]).SerializeToString())
        for step, time, values in events:
            if values:
                event = Event(step=step, wall_time=time, summary=Summary(value=values))
                writer.write(event.SerializeToString(deterministic=True))
