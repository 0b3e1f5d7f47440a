"""Weights on disk: what is written is read again, what cannot be used is refused with one sentence."""

import errno
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dreampose_core.weights.checkpoints import (
    Tuned,
    fingerprint,
    load_model,
    load_tensors,
    load_tuned,
    new_folder,
    plain_disk_errors,
    read_tuned,
    save_tensors,
    save_tuned,
)
from pose_tools.errors import BadInput
from tests.dreampose_core.tiny import tiny_photo, tiny_pipeline, tiny_poses

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pipeline():
    return tiny_pipeline()


@pytest.fixture
def tuned_folder(pipeline, tmp_path):
    changes = {
        "unet": {"conv_in.weight": torch.full_like(pipeline.unet.conv_in.weight, 0.25)},
        "adapter": {
            "linear1.weight.down": torch.ones(1, pipeline.adapter.linear1.weight.shape[1]),
            "linear1.weight.up": torch.full((pipeline.adapter.linear1.weight.shape[0], 1), 0.5),
        },
    }
    save_tuned(tmp_path / "mini", pipeline, Tuned(changes, {"note": "kept"}))
    return tmp_path / "mini"


def refused(call, *arguments) -> str:
    """The sentence of the BadInput that the call raises."""
    with pytest.raises(BadInput) as caught:
        call(*arguments)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence and len(sentence) < 200
    return sentence


def test_tuned_weights_are_the_models_plus_the_differences(pipeline, tuned_folder):
    tuned = load_tuned(pipeline, tuned_folder)
    torch.testing.assert_close(tuned.unet.conv_in.weight, pipeline.unet.conv_in.weight + 0.25)
    torch.testing.assert_close(tuned.adapter.linear1.weight, pipeline.adapter.linear1.weight + 0.5)
    assert tuned.vae is pipeline.vae and tuned.unet is not pipeline.unet
    assert read_tuned(tuned_folder).info["note"] == "kept"
    assert sorted(path.name for path in tuned_folder.parent.iterdir()) == ["mini"]


def test_a_new_result_takes_the_place_of_the_old_one(pipeline, tuned_folder):
    save_tuned(tuned_folder, pipeline, Tuned({}, {"note": "new"}))
    assert sorted(path.name for path in tuned_folder.iterdir()) == ["finished.json"]
    assert load_tuned(pipeline, tuned_folder).unet is pipeline.unet


def test_weights_of_another_model_are_refused(tuned_folder):
    torch.manual_seed(1)
    other = tiny_pipeline(carried=False, refiner=False)
    assert "another model" in refused(load_tuned, other, tuned_folder)
    retrained = tiny_pipeline()
    with torch.no_grad():
        retrained.unet.conv_in.weight += 0.1
    assert fingerprint(retrained) != fingerprint(tiny_pipeline())
    assert "another model" in refused(load_tuned, retrained, tuned_folder)


def test_the_fingerprint_outlives_half_precision(pipeline):
    assert fingerprint(tiny_pipeline().to(torch.bfloat16)) == fingerprint(pipeline)


