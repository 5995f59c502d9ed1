"""Environment and settings files -> where W&B's runs go: online, offline, nowhere. Imports no wandb and asks no server."""

from __future__ import annotations

import configparser
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from harness.errors import InputError

MODES = ("auto", "wandb", "none")  # of --track
PROJECT = "ablation-harness"  # unless W&B's own settings name another
BASE_URL = "https://api.wandb.ai"

Kind = Literal["online", "offline", "none"]


@dataclass(frozen=True)
class Choice:
    """Where runs go; `why` says what decided it."""

    kind: Kind
    why: str


@dataclass(frozen=True)
class Login:
    """What W&B's environment variables and settings files say. `by` names what holds the key, None: there is none."""

    base_url: str
    project: str
    mode: str  # online, offline, disabled
    by: str | None

    @property
    def host(self) -> str:
        """The server's name, without port."""
        return _host(self.base_url)


def choose(mode: str, environment: Mapping[str, str], home: Path, installed: bool | None = None) -> Choice:
    """Where the runs of `--track mode` go. Raises InputError: no such mode, or `wandb` is forced and cannot be.

    `auto`: logged in -> online, else offline; nowhere where wandb is missing or disabled. `installed` None: find out.
    """
    if mode not in MODES:
        raise InputError(f"--track: {mode!r} is no tracker; allowed: {', '.join(MODES)}")
    if mode == "none":
        return Choice("none", "by --track none")
    if installed is None:
        installed = importlib.util.find_spec("wandb") is not None
    login = read_login(environment, home)
    if not installed:
        return _unless_forced(mode, "wandb is not installed", "python -m pip install wandb")
    if login.mode == "disabled":
        return _unless_forced(mode, "W&B's mode is disabled", "WANDB_MODE=online or WANDB_MODE=offline")
    if login.mode == "offline":
        return Choice("offline", "W&B's mode is offline")
    if login.by is None:
        if mode == "wandb":
            advice = "allowed: after `wandb login`, with WANDB_API_KEY, or with WANDB_MODE=offline"
            raise InputError(f"--track wandb: not logged in to {login.host}; {advice}")
        return Choice("offline", f"not logged in to {login.host}")
    return Choice("online", f"logged in to {login.host} by {login.by}")


def read_login(environment: Mapping[str, str], home: Path) -> Login:
    """What W&B would find, in its own order: environment variables, then ./wandb/settings, then the user's settings."""
    folder = Path(environment.get("WANDB_CONFIG_DIR", home / ".config" / "wandb"))
    settings = {**_settings(folder / "settings"), **_settings(Path("wandb") / "settings")}
    base_url = environment.get("WANDB_BASE_URL") or settings.get("base_url", BASE_URL)
    mode = environment.get("WANDB_MODE") or settings.get("mode", "online")
    if settings.get("disabled") == "true" or environment.get("WANDB_DISABLED", "").lower() in ("true", "1", "yes"):
        mode = "disabled"
    project = environment.get("WANDB_PROJECT") or settings.get("project", PROJECT)
    known = {"offline": "offline", "dryrun": "offline", "disabled": "disabled"}
    return Login(base_url, project, known.get(mode, "online"), _key(environment, home, settings, _host(base_url)))


def _unless_forced(mode: str, why: str, advice: str) -> Choice:
    if mode == "wandb":
        raise InputError(f"--track wandb: {why}; allowed: {advice}, or --track auto, --track none")
    return Choice("none", why)


def _key(environment: Mapping[str, str], home: Path, settings: Mapping[str, str], host: str) -> str | None:
    """What holds a key for `host`; the key itself is neither kept nor shown."""
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"):
        if environment.get(name):
            return name
    for file in (Path(environment["NETRC"]),) if environment.get("NETRC") else (home / ".netrc", home / "_netrc"):
        if _names_host(file, host):
            return str(file)
    return "W&B's settings" if settings.get("api_key") else None


def _names_host(file: Path, host: str) -> bool:
    try:
        words = file.read_text(errors="replace").split()
    except OSError:  # not there, or not ours to read: W&B could not read it either
        return False
    return any(word == "machine" and name.partition(":")[0] == host for word, name in pairwise(words))


def _settings(file: Path) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(file)
    except (configparser.Error, UnicodeDecodeError, OSError):  # W&B passes over a damaged file, too
        return {}
    return dict(parser["default"]) if parser.has_section("default") else {}


def _host(base_url: str) -> str:
    return base_url.partition("://")[2].partition("/")[0].partition(":")[0]
