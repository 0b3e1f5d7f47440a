"""`evaluate`: figures of known pictures, self-reenactment with a tiny model, and what it says of missing networks."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.linalg import sqrtm
from torch import nn

from dreampose_core.__main__ import main
from dreampose_core.evaluation.metrics import psnr, ssim
from dreampose_core.evaluation.perceptual import find_networks, frechet_distance
from dreampose_core.evaluation.reenactment import carry_along
from dreampose_core.training.clips import load_clips
from pose_tools.errors import BadInput
from pose_tools.sequence import PoseSequence
from pose_tools.video import write_video
from tests.dreampose_core.tiny import tiny_pipeline
from tests.dreampose_core.tiny_clips import SHIRTS, save_clips, wave


class Means(nn.Module):
    """Stands for Inception and I3D: a TorchScript network with their arguments, whose features are mean colours."""

    def forward(
        self, x: torch.Tensor, return_features: bool = False, rescale: bool = False, resize: bool = False
    ) -> torch.Tensor:
        return x.flatten(2).mean(2)


class Perceived(nn.Module):
    """Stands for VGG 16 in the form of StyleGAN 2-ADA."""

    def forward(self, x: torch.Tensor, resize_images: bool = True, return_lpips: bool = False) -> torch.Tensor:
        return x.flatten(2).mean(2) / 255


class Identity(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3))


def save_pictures(folder, clip):
    folder.mkdir(parents=True)
    for number, frame in enumerate(clip):
        Image.fromarray(frame).save(folder / f"{number}.png")


def noise(seed: int, frames: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (frames, 24, 32, 3), dtype=np.uint8)


@pytest.fixture
def pair(tmp_path):
    """Two folders of two clips; their clips."""
    truth = {"one": noise(0), "two": noise(1)}
    made = {name: (clip // 2) for name, clip in truth.items()}
    for folder, clips in (("generated", made), ("real", truth)):
        for name, clip in clips.items():
            save_pictures(tmp_path / folder / name, clip)
    return made, truth


def both(tmp_path, *more: str) -> list[str]:
    folders = ["--generated", str(tmp_path / "generated"), "--real", str(tmp_path / "real")]
    return ["evaluate", *folders, "--device", "cpu", *more]


def test_the_table_of_two_folders(pair, tmp_path, capsys, monkeypatch):
    made, truth = pair
    for module in ("lpips", "perceptual"):
        monkeypatch.setattr(f"dreampose_core.evaluation.{module}.find_spec", lambda _: None)
    assert main(both(tmp_path, "--report", str(tmp_path / "report.json"))) == 0
    told = capsys.readouterr().out
    report = json.loads((tmp_path / "report.json").read_text())
    expected = np.mean([np.abs(truth[name] / 255 - made[name] / 255).mean() for name in truth])
    assert report["table"]["l1"] == pytest.approx(expected)
    assert report["table"]["psnr"] == pytest.approx(np.mean([psnr(made[name], truth[name]).mean() for name in truth]))
    assert report["table"]["ssim"] == pytest.approx(np.mean([ssim(made[name], truth[name]).mean() for name in truth]))
    assert report["frames"] == 24 and set(report["clips"]) == {"one", "two"}
    assert f"{expected:.4f}" in told and "2 clips, 24 frames." in told
    for name in ("lpips", "fid", "fvd", "aed"):
        assert report["table"][name] is None and f"{name.upper()} is missing: needs" in told


def test_networks_that_are_there_are_used(pair, tmp_path, capsys):
    made, truth = pair
    networks = tmp_path / "networks"
    networks.mkdir()
    for file, network in {
        "inception-2015-12-05.pt": Means(),
        "i3d_torchscript.pt": Means(),
        "vgg16.pt": Perceived(),
        "reid.pt": Identity(),
    }.items():
        torch.jit.script(network).save(networks / file)
    report = tmp_path / "report.json"
    assert main(both(tmp_path, "--networks", str(networks), "--report", str(report))) == 0
    table = json.loads(report.read_text())["table"]
    told = capsys.readouterr().out

    def means(clips):
        return np.concatenate([clip.mean((1, 2)) for clip in clips.values()])

    one, other = means(made), means(truth)
    assert table["fid"] == pytest.approx(frechet_distance(one, other), rel=1e-3)
    gaps = (one - other) / 255
    assert table["lpips"] == pytest.approx((gaps**2).sum(1).mean(), rel=1e-3)
    assert table["aed"] == pytest.approx(2 * np.linalg.norm(gaps, axis=1).mean(), rel=1e-3)
    assert table["fvd"] is None and "FVD is missing: needs at least 32 frames" in told  # clips of 12 have no window
    for name in ("lpips", "fid", "aed"):
        assert f"{name.upper()} is missing" not in told


def test_fvd_looks_at_windows_of_sixteen_frames(tmp_path):
    torch.jit.script(Means()).save(tmp_path / "i3d_torchscript.pt")
    features = find_networks(tmp_path).features["fvd"]
    clip = noise(3, 40)
    torch.testing.assert_close(
        torch.from_numpy(features(clip)),
        torch.from_numpy(np.stack([clip[:16].mean((0, 1, 2)), clip[16:32].mean((0, 1, 2))])),
        rtol=1e-4,
        atol=1e-3,
    )
    assert len(features(clip[:15])) == 0


def test_frechet_distance():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(500, 6)), rng.normal(size=(400, 6)) @ rng.normal(size=(6, 6)) + 0.5
    a, b = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    means = one.mean(0) - other.mean(0)
    assert frechet_distance(one, other) == pytest.approx(means @ means + np.trace(a + b - 2 * sqrtm(a @ b).real))
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(one, one + 2) == pytest.approx(24)
    assert np.isnan(frechet_distance(one[:1], other))


def test_equal_videos_are_equal(tmp_path, capsys):
    for folder in ("generated", "real"):
        (tmp_path / folder).mkdir()
        write_video(noise(5), tmp_path / folder / "clip.mp4", 12)
    assert main(both(tmp_path, "--size", "48x32", "--frames", "5")) == 0
    told = capsys.readouterr().out
    assert "SSIM        1.0000" in told and "PSNR         equal" in told and "1 clip, 5 frames." in told


def test_a_model_makes_a_test_set_anew(tmp_path, capsys):
    clips = save_clips(tmp_path / "clips", frames=5)
    tiny_pipeline(carried=False, refiner=False).save_pretrained(tmp_path / "model")
    command = ["evaluate", "--profile", str(tmp_path / "model"), "--clips", str(clips), "--device", "cpu"]
    command += ["--steps", "1", "--out", str(tmp_path / "made"), "--report", str(tmp_path / "report.json")]
    assert main(command) == 0
    first = json.loads((tmp_path / "report.json").read_text())
    assert first["frames"] == 8 and first["num_inference_steps"] == 1
    kept = tmp_path / "made" / "shirt_0" / "frame_00001.png"
    truth = load_clips(clips).clips[0].frame(1)
    assert np.asarray(Image.open(kept)).shape == truth.shape
    Image.fromarray(truth).save(kept)  # a frame that is there is taken, not made again
    assert main([*command, "--most", "1"]) == 0
    second = json.loads((tmp_path / "report.json").read_text())
    assert list(second["clips"]) == ["shirt_0"]
    assert second["clips"]["shirt_0"]["l1"] < first["clips"]["shirt_0"]["l1"]
    assert main(["evaluate", "--generated", str(tmp_path / "made"), "--real", str(clips / "clips")]) == 2
    assert "4 and 5 frames" in capsys.readouterr().err


def test_the_photo_is_carried_along_with_the_charts():
    """For models that read it: a body found in the charts of a clip moves the photo to where the person truly is."""
    pictures, charts = zip(*(wave(angle, SHIRTS[1], 320, 256) for angle in (0.3, 0.5, 0.9)), strict=True)
    carried = carry_along(pictures[0], PoseSequence(np.stack(charts), 6.0))
    for one, truth, chart in zip([carried[0], carried[1]], pictures[1:], charts[1:], strict=True):
        drawn, true = one.iuv[..., 0] > 0, chart[..., 0] > 0
        assert (drawn & true).sum() > 0.95 * (drawn | true).sum()
        assert psnr(one.picture, truth) > psnr(pictures[0], truth) + 5
    nobody = np.zeros((3, 320, 256, 3), np.uint8)
    assert carry_along(pictures[0], PoseSequence(nobody, 6.0)) is None


def test_bad_input_is_one_sentence(pair, tmp_path, capsys):
    def said(*arguments: str) -> str:
        assert main(list(arguments)) == 2
        sentence = capsys.readouterr().err.splitlines()[-1]
        assert sentence.endswith(".") and "Traceback" not in sentence
        return sentence

    real, generated = tmp_path / "real", tmp_path / "generated"
    assert "either" in said("evaluate") and "either" in said("evaluate", "--real", str(real))
    assert "no folder" in said("evaluate", "--generated", str(tmp_path / "no"), "--real", str(real))
    assert "--size is like" in said(*both(tmp_path, "--size", "big"))
    assert "no folder" in said(*both(tmp_path, "--networks", str(tmp_path / "no")))
    (tmp_path / "reid.pt").write_text("no network")
    assert "not a TorchScript" in said(*both(tmp_path, "--networks", str(tmp_path)))
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no clip" in said("evaluate", "--generated", str(empty), "--real", str(real))
    assert "manifest.json" in said("evaluate", "--clips", str(empty))
    save_pictures(real / "three", noise(2))
    assert "The clip three has no partner" in said(*both(tmp_path))
    save_pictures(generated / "three", noise(2)[:, ::2])
    assert "three are of 32x12 and 32x24 pixels" in said(*both(tmp_path))
    (generated / "one" / "0.png").write_text("no picture")
    assert "0.png is not a picture" in said(*both(tmp_path))
    clips = save_clips(tmp_path / "clips", frames=2, height=80)
    tiny_pipeline(carried=False, refiner=False).save_pretrained(tmp_path / "model")
    assert "another size" in said("evaluate", "--profile", str(tmp_path / "model"), "--clips", str(clips))


def test_a_missing_frame_is_said(tmp_path):
    clips = save_clips(tmp_path / "clips", frames=2)
    (clips / "clips" / "shirt_0" / "frame_00001.png").write_bytes(b"half")
    with pytest.raises(BadInput, match="frame_00001.png of the clip shirt_0"):
        load_clips(clips).clips[0].frame(0)
