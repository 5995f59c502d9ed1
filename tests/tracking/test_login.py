"""Where runs go: by the environment, W&B's settings, and what was asked for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.tracking.login import Choice, choose, home_folder, read_login

KEY = {"WANDB_API_KEY": "f" * 40}


def chosen(tmp_path: Path, mode: str = "auto", installed: bool = True, **environment: str) -> Choice:
    return choose(mode, environment, tmp_path, installed)


def test_logged_in_is_online_else_offline(tmp_path: Path) -> None:
    assert chosen(tmp_path, **KEY) == Choice("online", "logged in to api.wandb.ai by WANDB_API_KEY")
    assert chosen(tmp_path) == Choice("offline", "not logged in to api.wandb.ai")


def test_a_netrc_counts_for_the_host_it_names(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password " + "f" * 40)
    assert chosen(tmp_path).kind == "online"
    own = "https://wandb.example.org:8080"
    assert chosen(tmp_path, WANDB_BASE_URL=own).kind == "offline"
    (tmp_path / ".netrc").write_text("machine wandb.example.org:8080 login user password " + "f" * 40)
    assert chosen(tmp_path, WANDB_BASE_URL=own).kind == "online"
    (tmp_path / ".netrc").write_text("default login user password " + "f" * 40)
    assert chosen(tmp_path).kind == "online"
    (tmp_path / ".netrc").write_text("machine machine machine")
    assert chosen(tmp_path).kind == "offline"


def test_the_key_is_not_part_of_any_message(tmp_path: Path) -> None:
    assert KEY["WANDB_API_KEY"] not in str((chosen(tmp_path, **KEY), read_login(KEY, tmp_path)))


@pytest.mark.parametrize("mode", ["offline", "dryrun"])
def test_wandbs_own_mode_is_obeyed(tmp_path: Path, mode: str) -> None:
    assert chosen(tmp_path, **KEY, WANDB_MODE=mode).kind == "offline"
    assert chosen(tmp_path, mode="wandb", **KEY, WANDB_MODE=mode).kind == "offline"
    assert chosen(tmp_path, **KEY, WANDB_MODE="disabled").kind == "none"


def test_settings_files_apply_where_the_environment_does_not(tmp_path: Path) -> None:
    settings = tmp_path / ".config" / "wandb" / "settings"
    settings.parent.mkdir(parents=True)
    settings.write_text("[default]\nbase_url = https://wandb.example.org\nproject = mine\nmode = offline\n")
    login = read_login({}, tmp_path)
    assert (login.host, login.project, login.mode) == ("wandb.example.org", "mine", "offline")
    assert read_login({"WANDB_PROJECT": "theirs"}, tmp_path).project == "theirs"
    settings.write_text("no settings at all")
    assert read_login({}, tmp_path).project == "ablation-harness"


def test_a_missing_wandb_gives_none_with_the_reason(tmp_path: Path) -> None:
    assert chosen(tmp_path, mode="none", **KEY).kind == "none"
    assert chosen(tmp_path, installed=False, **KEY) == Choice("none", "wandb is not installed")


@pytest.mark.parametrize(
    ("installed", "environment", "says"),
    [(False, KEY, "wandb is not installed"), (True, {}, "not logged in"), (True, {**KEY, "WANDB_MODE": "disabled"}, "disabled")],
)
def test_forcing_wandb_where_it_is_impossible_is_an_error(
    tmp_path: Path, installed: bool, environment: dict[str, str], says: str
) -> None:
    with pytest.raises(InputError, match=f"--track wandb: .*{says}.*(; try|; run) "):
        choose("wandb", environment, tmp_path, installed)


def test_an_invalid_mode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--track: 'wand'"):
        chosen(tmp_path, mode="wand")


def test_a_folder_named_wandb_does_not_count_as_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wandb").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    assert choose("auto", KEY, tmp_path) == Choice("none", "wandb is not installed")


def test_a_user_without_a_home_has_no_login_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> Path:
        raise RuntimeError("Could not determine home directory.")  # as for a user id that a container does not know

    monkeypatch.setattr(Path, "home", nameless)
    assert choose("auto", {}, home_folder(), installed=True).kind == "offline"
