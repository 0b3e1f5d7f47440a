"""The room that a finetune takes on the disk is counted before it starts, at the size of its model."""

import shutil
from dataclasses import replace

import pytest
import torch
from PIL import Image

from dreampose_core.finetune.disk import KEPT, STATE, written_by_finetune
from dreampose_core.finetune.finetune import finetune_looks
from dreampose_core.finetune.trainable import unet_to_train
from dreampose_core.finetune.tuning import FinetuneSettings
from dreampose_core.jobs import client
from dreampose_core.library.library import Library
from dreampose_core.profiles import PROFILES
from dreampose_core.settings import AnimateSettings
from pose_tools.errors import BadInput
from tests.dreampose_core.person import draw_person
from tests.dreampose_core.tiny import tiny_looks, tiny_pipeline

SHORT = FinetuneSettings(steps=2, decoder_steps=2, crops=2, held_out=1, batch=1, decoder_batch=1, window=4)


@pytest.mark.parametrize("rank", [None, 2], ids=["full", "lora"])
def test_what_is_counted_is_what_is_written(tmp_path, rank):
    pipeline, settings, most = tiny_pipeline(), replace(SHORT, lora_rank=rank), 0
    pipeline.save_pretrained(tmp_path / "model")
    beside = ("cache.safetensors", "identity.json")

    def report(progress) -> None:
        nonlocal most
        files = [path for path in (tmp_path / "subject").rglob("*") if path.is_file() and path.name not in beside]
        most = max(most, sum(path.stat().st_size for path in files))

    finetune_looks(pipeline, tiny_looks(), settings, tmp_path / "subject" / "tuned", report)
    counted = written_by_finetune(tmp_path / "model", settings)
    assert most < 1.3 * counted, "names and shapes are a part of so small files"
    assert counted < 2.2 * most, "the doubled state, and the result, are not seen between the steps"


@pytest.mark.parametrize("rank", [None, 4], ids=["full", "lora"])
def test_trained_weights_are_found_in_the_headers(tmp_path, rank):
    pipeline, settings = tiny_pipeline(), replace(SHORT, lora_rank=rank, decoder_steps=0)
    pipeline.to(torch.bfloat16).save_pretrained(tmp_path)
    trained = unet_to_train(pipeline.unet, settings, torch.device("cpu"), torch.float32).parameters()
    count = sum(each.numel() for each in trained if each.requires_grad)
    count += sum(each.numel() for each in pipeline.adapter.parameters())
    assert written_by_finetune(tmp_path, settings) == (2 * STATE + KEPT) * count


def test_a_film_of_a_large_model_is_refused_where_its_finetune_has_no_room(tmp_path, monkeypatch):
    Image.fromarray(draw_person()).save(tmp_path / "photo.png")
    usage, settings = shutil.disk_usage(tmp_path), AnimateSettings("catwalk", frames=4)
    finetune = written_by_finetune(PROFILES["mini"].folder, FinetuneSettings())
    given = client.ROOM_NEEDED + finetune // 2
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=given))
    with pytest.raises(BadInput, match="The disk is almost full"):
        client.submit_animate(Library(tmp_path), settings, photo=tmp_path / "photo.png")
    client.submit_animate(Library(tmp_path), replace(settings, finetuned=False), photo=tmp_path / "photo.png")


def test_the_training_pictures_of_every_photo_are_counted(tmp_path):
    folder, settings = PROFILES["mini"].folder, FinetuneSettings(crops=24, held_out=4)
    none, one, nine = (written_by_finetune(folder, settings, 512 * 640, photos) for photos in (0, 1, 9))
    assert 28 * 1.2e6 < one - none < 28 * 1.7e6
    assert nine - none == pytest.approx(9 * (one - none))
