"""Latents of clips on disk: the same loss curve without the encoders, resumed, shared by processes; bad input."""

import errno
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from dreampose_core.__main__ import main
from dreampose_core.training import latents as made
from dreampose_core.training.base import train_base
from dreampose_core.training.clips import load_clips
from dreampose_core.training.latents import fill_latents, open_latents, say_size
from dreampose_core.training.pairs import batches, draw_pairs
from dreampose_core.weights.checkpoints import load_model
from pose_tools.errors import BadInput
from tests.dreampose_core.test_base_training import SETTINGS, losses
from tests.dreampose_core.tiny import tiny_pipeline
from tests.dreampose_core.tiny_clips import save_clips


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Clips, and two models: one whose adapter reads raw values, as the paper's, and one of which none does."""
    folder = tmp_path_factory.mktemp("given")
    save_clips(folder / "clips")
    tiny_pipeline(carried=False, refiner=False, velocity=False).save_pretrained(folder / "raw")
    tiny_pipeline(carried=False, refiner=False, raw_photo=False).save_pretrained(folder / "plain")
    return folder


def train(given, run, model, latents=None, **changes) -> tuple[list[float], list[str]]:
    """Losses, and how often the encoders were called."""
    pipeline, said, calls = load_model(given / model), [], []
    pipeline.vae.encoder.register_forward_hook(lambda *_: calls.append("vae"))
    pipeline.image_encoder.register_forward_hook(lambda *_: calls.append("vision"))
    settings = replace(SETTINGS, samples=0, **changes)
    clips = load_clips(given / "clips")
    train_base(pipeline, clips, run, settings, Accelerator(cpu=True), 1, said.append, latents)
    return losses(run), calls


@pytest.mark.parametrize("model", ["raw", "plain"])
def test_the_loss_curve_is_the_same_and_a_step_calls_no_encoder(given, tmp_path, model):
    plain, many = train(given, tmp_path / "plain", model)
    cached, first = train(given, tmp_path / "cached", model, tmp_path / "latents")
    assert cached == pytest.approx(plain, rel=1e-4)
    again, few = train(given, tmp_path / "again", model, tmp_path / "latents")
    assert again == cached
    assert len(few) <= 3 < len(first) < len(many), "only the black photo is encoded"
    files = sorted(path.name for path in (tmp_path / "latents" / "clips" / "shirt_0").iterdir())
    raw = ["raw.npy"] if model == "raw" else []
    assert files == ["clip.json", "latents.npy", *raw, "tokens.npy"]


def test_with_the_vision_encoder_trained(given, tmp_path):
    plain, _ = train(given, tmp_path / "plain", "raw", vision=True)
    cached, _ = train(given, tmp_path / "cached", "raw", tmp_path / "latents", vision=True)
    assert cached == pytest.approx(plain, rel=1e-4)
    assert not (tmp_path / "latents" / "clips" / "shirt_0" / "tokens.npy").exists()
    longer, _ = train(given, tmp_path / "cached", "raw", tmp_path / "latents", vision=True, steps=8)
    assert longer[:6] == cached and len(longer) == 8


