"""Environment and settings files -> whether runs go online, offline or nowhere. Uses neither wandb nor the network."""

from __future__ import annotations

import configparser
import netrc
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from harness.common.choices import Track, check_choice
from harness.common.optional_packages import is_installed
from harness.errors import InputError

PROJECT = "ablation-harness"  # unless W&B's settings name another
BASE_URL = "https://api.wandb.ai"

Kind = Literal["online", "offline", "none"]


@dataclass(frozen=True)
class Choice:
    """Where runs go, and why."""

    kind: Kind
    why: str


@dataclass(frozen=True)
class Login:
    """W&B's environment variables and settings files. `by`: where the key was found; None: no key."""

    base_url: str
    project: str
    mode: str  # online, offline, disabled
    by: str | None

    @property
    def host(self) -> str:
        """Without port."""
        return _server(self.base_url).partition(":")[0]


def home_folder() -> Path:
    """The root for a user without one, as in some containers."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")


def choose(mode: str, environment: Mapping[str, str], home: Path, installed: bool | None = None) -> Choice:
    """Where the runs of `--track mode` go. Raises InputError for an invalid mode, or for `wandb` if that is impossible.

    `auto`: online if logged in, else offline; none if wandb is missing or disabled. `installed` None: detect.
    """
    check_choice("--track", mode, get_args(Track))
    if mode == "none":
        return Choice("none", "by --track none")
    if installed is None:
        installed = is_installed("wandb")  # a folder `wandb` in the current one, left by other runs, does not count
    login = read_login(environment, home)
    if not installed:
        return _unless_forced(mode, "wandb is not installed", "python -m pip install wandb")
    if login.mode == "disabled":
        return _unless_forced(mode, "W&B's mode is disabled", "WANDB_MODE=online or WANDB_MODE=offline")
    if login.mode == "offline":
        return Choice("offline", "W&B's mode is offline")
    if login.by is None:
        if mode == "wandb":
            advice = "run `wandb login`, or set WANDB_API_KEY or WANDB_MODE=offline"
            raise InputError(f"--track wandb: not logged in to {login.host}; {advice}")
        return Choice("offline", f"not logged in to {login.host}")
    return Choice("online", f"logged in to {login.host} by {login.by}")


def read_login(environment: Mapping[str, str], home: Path) -> Login:
    """In W&B's order: environment variables, then ./wandb/settings, then the user's settings."""
    folder = Path(environment.get("WANDB_CONFIG_DIR", home / ".config" / "wandb"))
    settings = {**_settings(folder / "settings"), **_settings(Path("wandb") / "settings")}
    base_url = environment.get("WANDB_BASE_URL") or settings.get("base_url", BASE_URL)
    mode = environment.get("WANDB_MODE") or settings.get("mode", "online")
    if settings.get("disabled") == "true" or environment.get("WANDB_DISABLED", "").lower() in ("true", "1", "yes"):
        mode = "disabled"
    project = environment.get("WANDB_PROJECT") or settings.get("project", PROJECT)
    known = {"offline": "offline", "dryrun": "offline", "disabled": "disabled"}
    return Login(base_url, project, known.get(mode, "online"), _key(environment, home, settings, _server(base_url)))


def _unless_forced(mode: str, why: str, advice: str) -> Choice:
    if mode == "wandb":
        raise InputError(f"--track wandb: {why}; try {advice}, or use --track auto or --track none")
    return Choice("none", why)


def _key(environment: Mapping[str, str], home: Path, settings: Mapping[str, str], server: str) -> str | None:
    """Where a key for `server` was found; the key itself is not returned."""
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"):
        if environment.get(name):
            return name
    for file in (Path(environment["NETRC"]),) if environment.get("NETRC") else (home / ".netrc", home / "_netrc"):
        if _has_key(file, server):
            return str(file)
    return "W&B's settings" if settings.get("api_key") else None


def _has_key(file: Path, server: str) -> bool:
    """Whether a netrc file has an entry for the server (name:port), or a default one."""
    try:
        found = netrc.netrc(file).authenticators(server)
    except (OSError, UnicodeDecodeError, netrc.NetrcParseError):  # W&B ignores such a file too
        return False
    return found is not None and bool(found[2])


def _settings(file: Path) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(file)
    except (configparser.Error, UnicodeDecodeError, OSError):  # W&B ignores a damaged file too
        return {}
    return dict(parser["default"]) if parser.has_section("default") else {}


def _server(base_url: str) -> str:
    return base_url.partition("://")[2].partition("/")[0]