@torch.no_grad()
def test_small_changes_outlive_half_precision(tmp_path):
    """The step of bfloat16 is as large as they are; what lies on its grid must stay what it is."""
    base = tiny_pipeline().to(torch.bfloat16)
    torch.manual_seed(3)
    wanted = {
        part: {
            name: 3e-3 * torch.randn_like(weight.float()) * weight.float().std()
            for name, weight in getattr(base, part).named_parameters()
            if weight.ndim > 1 and weight.float().std() > 0
        }
        for part in ("unet", "adapter")
    }
    del wanted["unet"]["conv_out.weight"]
    save_tuned(tmp_path / "mini", base, Tuned(wanted, {}))
    tuned = load_tuned(base, tmp_path / "mini")
    assert (tuned.unet.dtype, tuned.adapter.dtype, base.unet.dtype) == (torch.float16, torch.float32, torch.bfloat16)
    for part, limit in (("unet", 0.12), ("adapter", 1e-3)):
        error = whole = coarse = 0.0
        for name, change in wanted[part].items():
            old, new = (getattr(pipeline, part).get_parameter(name).float() for pipeline in (base, tuned))
            error += float((new - old - change).square().sum())
            coarse += float(((old + change).bfloat16().float() - old - change).square().sum())
            whole += float(change.square().sum())
        assert (error / whole) ** 0.5 < limit and (coarse / whole) ** 0.5 > 0.4
    assert torch.equal(tuned.unet.conv_out.weight.float(), base.unet.conv_out.weight.float())
    inputs = torch.randn(2, 4, 8, 6), torch.tensor(500), torch.randn(2, 17, 16), torch.randn(2, 10, 8, 6)
    whole = load_tuned(tiny_pipeline(), tmp_path / "mini").predict(*inputs, torch.zeros(2, 5, 8, 6))
    made = tuned.predict(*inputs, torch.zeros(2, 5, 8, 6))
    torch.testing.assert_close(made, whole, atol=0.02 * float(whole.abs().max()), rtol=0)


def test_weights_beyond_the_range_of_float16_stay_in_bfloat16(tmp_path):
    base = tiny_pipeline().to(torch.bfloat16)
    save_tuned(tmp_path / "mini", base, Tuned({"unet": {"conv_in.bias": torch.full((8,), 6e4)}}, {}))
    with torch.no_grad():
        base.unet.conv_out.bias.fill_(1e4)
    info = json.loads((tmp_path / "mini" / "finished.json").read_text())
    (tmp_path / "mini" / "finished.json").write_text(json.dumps(info | {"base": fingerprint(base)}))
    assert load_tuned(base, tmp_path / "mini").unet.dtype == torch.bfloat16


def test_factors_that_do_not_fit_each_other_are_refused(pipeline, tuned_folder):
    factors = {"linear1.weight.down": torch.ones(2, 3), "linear1.weight.up": torch.ones(5, 1)}
    save_tensors(tuned_folder / "adapter.safetensors", factors)
    assert "do not fit" in refused(load_tuned, pipeline, tuned_folder)


def test_damaged_and_foreign_folders_are_refused(pipeline, tuned_folder):
    assert "no finished" in refused(load_tuned, pipeline, tuned_folder.parent / "nothing")
    path = tuned_folder / "unet.safetensors"
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:5], b"", b"\x00" * 200, b"not weights at all"):
        path.write_bytes(content)
        assert "unet.safetensors is damaged" in refused(load_tuned, pipeline, tuned_folder)
    path.unlink()
    assert "missing" in refused(load_tuned, pipeline, tuned_folder)
    save_tensors(path, {"conv_in.weight": torch.zeros(3)})
    assert "do not fit" in refused(load_tuned, pipeline, tuned_folder)
    save_tensors(path, {"no.such.weight": torch.zeros(3)})
    assert "do not fit" in refused(load_tuned, pipeline, tuned_folder)
    save_tensors(path, {"conv_in.weight": torch.full_like(pipeline.unet.conv_in.weight, float("nan"))})
    assert "damaged" in refused(load_tuned, pipeline, tuned_folder)
    for text in ("[1, 2]", "{}", json.dumps({"format": "dreampose-tuned-1", "parts": ["../../evil"]})):
        (tuned_folder / "finished.json").write_text(text)
        assert "something else" in refused(load_tuned, pipeline, tuned_folder)
    (tuned_folder / "finished.json").write_text("{ half a fi")
    assert "finished.json is damaged" in refused(load_tuned, pipeline, tuned_folder)