def test_what_is_read_is_what_the_pipeline_encodes(given, tmp_path):
    pipeline, clips = load_model(given / "raw"), load_clips(given / "clips")
    cache = open_latents(tmp_path, pipeline, clips, vision=False)
    for rank in range(2):  # as two processes
        fill_latents(cache, clips, pipeline, rank, 2, lambda line: None)
    (part,) = next(batches(clips, range(7, 8), 1, 3, 0, 0, 1, cache))
    assert part.photos is None and part.frames is None
    pairs = draw_pairs(clips, 3, 0, 7, 0)
    photos, frames = (np.stack([pair.clip.frame(getattr(pair, name)) for pair in pairs]) for name in ("photo", "frame"))
    code = pipeline.encode_photo(photos)
    close = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(part.encoded.latents, pipeline.encode_pictures(frames), **close)
    torch.testing.assert_close(part.encoded.photo.latents, code.latents, **close)
    torch.testing.assert_close(part.encoded.photo.adapter_latents, code.adapter_latents, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(part.encoded.photo.clip, code.clip, **close)
    said = sum(cache.bytes_of(clip) for clip in clips.clips)
    there = sum(path.stat().st_size for path in tmp_path.rglob("*.npy"))
    assert said < there < said + 6 * 200


def test_an_interrupted_cache_goes_on_and_a_clip_made_anew_is_encoded_anew(given, tmp_path):
    pipeline, folder = load_model(given / "plain"), tmp_path / "clips"
    shutil.copytree(given / "clips", folder)
    clips, said = load_clips(folder), []
    cache = open_latents(tmp_path / "latents", pipeline, clips, vision=False)
    say_size(cache, clips, said.append)
    assert said[0].startswith("encoding 12 frames of 2 clips once, 0.00 GB in ")
    fill_latents(cache, clips, pipeline, 0, 2, said.append)
    say_size(cache, clips, said.append)
    assert "6 frames of 1 clips" in said[-1]
    fill_latents(cache, clips, pipeline, 0, 1, said.append)
    before = (tmp_path / "latents" / "clips" / "shirt_0" / "latents.npy").read_bytes()
    path = folder / "clips" / "shirt_0" / "clip.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"source": "another video"}))
    for number in range(1, 7):
        shutil.copy(folder / "clips" / "shirt_1" / f"frame_{number:05d}.png", path.parent)
    assert [cache.has(clip) for clip in clips.clips] == [False, True]
    fill_latents(cache, clips, pipeline, 0, 1, said.append)
    assert before != (tmp_path / "latents" / "clips" / "shirt_0" / "latents.npy").read_bytes()
    say_size(cache, clips, said.append)
    assert "6 frames" not in said[-1]


def test_bad_input_is_one_sentence(given, tmp_path, monkeypatch, capsys):
    pipeline, clips = load_model(given / "raw"), load_clips(given / "clips")

    def refused(call, *arguments) -> str:
        with pytest.raises(BadInput) as caught:
            call(*arguments)
        assert str(caught.value).endswith(".") and "\n" not in str(caught.value)
        return str(caught.value)

    cache = open_latents(tmp_path / "latents", pipeline, clips, False)
    assert "other encoders" in refused(open_latents, tmp_path / "latents", load_model(given / "plain"), clips, False)
    assert "other encoders" in refused(open_latents, tmp_path / "latents", pipeline, clips, True)
    assert "something else" in refused(open_latents, given / "clips", pipeline, clips, False)
    (tmp_path / "latents" / "cache.json").write_text("{ half")
    assert "other encoders" in refused(open_latents, tmp_path / "latents", pipeline, clips, False)
    with monkeypatch.context() as patch:
        patch.setattr(made.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 5, 5))
        assert "train without --latents" in refused(say_size, cache, clips, print)
    clip = clips.clips[0]
    with monkeypatch.context() as patch:
        full = OSError(errno.ENOSPC, "No space left on device")
        patch.setattr(made.np.lib.format, "write_array_header_1_0", lambda *_: (_ for _ in ()).throw(full))
        assert "disk is full" in refused(cache.write, clip, pipeline)
    assert not cache.has(clip) and not any((tmp_path / "latents" / "clips").iterdir())
    cache.write(clip, pipeline)
    for content in (b"", b"no array", None):
        path = tmp_path / "latents" / "clips" / clip.name / "raw.npy"
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        made._mapped.cache_clear()
        assert "raw.npy of the clip" in refused(cache.read, [(clip, 0)], [(clip, 1)])
    run = ["train", str(given / "clips"), "--out", str(tmp_path / "run"), "--model", str(given / "raw")]
    assert main([*run, "--latents", str(given / "clips"), "--steps", "1"]) == 2
    assert "choose another one for --latents" in capsys.readouterr().err


def test_a_pickle_in_place_of_latents_is_never_run(given, tmp_path):
    pipeline, clips = load_model(given / "raw"), load_clips(given / "clips")
    cache, clip = open_latents(tmp_path / "latents", pipeline, clips, False), clips.clips[0]
    cache.write(clip, pipeline)

    class Trap:
        def __reduce__(self):
            return (exec, (f"open({str(tmp_path / 'mark')!r}, 'w')",))

    np.save(tmp_path / "latents" / "clips" / clip.name / "raw.npy", np.array([Trap()], object), allow_pickle=True)
    with pytest.raises(BadInput, match="damaged"):
        cache.read([(clip, 0)], [(clip, 1)])
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("vision", [False, True])
def test_encoders_wait_off_the_card_once_everything_is_cached(given, tmp_path, monkeypatch, vision):
    """One device stands for both; who was sent where is written down, and who works is on the card."""
    settings = replace(SETTINGS, steps=2, save_every=1, samples=1, sample_steps=1, vision=vision)
    clips, card = load_clips(given / "clips"), torch.device("cpu", 0)
    pipeline, real, done = load_model(given / "raw"), torch.nn.Module.to, []
    away = {"vae", "unet", "image_encoder", "adapter"}  # everybody, before the training begins
    names = {id(part): name for name, part in pipeline.components.items() if name in away}

    def to(module, *where, **options):
        if card in (*where, options.get("device")):
            away.discard(names.get(id(module)))
        elif where == ("cpu",):
            away.add(names.get(id(module)))
        return real(module, *where, **options)

    for name in sorted(away):
        part = getattr(pipeline, name)
        monkeypatch.setattr(type(part), "to", to)
        inner = part.encoder if name == "vae" else part
        inner.register_forward_pre_hook(lambda *_, name=name: done.append((name, name in away, frozenset(away))))
    accelerator = Accelerator(cpu=True)
    monkeypatch.setattr(type(accelerator), "device", card)
    train_base(pipeline, clips, tmp_path / "run", settings, accelerator, 1, lambda _: None, tmp_path / "latents")
    assert not any(waits for _, waits, _ in done), "who works is on the card"
    rests = {"vae"} if vision else {"vae", "image_encoder"}
    assert [gone for name, _, gone in done if name == "unet"] == [rests] * 6, "in 2 steps of 2 parts and in 2 samples"
    first = next(index for index, (name, _, _) in enumerate(done) if name == "unet")
    assert {gone for name, _, gone in done[:first] if name == "vae"} == {frozenset()}, "all encode together"
    again = [gone for name, _, gone in done[first:] if name == "vae"]
    assert again and all(gone == rests - {"vae"} for gone in again), "samples have it back for a moment"
    assert away == rests
