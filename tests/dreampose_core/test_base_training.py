"""The paper's base training with a tiny model on drawn clips: what is drawn, weights, checkpoints, resume, bad input.

The last test is slow for the tests of this file: it starts several processes three times.
"""

import errno
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from accelerate import Accelerator
from diffusers import DDPMScheduler
from PIL import Image

from dreampose_core.__main__ import main
from dreampose_core.training import base, base_state
from dreampose_core.training.base import BaseSettings, Learner, train_base
from dreampose_core.training.clips import load_clips
from dreampose_core.training.pairs import batches, draw_pairs, pose_planes
from dreampose_core.training.snr import min_snr_weights, training_target
from dreampose_core.weights.checkpoints import load_model
from pose_tools.errors import BadInput
from tests.dreampose_core.tiny import HEIGHT, WIDTH, tiny_pipeline
from tests.dreampose_core.tiny_clips import save_clips

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = BaseSettings(
    steps=6, batch=2, accumulate=2, rate=2e-3, warmup=2, ema=0.9, save_every=3, samples=1, sample_steps=1, keep=2
)


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A folder with clips, and two tiny models, one of which predicts noise."""
    folder = tmp_path_factory.mktemp("given")
    save_clips(folder / "clips")
    tiny_pipeline(carried=False, refiner=False).save_pretrained(folder / "model")
    tiny_pipeline(carried=False, refiner=False, velocity=False).save_pretrained(folder / "noise")
    return folder


def train(given: Path, run: Path, settings: BaseSettings, model: str = "model") -> list[float]:
    """The losses of a run."""
    quiet = []
    train_base(
        load_model(given / model), load_clips(given / "clips"), run, settings, Accelerator(cpu=True), 1, quiet.append
    )
    return losses(run)


def losses(run: Path) -> list[float]:
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    return [row["loss"] for row in rows]


# what is drawn


def test_pairs_are_two_frames_of_one_clip_and_depend_on_seed_step_and_rank(given):
    clips = load_clips(given / "clips")
    drawn = draw_pairs(clips, 400, seed=1, step=5, rank=0)
    assert drawn == draw_pairs(clips, 400, seed=1, step=5, rank=0)
    for other in ({"seed": 2}, {"step": 6}, {"rank": 1}):
        assert drawn != draw_pairs(clips, 400, **({"seed": 1, "step": 5, "rank": 0} | other))
    assert all(pair.photo != pair.frame for pair in drawn)
    seen = {(pair.clip.name, pair.photo, pair.frame) for pair in drawn}
    assert len(seen) == 2 * 6 * 5  # every frame with every other one of its clip
    counts = np.bincount([pair.frame for pair in drawn], minlength=6)
    assert counts.min() > 30


def test_a_batch_has_the_pipelines_own_pose_channels(given):
    clips = load_clips(given / "clips")
    pipeline = tiny_pipeline(carried=False)
    clip = clips.clips[1]
    whole = pipeline.pose_channels(clip.poses())
    for index in range(len(clip)):
        torch.testing.assert_close(pose_planes(clip, index), whole[index])
    (first, second), *_ = batches(clips, range(3, 5), 2, 3, seed=0, rank=1, threads=2)
    assert first.frames.shape == (3, HEIGHT, WIDTH, 3) and second.poses.shape == (3, 10, HEIGHT // 8, WIDTH // 8)
    pair = draw_pairs(clips, 6, seed=0, step=3, rank=1)[4]
    assert np.array_equal(second.photos[1], pair.clip.frame(pair.photo))


def test_poses_do_not_reach_over_a_part_that_was_left_out(given):
    clip = replace(load_clips(given / "clips").clips[0], numbers=(0, 1, 2, 20, 21, 22))
    assert clip.around(2) == [0, 1, 2, 2, 2]
    assert clip.around(3) == [3, 3, 3, 4, 5]


# what is computed


def test_min_snr_weighs_errors_of_the_picture_alike():
    """The loss in noise or velocity becomes min(SNR, gamma) times the squared error of the picture."""
    timesteps = torch.tensor([1, 200, 500, 900])
    for kind in ("epsilon", "v_prediction"):
        scheduler = DDPMScheduler(beta_schedule="scaled_linear", prediction_type=kind)
        share = scheduler.alphas_cumprod[timesteps]
        ratio = share / (1 - share)
        latents, noise = torch.randn(4, 4, 3, 3), torch.randn(4, 4, 3, 3)
        noisy = scheduler.add_noise(latents, noise, timesteps)
        guess = latents + 0.1
        sigma, alpha = (1 - share).sqrt().view(-1, 1, 1, 1), share.sqrt().view(-1, 1, 1, 1)
        guessed_noise = (noisy - alpha * guess) / sigma
        made = guessed_noise if kind == "epsilon" else alpha * guessed_noise - sigma * guess
        errors = ((made - training_target(scheduler, latents, noise, timesteps)) ** 2).mean((1, 2, 3))
        weighted = errors * min_snr_weights(scheduler, timesteps, 5.0)
        torch.testing.assert_close(weighted, 0.01 * ratio.clamp(max=5.0), rtol=1e-3, atol=1e-6)


def test_no_terminal_signal_gives_finite_weights():
    for kind, expected in (("epsilon", 1.0), ("v_prediction", 0.0)):
        scheduler = DDPMScheduler(beta_schedule="scaled_linear", prediction_type=kind, rescale_betas_zero_snr=True)
        assert min_snr_weights(scheduler, torch.tensor([999]), 5.0).item() == pytest.approx(expected, abs=1e-6)


def test_the_learner_computes_what_the_pipeline_does_and_drops_conditions(given):
    pipeline = load_model(given / "noise")
    learner = Learner(pipeline, vision=False)
    clip = load_clips(given / "clips").clips[0]
    photo, none = pipeline.encode_photo(clip.frames(0, 2)), pipeline.no_photo(HEIGHT, WIDTH)
    poses = torch.stack([pose_planes(clip, 3), pose_planes(clip, 4)])
    noisy, timesteps = torch.randn(2, 4, HEIGHT // 8, WIDTH // 8), torch.tensor([10, 700])
    yes, no = torch.tensor([True, True]), torch.tensor([False, False])
    with torch.no_grad():
        whole = learner(noisy, timesteps, photo, none, poses, no, no)
        bare = learner(noisy, timesteps, photo, none, poses, yes, no)
        still = learner(noisy, timesteps, photo, none, poses, no, yes)
        context = pipeline.context(photo)
        nothing = pipeline.context(none).expand_as(context)
        torch.testing.assert_close(whole, pipeline.predict(noisy, timesteps, context, poses, None))
        torch.testing.assert_close(bare, pipeline.predict(noisy, timesteps, nothing, 0 * poses, None))
        torch.testing.assert_close(still, pipeline.predict(noisy, timesteps, context, 0 * poses, None))
    assert not torch.equal(whole, bare) and not torch.equal(whole, still)


# runs


@torch.no_grad()
def error(model, given: Path) -> float:
    """The loss of a model over pairs that no step of these tests has drawn."""
    scheduler, draw = DDPMScheduler.from_config(model.scheduler.config), torch.Generator().manual_seed(0)
    learner, none = Learner(model, vision=False), model.no_photo(HEIGHT, WIDTH)
    parts = [part for part, in batches(load_clips(given / "clips"), range(900, 904), 1, 16, 0, 0, 1)]
    return float(np.mean([base._loss(learner, model, scheduler, part, none, SETTINGS, draw) for part in parts]))


def test_a_run_trains_and_leaves_a_model_that_works(given, tmp_path):
    more = {"min_snr": 5.0, "checkpointing": True, "vision": True}
    settings = replace(SETTINGS, steps=40, save_every=40, batch=3, accumulate=1, rate=5e-3, **more)
    assert len(train(given, tmp_path / "run", settings)) == 40
    before, after = load_model(given / "model"), load_model(tmp_path / "run" / "model")
    assert error(after, given) < 0.8 * error(before, given)
    for part in ("unet", "adapter", "image_encoder"):
        pairs = zip(getattr(before, part).parameters(), getattr(after, part).parameters(), strict=True)
        assert sum(not torch.equal(one, other) for one, other in pairs) > 3
    assert all(map(torch.equal, before.vae.parameters(), after.vae.parameters()))
    clip = load_clips(given / "clips").clips[0]
    assert after(clip.frame(0), clip.poses(), num_inference_steps=1).shape == (6, HEIGHT, WIDTH, 3)
    assert Image.open(tmp_path / "run" / "samples" / "step_0000040.jpg").size == (4 * WIDTH, HEIGHT)


def test_an_interrupted_run_ends_as_an_undisturbed_one(given, tmp_path, monkeypatch):
    """With noise as the target; weights, averages and losses are equal bit by bit."""
    whole = train(given, tmp_path / "whole", SETTINGS, "noise")
    real, calls = base._loss, []

    def until(*arguments):
        calls.append(0)
        if len(calls) > 9:  # the first call of step 5
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(base, "_loss", until)
        train(given, tmp_path / "cut", replace(SETTINGS, log_every=1), "noise")
    assert len(losses(tmp_path / "cut")) == 4 and base_state.Run(tmp_path / "cut").steps() == [3]
    assert train(given, tmp_path / "cut", SETTINGS, "noise") == whole
    ends = [base_state.Run(tmp_path / name).checkpoint(6) for name in ("whole", "cut")]
    for file in ("weights", "average", "optimizer"):
        one, other = (base_state.load_tensors(folder / f"{file}.safetensors")[0] for folder in ends)
        assert all(torch.equal(one[name], other[name]) for name in one | other)


def test_only_the_newest_checkpoints_stay(given, tmp_path):
    train(given, tmp_path, replace(SETTINGS, save_every=1, steps=4, samples=0))
    assert base_state.Run(tmp_path).steps() == [3, 4]


def test_a_full_disk_at_a_checkpoint_keeps_the_earlier_one(given, tmp_path, monkeypatch):
    real = base_state.save_tensors

    def full(path, tensors, info=None):
        if "step_0000006" in str(path) and path.name == base_state.OPTIMIZER:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, tensors, info)

    with monkeypatch.context() as patch, pytest.raises(BadInput, match="^The disk is full"):
        patch.setattr(base_state, "save_tensors", full)
        train(given, tmp_path / "run", SETTINGS)
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["step_0000003"]
    assert train(given, tmp_path / "run", SETTINGS) == train(given, tmp_path / "other", SETTINGS)


def refused(call, *arguments) -> str:
    with pytest.raises(BadInput) as caught:
        call(*arguments)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence
    return sentence


def test_bad_input_is_one_sentence(given, tmp_path, capsys):
    assert "manifest.json" in refused(load_clips, tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    assert "damaged" in refused(load_clips, tmp_path)
    manifest = json.loads((given / "clips" / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(manifest | {"clips": []}))
    assert "no clip" in refused(load_clips, tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert "shirt_0 is missing" in refused(load_clips, tmp_path)
    large = save_clips(tmp_path / "large", frames=2, height=80)
    said = main(["train", str(large), "--out", str(tmp_path / "run"), "--model", str(given / "model")])
    assert said == 2 and "another size" in capsys.readouterr().err and not (tmp_path / "run").exists()
    with pytest.raises(BadInput, match="Batch must be at least 1"):
        BaseSettings(batch=0)
    assert "no model" in refused(load_model, tmp_path)
    arguments = [str(given / "clips"), "--out", str(tmp_path / "run"), "--model", str(given / "model")]
    assert main(["train", *arguments, "--tracker", "aim"]) == 2
    assert "aim is not installed" in capsys.readouterr().err


def test_another_run_in_the_same_folder_is_refused(given, tmp_path):
    train(given, tmp_path, replace(SETTINGS, steps=1, samples=0))
    assert "begun with batch 2, not 3" in refused(train, given, tmp_path, replace(SETTINGS, batch=3))
    assert "begun with prediction v_prediction" in refused(train, given, tmp_path, SETTINGS, "noise")
    model = load_model(given / "model")
    torch.nn.init.normal_(model.unet.conv_in.weight)
    model.save_pretrained(tmp_path / "given" / "model")
    (tmp_path / "given" / "clips").symlink_to(given / "clips")
    assert "begun with model" in refused(train, tmp_path / "given", tmp_path, SETTINGS)
    assert len(train(given, tmp_path, replace(SETTINGS, steps=2, samples=0))) == 2


def test_a_damaged_checkpoint_is_named(given, tmp_path):
    train(given, tmp_path, replace(SETTINGS, steps=1, samples=0))
    more, folder = replace(SETTINGS, steps=2, samples=0), base_state.Run(tmp_path).checkpoint(1)
    tensors, info = base_state.load_tensors(folder / base_state.OPTIMIZER)
    for other in (tensors, {}), ({"nonsense": torch.ones(1)}, info), ({"x.step": torch.ones(1)}, info):
        base_state.save_tensors(folder / base_state.OPTIMIZER, *other)
        assert "step_0000001 is damaged; delete it" in refused(train, given, tmp_path, more)
    base_state.save_tensors(folder / base_state.OPTIMIZER, tensors, info)
    state = (folder / base_state.STATE).read_text()
    for text in ("", "[1]", "{"):
        (folder / base_state.STATE).write_text(text)
        assert "step_0000001 is damaged; delete it" in refused(train, given, tmp_path, more)
    (folder / base_state.STATE).write_text(state)
    for name in (base_state.WEIGHTS, base_state.AVERAGE, base_state.OPTIMIZER):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: len(whole) - 64] + bytes(64))
        assert "step_0000001 is damaged; delete it" in refused(train, given, tmp_path, more)
        (folder / name).write_bytes(whole)
    facts = (tmp_path / "run.json").read_text()
    for text in ("[1]", "7", "{"):
        (tmp_path / "run.json").write_text(text)
        assert "run.json is damaged" in refused(train, given, tmp_path, more)
    (tmp_path / "run.json").write_text(facts)
    assert len(train(given, tmp_path, more)) == 2


def test_a_missing_frame_is_named(given, tmp_path):
    clips = save_clips(tmp_path / "clips", frames=3)
    (clips / "clips" / "shirt_1" / "frame_00002.png").unlink()
    with pytest.raises(BadInput, match="frame_00002.png of the clip shirt_1"):
        list(batches(load_clips(clips), range(8), 1, 4, 0, 0, 1))


# many processes


def kill(process: subprocess.Popen) -> None:
    """End the launcher and those it has started, at once."""
    everyone = [process, *psutil.Process(process.pid).children(recursive=True)]
    for one in everyone:
        one.kill()
    process.communicate()
    psutil.wait_procs(everyone[1:], timeout=30)


def launch(given: Path, run: Path, steps: int) -> subprocess.Popen:
    """Two processes without a GPU, as a user starts them."""
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    command += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    command += ["-m", "dreampose_core", "train", str(given / "clips"), "--out", str(run)]
    command += ["--model", str(given / "model"), "--steps", str(steps), "--save-every", "4", "--batch", "2"]
    command += ["--accumulate", "2", "--rate", "2e-3", "--ema", "0.9", "--samples", "1", "--sample-steps", "1"]
    command += ["--log-every", "1", "--threads", "1", "--warmup", "2"]
    command += ["--latents", str(run.with_name(f"{run.name}_latents"))]  # of which each process encodes its share
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen) -> None:
    try:
        _, said = process.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        kill(process)
        raise
    assert process.returncode == 0, said[-3000:]


def test_two_processes_are_killed_and_go_on_to_the_same_loss_curve(given, tmp_path):
    steps = 10
    finish(launch(given, tmp_path / "whole", steps))
    curve = losses(tmp_path / "whole")
    assert json.loads((tmp_path / "whole" / "run.json").read_text())["processes"] == 2

    process, log = launch(given, tmp_path / "cut", steps), tmp_path / "cut" / "log.jsonl"
    deadline = time.monotonic() + 240
    while not (log.is_file() and len(log.read_text().splitlines()) >= 6):  # beyond the checkpoint of step 4
        assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()[-3000:]
        time.sleep(0.02)
    kill(process)
    assert 4 in base_state.Run(tmp_path / "cut").steps() and not (tmp_path / "cut" / "model").exists()

    finish(launch(given, tmp_path / "cut", steps))
    assert losses(tmp_path / "cut") == pytest.approx(curve, rel=1e-6)
    one, other = (load_model(tmp_path / name / "model").unet.state_dict() for name in ("whole", "cut"))
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=1e-5, atol=1e-7)