class Trap:
    """A pickle that leaves a mark where it is opened."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return (os.mkdir, (str(self.mark),))


def test_a_pickle_with_code_in_it_is_never_run(tmp_path, pipeline, tuned_folder):
    mark = tmp_path / "mark"
    (tuned_folder / "unet.safetensors").write_bytes(pickle.dumps(Trap(mark)))
    refused(load_tuned, pipeline, tuned_folder)
    torch.save({"conv_in.weight": Trap(mark)}, tuned_folder / "unet.safetensors")
    refused(load_tuned, pipeline, tuned_folder)
    assert not mark.exists()


def test_weights_that_nobody_writes_here_are_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.ones(4).to(torch.float8_e4m3fn)}, path)
    assert "damaged" in refused(load_tensors, path)
    for text in ("{", "[1]", "7"):
        save_file({"a": torch.ones(4)}, path, metadata={"info": text})
        assert "damaged" in refused(load_tensors, path)
    save_file({"a": torch.ones(4)}, path)
    assert load_tensors(path)[1] == {}


def test_tensors_keep_values_and_facts(tmp_path):
    tensors = {"a": torch.randn(3, 4), "b": torch.randn(4, 3).T, "c": torch.tensor(7)}
    save_tensors(tmp_path / "x.safetensors", tensors, {"step": 3, "score": 0.1})
    loaded, info = load_tensors(tmp_path / "x.safetensors")
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())
    assert info == {"step": 3, "score": 0.1}


def test_a_failure_leaves_the_old_folder_and_no_rubbish(tmp_path):
    (tmp_path / "it").mkdir()
    (tmp_path / "it" / "old").touch()
    with pytest.raises(RuntimeError), new_folder(tmp_path / "it") as made:
        (made / "new").touch()
        raise RuntimeError
    assert [path.name for path in tmp_path.rglob("*")] == ["it", "old"]


def test_a_full_disk_is_said_plainly_and_nothing_is_lost(tmp_path):
    """A limit on the size of files stands for a full disk; the process must not be this one."""
    save_tensors(tmp_path / "x.safetensors", {"a": torch.ones(10)})
    script = """
import errno, resource, signal, sys
from pathlib import Path
import torch
from dreampose_core.weights import checkpoints
from pose_tools.errors import BadInput
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
checkpoints.FULL_DISK += (errno.EFBIG,)
try:
    checkpoints.save_tensors(Path(sys.argv[1]), {"a": torch.zeros(100_000)})
except BadInput as error:
    print(error)
"""
    path = tmp_path / "x.safetensors"
    done = subprocess.run([sys.executable, "-c", script, str(path)], cwd=ROOT, capture_output=True, text=True)
    assert "disk is full" in done.stdout, done.stderr[-2000:]
    assert list(tmp_path.iterdir()) == [path]
    assert torch.equal(load_tensors(path)[0]["a"], torch.ones(10))
    assert "disk is full" in refused(_write_without_room)


def _write_without_room():
    with plain_disk_errors():
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_model_folder(tmp_path, pipeline):
    pipeline.save_pretrained(tmp_path / "model", max_shard_size="20KB")
    model = load_model(tmp_path / "model")
    assert not any(parameter.requires_grad for parameter in model.unet.parameters())
    assert model.image_encoder.dtype == torch.float32
    options = {"num_inference_steps": 2, "seed": 3}
    made = model(tiny_photo(), tiny_poses(1), **options)
    expected = pipeline(tiny_photo(), tiny_poses(1), **options)
    assert abs(made.astype(int) - expected).mean() < 1


def test_a_half_precision_folder_is_computed_with_whole_precision(tmp_path):
    tiny_pipeline().to(torch.float16).save_pretrained(tmp_path)
    model = load_model(tmp_path)
    parts = ("vae", "unet", "image_encoder", "adapter", "refiner")
    assert {getattr(model, part).dtype for part in parts} == {torch.float32}


def test_model_folders_that_are_none(tmp_path, pipeline):
    assert "no model" in refused(load_model, tmp_path)
    folder = tmp_path / "model"
    pipeline.save_pretrained(folder)
    weights = next((folder / "unet").glob("*.safetensors"))
    whole = weights.read_bytes()
    for content in (whole[: len(whole) // 2], b"", None):
        weights.unlink()
        if content is not None:
            weights.write_bytes(content)
        assert "damaged" in refused(load_model, folder)
    weights.write_bytes(whole)
    (folder / "model_index.json").write_text("{ half a fi")
    assert "damaged" in refused(load_model, folder)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    assert "damaged" in refused(load_model, folder)
