"""The training stages on tiny data: schedules, resume, crops, and a step of every stage that lowers its loss."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from dreampose_core.modeling import build_autoencoder, picture_tensor
from dreampose_core.profiles import find_profile
from dreampose_core.refiner import Refiner, charts_tensor
from dreampose_core.training import autoencoder, diffusion, loop, mini, pictures, refiner
from dreampose_core.training.prepared import Prepared
from dreampose_core.weights.checkpoints import load_model


def test_schedule_warms_up_stays_and_decays():
    schedule = loop.Schedule(steps=1000, rate=1.0, warmup=10, decay=0.4)
    assert schedule.rate_at(0) == pytest.approx(0.1)
    assert schedule.rate_at(300) == 1.0
    assert schedule.rate_at(800) == pytest.approx(0.5)
    assert schedule.rate_at(999) == pytest.approx(0.02)


def _train_line(folder, steps, stop_at=None):
    torch.manual_seed(0)
    model = nn.Linear(3, 1)

    def loss_of_step(step):
        if step == stop_at:
            raise KeyboardInterrupt
        draw = torch.Generator().manual_seed(step)
        x = torch.randn(8, 3, generator=draw)
        return ((model(x) - x.sum(1, keepdim=True)) ** 2).mean(), {"seen": 1.0}

    loop.run("line", {"line": model}, loss_of_step, loop.Schedule(steps, 0.05, warmup=2, save_every=5), folder, every=5)
    return model.weight.detach().clone()


def test_a_killed_run_ends_as_an_undisturbed_one(tmp_path):
    whole = _train_line(tmp_path / "whole", 30)
    with pytest.raises(KeyboardInterrupt):
        _train_line(tmp_path / "killed", 30, stop_at=17)
    assert torch.equal(_train_line(tmp_path / "killed", 30), whole)
    record = [json.loads(line) for line in (tmp_path / "whole" / "record.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in record if "loss" in row]
    assert losses[-1] < 0.5 * losses[0]


def test_crops_keep_size_and_stay_inside():
    picture = np.arange(60 * 40 * 3, dtype=np.uint32).astype(np.uint8).reshape(60, 40, 3)
    rng = np.random.default_rng(0)
    for zoom in ((0.5, 0.6), (1.0, 1.0), (1.0, 9.0)):
        assert pictures.crop(picture, (24, 16), rng, zoom).shape == (24, 16, 3)


def test_anchor_is_zero_where_latents_are_colours():
    picture = torch.rand(2, 3, 32, 16) * 2 - 1
    latents = torch.cat([autoencoder.cell_colours(picture), torch.randn(2, 1, 4, 2)], dim=1)
    assert float(autoencoder.anchor_error(latents, picture)) < 1e-12
    assert float(autoencoder.anchor_error(latents.flip(1), picture)) > 0.01


def test_grey_costs_more_than_the_right_colour():
    red = torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1).expand(1, 3, 16, 16)
    assert float(autoencoder.colour_error(red, red)) == 0
    assert float(autoencoder.colour_error(red.mean(1, keepdim=True).expand_as(red), red)) > 0.5


def test_evened_latents_mean_the_same_pictures():
    model = build_autoencoder((8, 8, 8, 8))
    picture = torch.rand(1, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        latents = model.encode(picture).latent_dist.mode()
        made = model.decode(latents).sample
        autoencoder.even_out(model, latents.mean((0, 2, 3)), latents.std((0, 2, 3)))
        even = model.encode(picture).latent_dist.mode()
        assert torch.allclose(even.mean((0, 2, 3)), torch.zeros(4), atol=1e-4)
        assert torch.allclose(even.std((0, 2, 3)), torch.ones(4), atol=1e-4)
        assert torch.allclose(model.decode(even).sample, made, atol=1e-4)


@pytest.fixture
def data() -> Prepared:
    rng = np.random.default_rng(0)
    rows, height, width = 4, 320, 256

    def noise(*shape):
        return rng.integers(0, 256, shape, dtype=np.uint8)

    frames = np.repeat(np.repeat(noise(rows, 10, 8, 3), 32, 1), 32, 2)
    charts = noise(rows, height, width, 3) % 25
    return Prepared(
        frames=frames,
        carried=frames,
        alpha=noise(rows, height, width),
        visibility=np.full((rows, height, width), 128, np.uint8),
        charts=charts,
        around=noise(rows, 5, height // 8, width // 8, 3) % 25,
        mask=noise(rows, height, width),
        photo=np.array([0, 0, 2, 2]),
        names=("a", "b"),
    )


def test_refiner_learns_to_keep_what_the_photo_saw(data, tmp_path):
    grey = np.full_like(data.frames, 127)
    schedule = loop.Schedule(25, rate=1e-3, warmup=3, ema=0.8, save_every=100)
    refiner.train_refiner(refiner.make_examples(data, grey, np.arange(4)), tmp_path, schedule, batch=2)
    trained = Refiner.from_pretrained(tmp_path / "refiner")

    def error(model):
        share = torch.full((1, 1, 320, 256), 0.5)
        with torch.no_grad():
            made = model(
                picture_tensor(grey[:1]), picture_tensor(data.carried[:1]), share, share, charts_tensor(data.charts[:1])
            )
        return float((made - picture_tensor(data.frames[:1])).abs().mean())

    assert error(trained) < error(Refiner())


@torch.no_grad()
def test_the_outline_changes_clearly_or_not_at_all():
    model = Refiner((8, 8)).eval()  # untrained it takes most of the decoded picture where nothing was seen
    carried, unseen = torch.zeros(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    coverage = unseen.clone()
    coverage[..., 8:24, 8:24] = 1

    def changed(level):
        return model(carried + level, carried, unseen, coverage, carried)[0, 0]

    faint, clear = changed(0.1), changed(0.9)
    assert faint[16, 16] > 0.08 and clear[16, 16] > 0.7, "inside both stay"
    assert faint[16, 26] == 0 and faint[16, 8] < 0.05 and clear[16, 24] > 0.7
    assert clear[48, 48] == 0, "nothing far from the person"


def test_what_nobody_can_know_keeps_the_carried_texture_and_takes_the_true_colours():
    stripes = (torch.arange(64) % 4 < 2).float()[None, None, None].expand(1, 3, 64, 64) - 0.5
    true, carried = 0.3 + 0.2 * stripes.mT, 0.1 + 0.2 * stripes
    everywhere, seen = torch.ones(1, 1, 64, 64), torch.zeros(1, 1, 64, 64)
    seen[..., :32] = 1
    wanted = refiner.knowable(true, everywhere, carried, seen, everywhere)
    assert torch.equal(wanted[..., :32], true[..., :32])
    hidden = wanted[..., 32:]
    stripe = hidden.diff(dim=-1).abs().mean() / true.diff(dim=-2).abs().mean()
    assert 0.5 < stripe < 1.1 and hidden.diff(dim=-2).abs().mean() < 0.6 * true.diff(dim=-2).abs().mean()
    assert (hidden.mean() - true.mean()).abs() < 0.01
    elsewhere = refiner.knowable(true, everywhere, carried - 1.2, seen, everywhere)
    assert (elsewhere - true).abs().max() < 1e-4, "the texture of something else is not wanted"
    assert torch.equal(refiner.knowable(true, 0 * everywhere, carried, seen, everywhere), true)


def test_a_refiner_goes_on_from_the_weights_it_is_given(data, tmp_path):
    start = Refiner((8, 8, 8))
    torch.nn.init.normal_(start.tail.weight, std=0.05)
    before = start.tail.weight.detach().clone()
    schedule = loop.Schedule(1, rate=1e-6, warmup=1, save_every=1)
    examples = refiner.make_examples(data, data.frames, np.arange(4))
    refiner.train_refiner(examples, tmp_path, schedule, batch=1, start=start)
    after = Refiner.from_pretrained(tmp_path / "refiner").tail.weight
    assert torch.allclose(after, before, atol=1e-4)


def test_a_finished_model_becomes_a_run_whose_refiner_is_still_to_train(tmp_path):
    model = find_profile("mini").folder
    mini.begin_with(model, tmp_path)
    assert not (tmp_path / "refiner.done").exists() and not (tmp_path / "prepare.done").exists()
    for part, place in (("vae", "autoencoder/vae"), ("unet", "full/model/unet"), ("refiner", "before/refiner")):
        assert {file.name for file in (model / part).iterdir()} == {file.name for file in (tmp_path / place).iterdir()}


def test_a_finished_model_becomes_a_run_of_the_papers_model(tmp_path, data, monkeypatch):
    model = load_model(find_profile("mini").folder)
    mini.begin_with(find_profile("mini").folder, tmp_path, paper=True)
    (tmp_path / "prepare.done").touch()
    monkeypatch.setattr(mini, "load_prepared", lambda folder: data)
    (tmp_path / "prepared").mkdir()
    np.savez(tmp_path / "prepared" / "subject_0.npz", frames=data.frames)
    mini.train_mini(tmp_path, tmp_path, tmp_path, mini.Recipe(full=1, paper=True))
    made = load_model(tmp_path / "mini")
    assert not made.carried and made.refiner is None and made.unet.config.in_channels == 14
    kept = made.unet.conv_in.weight
    assert torch.allclose(kept, model.unet.conv_in.weight[:, :14], atol=1e-3)  # one small step away


def test_diffusion_step_and_sampling_on_half_size(data, tmp_path):
    pipeline = diffusion.new_pipeline(build_autoencoder((8, 8, 8, 8)), 320, 256)
    cache = diffusion.build_cache(pipeline, data, shrink=2)
    assert cache.latents.shape == (4, 4, 20, 16) and cache.carried.shape == (4, 5, 20, 16)
    assert cache.poses.shape == (4, 10, 20, 16) and cache.subject.tolist() == [0, 0, 1, 1]
    before = pipeline.unet.conv_in.weight.detach().clone()
    schedule = loop.Schedule(2, rate=1e-3, warmup=1, save_every=1)
    diffusion.train_diffusion(pipeline, cache, tmp_path / "small", schedule, batch=2)
    assert not torch.equal(before, pipeline.unet.conv_in.weight)
    whole = diffusion.build_cache(pipeline, data)
    made = diffusion.sample_rows(pipeline, whole, data, np.array([1, 3]), steps=1)
    assert made.shape == (2, 320, 256, 3) and made.dtype == np.uint8
