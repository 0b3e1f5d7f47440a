"""What an interrupted or finished finetune left, damaged in every way: it is told, made anew, and ends the same."""

import json
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dreampose_core.finetune.finetune import finetune_looks
from dreampose_core.finetune.stages import Stage, run_stage
from dreampose_core.progress import Cancelled
from dreampose_core.weights.checkpoints import load_tensors, save_tensors, tuned_settings
from pose_tools.errors import BadInput
from tests.dreampose_core.test_finetune import SETTINGS, weights
from tests.dreampose_core.tiny import tiny_looks, tiny_pipeline

SHORT = replace(SETTINGS, steps=2, decoder_steps=2, checkpoint_every=1, crops=2, held_out=1, preview_every=9)


class Evil:
    """A pickle that makes a file where it is run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def refuse_second_decoder_step(progress) -> None:
    if (progress.stage, progress.step) == ("decoder", 1):
        raise Cancelled


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """A folder with the run `mini`, interrupted in its second stage, and `whole`, the digests of one that was not."""
    folder = tmp_path_factory.mktemp("cut")
    with pytest.raises(Cancelled):
        finetune_looks(tiny_pipeline(), tiny_looks(), SHORT, folder / "mini", refuse_second_decoder_step)
    finetune_looks(tiny_pipeline(), tiny_looks(), SHORT, folder / "done" / "mini")
    return folder


def go_on(cut: Path, folder: Path) -> list[str]:
    """Finish the run beside `folder`; gives what was said of damage. The result is that of an undisturbed run."""
    events = []
    finetune_looks(tiny_pipeline(), tiny_looks(), SHORT, folder, events.append)
    assert weights(folder) == weights(cut / "done" / "mini")
    assert [path.name for path in folder.parent.iterdir() if path.name != "neighbour"] == [folder.name]
    return [event.message for event in events if "starts over" in event.message]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def zeros_at_the_end(path: Path) -> None:
    """As after a loss of power: the length is right, the last pages were never written."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 512] + bytes(512))


def folder_in_its_place(path: Path) -> None:
    path.unlink()
    (path / "in" / "it").mkdir(parents=True)


def other_shapes(path: Path) -> None:
    tensors, info = load_tensors(path)
    name = next(name for name in tensors if tensors[name].ndim > 1)
    save_tensors(path, tensors | {name: tensors[name][..., :-1]}, info)


def other_names(path: Path) -> None:
    tensors, info = load_tensors(path)
    save_tensors(path, {f"x{name}": tensor for name, tensor in tensors.items()}, info)


def of_something_else(path: Path) -> None:
    """The same shapes, of another photo."""
    tensors, info = load_tensors(path)
    save_tensors(path, {name: tensor.flip(0) if tensor.ndim else tensor for name, tensor in tensors.items()}, {})


WAYS = {
    "finetune": (truncate, zeros_at_the_end, folder_in_its_place, of_something_else),
    "decoder": (empty,),
    "cache": (zeros_at_the_end, other_shapes, other_names),
}


@pytest.mark.parametrize(("name", "damages"), WAYS.items())
def test_a_damaged_file_is_told_and_made_anew(cut, tmp_path, name, damages):
    for number, damage in enumerate(damages):
        folder = tmp_path / str(number) / "mini"
        shutil.copytree(cut / ".mini.work", folder.with_name(".mini.work"))
        (folder.parent / "neighbour").write_text("stays")
        damage(folder.with_name(".mini.work") / f"{name}.safetensors")
        (said,) = go_on(cut, folder)
        assert said.endswith("starts over.") and said.count(".") == 1 and "\n" not in said
        assert (folder.parent / "neighbour").read_text() == "stays"


def test_what_is_whole_beside_something_damaged_is_used(cut, tmp_path):
    shutil.copytree(cut / ".mini.work", tmp_path / ".mini.work")
    truncate(tmp_path / ".mini.work" / "decoder.safetensors")
    events = []
    finetune_looks(tiny_pipeline(), tiny_looks(), SHORT, tmp_path / "mini", events.append)
    assert [event.step for event in events if event.stage == "decoder" and event.loss is not None] == [1, 2]
    assert not any(event.loss for event in events if event.stage == "finetune")
    assert not any("Encoding" in event.message for event in events)


@pytest.mark.parametrize("note", [b"\xff\xfe\x00", b'{"base": "another model"}', "folder", "file"])
def test_a_foreign_or_half_written_folder_is_begun_anew(cut, tmp_path, note):
    work = tmp_path / ".mini.work"
    if note == "file":
        work.write_text("no folder")
    else:
        shutil.copytree(cut / ".mini.work", work)
        (work / "identity.json").unlink()
        (work / ".finetune.safetensors.1a2b").write_bytes(b"half")
        if note == "folder":
            (work / "identity.json").mkdir()
        else:
            (work / "identity.json").write_bytes(note)
    (said,) = go_on(cut, tmp_path / "mini")
    assert said.endswith("; it starts over.")


