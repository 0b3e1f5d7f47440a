"""The profiles: where weights are looked for, and what is said where they are missing."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dreampose_core.__main__ import main
from dreampose_core.profiles import DEFAULT_PROFILE, PROFILES, SD1, cache_folder, find_profile
from dreampose_core.schedulers import SCHEDULERS
from dreampose_core.settings import AnimateSettings
from dreampose_core.studio import beginning, profile_of
from pose_tools.errors import BadInput
from tests.dreampose_core.tiny_base import small_profile


def test_what_is_in_a_profile_fits():
    for profile in PROFILES.values():
        assert profile.height % 8 == profile.width % 8 == 0
        assert profile.scheduler is None or profile.scheduler in SCHEDULERS
    paper = find_profile(SD1)
    assert (paper.width, paper.height, paper.s1, paper.s2) == (512, 640, 8, 3)
    with pytest.raises(KeyError, match="There is no profile 'grand'"):
        find_profile("grand")


def test_the_cache_is_where_the_environment_says(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    monkeypatch.delenv("DREAMPOSE_CACHE", raising=False)
    assert cache_folder() == Path("/somewhere/dreampose-studio")
    monkeypatch.setenv("DREAMPOSE_CACHE", "~/big")
    assert cache_folder() == Path.home() / "big"
    monkeypatch.delenv("DREAMPOSE_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "dreampose-studio"


def test_the_list_says_which_weights_are_there(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(PROFILES, SD1, small_profile(tmp_path))
    assert main(["profiles"]) == 0
    lines = {line.split(":")[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines[DEFAULT_PROFILE].endswith("ready)")
    assert "weights missing, see `download` and `import`" in lines[SD1] and str(tmp_path) in lines[SD1]
    (tmp_path / "model_index.json").write_text("{}")
    assert main(["profiles"]) == 0
    assert "missing" not in capsys.readouterr().out


def test_a_profile_without_weights_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(PROFILES, SD1, small_profile(tmp_path))
    with pytest.raises(BadInput) as told:
        profile_of(AnimateSettings(motion="sway", profile=SD1))
    for words in (f"download --profile {SD1}", "dreampose_core import", "the profile mini"):
        assert words in str(told.value)


def test_a_profile_may_begin_from_the_carried_picture_and_a_film_may_not():
    mini, paper = find_profile("mini"), find_profile(SD1)
    film = AnimateSettings("sway")
    assert beginning(film, mini) == (None, None, 0.0), "the model's own"
    assert beginning(film, paper) == ("carried", 0.4, 1.0)
    assert beginning(film, paper, carried=False) == (None, None, 0.0), "charts alone carry nothing"
    assert beginning(replace(film, start_from="noise"), paper) == ("noise", None, 0.0)
    assert beginning(replace(film, start_from="carried"), mini) == ("carried", None, 0.0)
    assert beginning(replace(film, strength=0.7, pull=0.0), paper) == ("carried", 0.7, 0.0)


def test_download_of_what_needs_none(tmp_path, capsys):
    assert main(["download", "--profile", "mini"]) == 0
    assert "are here" in capsys.readouterr().err
    assert main(["download", "--profile", "grand"]) == 2
    assert "There is no profile" in capsys.readouterr().err


def test_the_way_of_sampling_may_be_chosen(given, tmp_path, capsys):
    """The tiny profile, whose schedule PNDM cannot follow."""
    words = ["animate", str(given / "photo.jpg"), "--motion", str(given / "wave.npz")]
    words += ["--out", str(tmp_path / "out.mp4")]
    words += ["--profile", "tiny", "--frames", "2", "--finetune-steps", "0", "--decoder-steps", "0", "--device", "cpu"]
    words += ["--library", str(tmp_path / "library"), "--report", str(tmp_path / "report.json")]
    assert main([*words, "--scheduler", "unipc", "--guidance-interval", "0", "0.5", "--offload"]) == 0
    settings = json.loads((tmp_path / "report.json").read_text())["settings"]
    assert (settings["scheduler"], settings["guidance_interval"]) == ("unipc", [0, 0.5])
    assert AnimateSettings.from_dict(settings).guidance_interval == (0, 0.5)
    capsys.readouterr()
    for more, sentence in (
        (["--scheduler", "pndm"], "which PNDM cannot follow"),
        (["--guidance-interval", "0.6", "0.5"], "The guidance's interval must be two numbers from 0 to 1"),
    ):
        assert main([*words, *more]) == 2
        assert sentence in capsys.readouterr().err
    with pytest.raises(BadInput, match="The scheduler must be one of pndm, ddim"):
        AnimateSettings(motion="sway", scheduler="euler")