def test_a_pickle_in_place_of_a_state_is_never_run(cut, tmp_path):
    shutil.copytree(cut / ".mini.work", tmp_path / ".mini.work")
    evil = pickle.dumps(Evil(tmp_path / "ran"))
    for name in ("cache", "finetune", "decoder"):
        (tmp_path / ".mini.work" / f"{name}.safetensors").write_bytes(evil)
    finetune_looks(tiny_pipeline(), tiny_looks(), SHORT, tmp_path / "mini")
    assert not (tmp_path / "ran").exists()
    torch.save({"now": Evil(tmp_path / "ran")}, tmp_path / "evil.pt")
    with pytest.raises(BadInput):
        load_tensors(tmp_path / "evil.pt")
    pickle.loads(evil)
    assert (tmp_path / "ran").exists(), "it would have"


def test_a_damaged_result_is_made_anew(cut, tmp_path):
    for number, (name, damage) in enumerate(
        [("unet.safetensors", zeros_at_the_end), ("vae.safetensors", other_shapes)]
    ):
        folder = tmp_path / str(number) / "mini"
        shutil.copytree(cut / "done" / "mini", folder)
        damage(folder / name)
        go_on(cut, folder)


def test_settings_of_a_result_are_read_only_where_they_are_whole(cut, tmp_path):
    base, folder = tiny_pipeline(), tmp_path / "mini"
    shutil.copytree(cut / "done" / "mini", folder)
    info = json.loads((folder / "finished.json").read_text())
    assert tuned_settings(base, folder) == info["identity"]["settings"]
    settings = {"settings": {"steps": "many", "decoder_steps": 2, "seed": 0}}
    wrong = [{"base": "0"}, {"identity": 7}, {"identity": {}}, {"identity": settings}, {"parts": 3}, {"parts": [[]]}]
    for change in wrong:
        (folder / "finished.json").write_text(json.dumps(info | change))
        assert tuned_settings(base, folder) is None, change
    for text in (b"", b"[1]", b"\xff", b"[" * 100_000):
        (folder / "finished.json").write_bytes(text)
        assert tuned_settings(base, folder) is None, text[:9]


# a stage alone, whose facts can be damaged one by one


def line_stage() -> Stage:
    """Two numbers that learn to be 1."""
    weight = nn.Parameter(torch.zeros(2, 3))

    def loss(step: int = 0) -> torch.Tensor:
        return (weight - 1).square().mean()

    def score() -> float:
        return float(loss().detach())

    return Stage("line", {"a.b": weight}, 4, 0.1, loss, score, lambda: np.zeros((1, 1, 3), np.uint8), SHORT)


FACTS = {
    "step": (0, 5, -1, 2.0, True, "2", None, 10**30),
    "best_step": (7, -1, "2", None, True),
    "scores": ([], [[0, 1.0], [9, 0.5]], [[1, 1.0]], [[0]], [[0, "1"]], [[0, None]], 3, None, {"0": 1.0}, [[0, [1.0]]]),
    "numbers": ([], None, "x", {"step/foreign": 1}, {"exp_avg/a.b": 3}),
    "of": ("another", None, 7),
}
TENSORS = {
    "now.a.b": (torch.zeros(3, 2), torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, 3).half(), None),
    "best.a.b": (torch.zeros(3), None),
    "exp_avg/a.b": (torch.zeros(()), torch.zeros(7), None),
    "step/a.b": (torch.zeros(2), torch.tensor(0.0), None),
    "more/a.b": (torch.zeros(1),),
    "exp_avg/foreign": (torch.zeros(1),),
}


def test_every_wrong_fact_of_a_state_starts_its_stage_over(tmp_path):
    def until(progress) -> None:
        if progress.step == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        run_stage(line_stage(), tmp_path, until, "one")
    path = tmp_path / "line.safetensors"
    (tmp_path / "whole").mkdir()
    whole = run_stage(line_stage(), tmp_path / "whole", lambda _: None, "one")
    tensors, info = load_tensors(path)
    states = [(tensors, info | {name: value}) for name, values in FACTS.items() for value in values]
    states += [(tensors, {key: value for key, value in info.items() if key != name}) for name in FACTS]
    for name, values in TENSORS.items():
        rest = {key: value for key, value in tensors.items() if key != name}
        states += [(rest if value is None else rest | {name: value}, info) for value in values]
    for number, state in enumerate([(tensors, info), *states]):
        save_tensors(path, *state)
        events, stage = [], line_stage()
        result = run_stage(stage, tmp_path, events.append, "one")
        steps = [event.step for event in events if event.loss is not None]
        said = [event.message for event in events if event.message]
        assert (steps, len(said)) == (([3, 4], 0) if number == 0 else ([1, 2, 3, 4], 1)), state
        assert (result.best_step, result.scores) == (whole.best_step, whole.scores)
        assert torch.equal(result.best["a.b"], whole.best["a.b"])
