"""The subject finetune with real classes at a tiny size: it learns, does no harm, survives kills."""

import hashlib
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dreampose_core.encoding import fast_math
from dreampose_core.finetune.crops import Crop, apply_crop, draw_crops, look_of_crop, looks_of
from dreampose_core.finetune.finetune import FinetuneSettings, finetune_looks, finetune_subject
from dreampose_core.finetune.subject_cache import build_cache, hide_parts
from dreampose_core.finetune.trainable import unet_to_train, vae_to_train
from dreampose_core.finetune.tuning import has_eight_bit
from dreampose_core.progress import Cancelled
from dreampose_core.weights.checkpoints import load_tuned, read_tuned
from pose_tools.body.charts import mirror_iuv
from tests.dreampose_core.tiny import tiny_carried, tiny_looks, tiny_photo, tiny_pipeline, tiny_poses

ROOT = Path(__file__).parents[2]
SETTINGS = FinetuneSettings(
    steps=6,
    decoder_steps=4,
    learning_rate=3e-3,
    decoder_rate=3e-3,
    batch=2,
    decoder_batch=2,
    crops=4,
    held_out=2,
    evaluate_every=2,
    checkpoint_every=2,
    preview_every=3,
    preview_steps=1,
)
RUN = """
import os, signal, sys
from pathlib import Path
from dreampose_core.finetune.finetune import finetune_looks
from tests.dreampose_core.test_finetune import SETTINGS
from tests.dreampose_core.tiny import tiny_looks, tiny_pipeline

def report(progress):
    if (progress.stage, progress.step) == (sys.argv[2], int(sys.argv[3])):
        os.kill(os.getpid(), signal.SIGKILL)

finetune_looks(tiny_pipeline(), tiny_looks(), SETTINGS, Path(sys.argv[1]), report)
"""


def weights(folder: Path) -> dict[str, str]:
    """A digest of every file."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The finished folder of an undisturbed run, and its events."""
    folder = tmp_path_factory.mktemp("undisturbed") / "mini"
    events = []
    finetune_looks(tiny_pipeline(), tiny_looks(), SETTINGS, folder, events.append)
    return folder, events


def test_both_stages_learn_and_the_result_is_a_small_folder(undisturbed):
    folder, events = undisturbed
    info = read_tuned(folder).info
    for stage in ("finetune", "decoder"):
        scores = [score for _, score in info["stages"][stage]["scores"]]
        assert min(scores[1:]) < scores[0]
    assert sorted(path.name for path in folder.iterdir()) == [
        "adapter.safetensors",
        "finished.json",
        "unet.safetensors",
        "vae.safetensors",
    ]
    assert not folder.with_name(".mini.work").exists()


def test_events_tell_steps_losses_and_samples(undisturbed):
    _, events = undisturbed
    for stage, steps in (("finetune", SETTINGS.steps), ("decoder", SETTINGS.decoder_steps)):
        mine = [event for event in events if event.stage == stage and event.loss is not None]
        assert [event.step for event in mine] == list(range(1, steps + 1))
        assert all(np.isfinite(event.loss) for event in mine)
        samples = [event.preview for event in mine if event.preview is not None]
        assert len(samples) == 2 and samples[0].shape == tiny_photo().shape
        assert (samples[0] != samples[1]).any()


def test_the_tuned_pipeline_differs_and_the_given_one_stays(undisturbed):
    folder, _ = undisturbed
    base = tiny_pipeline()
    before = {
        part: {k: v.clone() for k, v in getattr(base, part).state_dict().items()} for part in ("unet", "vae")
    }
    tuned = finetune_looks(base, tiny_looks(), SETTINGS, folder.with_name("again"))
    for part, state in before.items():
        assert all(
            torch.equal(value, state[name]) for name, value in getattr(base, part).state_dict().items()
        )
    assert tuned.image_encoder is base.image_encoder and tuned.refiner is base.refiner
    inputs, options = (tiny_photo(), tiny_poses(2), tiny_carried(2)), {"num_inference_steps": 2}
    made = tuned(*inputs, **options)
    assert (made != base(*inputs, **options)).any()
    assert (made == load_tuned(base, folder)(*inputs, **options)).all()


@pytest.mark.parametrize(
    ("stage", "step"), [("finetune", 0), ("finetune", 3), ("finetune", 6), ("decoder", 1)]
)
def test_a_cancelled_run_goes_on_to_the_same_weights(undisturbed, tmp_path, stage, step):
    def cancel(progress):
        if (progress.stage, progress.step) == (stage, step):
            raise Cancelled

    with pytest.raises(Cancelled):
        finetune_looks(tiny_pipeline(), tiny_looks(), SETTINGS, tmp_path / "mini", cancel)
    assert not (tmp_path / "mini").exists()
    seen = []
    finetune_looks(tiny_pipeline(), tiny_looks(), SETTINGS, tmp_path / "mini", seen.append)
    assert weights(tmp_path / "mini") == weights(undisturbed[0])
    if stage == "decoder":
        assert not any(
            event.loss for event in seen if event.stage == "finetune"
        )  # that stage was not run again


def test_a_killed_process_goes_on_to_the_same_weights(undisturbed, tmp_path):
    arguments = [sys.executable, "-c", RUN, str(tmp_path / "mini")]
    for place in (("finetune", "5"), ("decoder", "3")):
        killed = subprocess.run([*arguments, *place], cwd=ROOT, capture_output=True, timeout=600)
        assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-2000:]
        assert not (tmp_path / "mini").exists()
    finetune_looks(tiny_pipeline(), tiny_looks(), SETTINGS, tmp_path / "mini")
    assert weights(tmp_path / "mini") == weights(undisturbed[0])


def test_what_is_finished_is_not_done_again(undisturbed):
    folder, _ = undisturbed
    events = []
    finetune_looks(tiny_pipeline(), tiny_looks(), SETTINGS, folder, events.append)
    assert events == []


def test_other_settings_start_anew(undisturbed, tmp_path):
    def cancel(progress):
        if progress.step == 4:
            raise Cancelled

    with pytest.raises(Cancelled):
        finetune_looks(tiny_pipeline(), tiny_looks(), SETTINGS, tmp_path / "mini", cancel)
    events = []
    finetune_looks(tiny_pipeline(), tiny_looks(), replace(SETTINGS, seed=1), tmp_path / "mini", events.append)
    steps = [event.step for event in events if event.stage == "finetune" and event.loss is not None]
    assert steps == [
        1,
        2,
        3,
        4,
        5,
        6,
    ]
    assert weights(tmp_path / "mini") != weights(undisturbed[0])


@pytest.mark.parametrize("rate", [30.0, 1e30])
def test_a_finetune_that_does_not_help_changes_nothing(tmp_path, rate):
    """At absurd rates every score is worse, or nothing is a number any more: the stage ends early."""
    base = tiny_pipeline()
    events = []
    settings = replace(SETTINGS, steps=20, learning_rate=rate, decoder_rate=rate, decoder_steps=20)
    tuned = finetune_looks(base, tiny_looks(), settings, tmp_path / "mini", events.append)
    assert read_tuned(tmp_path / "mini").changes == {}
    assert max(event.step for event in events if event.stage == "finetune") < 20
    inputs, options = (tiny_photo(), tiny_poses(2), tiny_carried(2)), {"num_inference_steps": 2}
    assert (tuned(*inputs, **options) == base(*inputs, **options)).all()


def test_low_rank_factors(tmp_path):
    base = tiny_pipeline()
    settings = replace(SETTINGS, lora_rank=2, steps=12, learning_rate=1e-2, decoder_steps=0)
    tuned = finetune_looks(base, tiny_looks(), settings, tmp_path / "lora")
    changes = read_tuned(tmp_path / "lora").changes
    assert set(changes) == {"unet", "adapter"}
    assert {name.rsplit(".", 1)[1] for name in changes["unet"]} == {"down", "up", "weight", "bias"}
    assert {name for name in changes["unet"] if name.endswith((".weight", ".bias"))} == {
        "conv_in.weight",
        "conv_in.bias",
    }
    layer = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight"
    difference = tuned.unet.get_parameter(layer) - base.unet.get_parameter(layer)
    assert torch.linalg.matrix_rank(difference.detach(), tol=1e-6) == 2
    assert set(tuned.unet.state_dict()) == set(base.unet.state_dict())


def test_frozen_weights_are_shared_and_the_given_ones_stay():
    base = tiny_pipeline()
    base.unet.requires_grad_(False)
    before = {name: value.clone() for name, value in base.unet.state_dict().items()}
    made = unet_to_train(base.unet, replace(SETTINGS, lora_rank=2), torch.device("cpu"), torch.float32)
    own = dict(base.unet.named_parameters())
    for name, parameter in made.named_parameters():
        known = own.get(name.replace(".base_layer", ""))
        trained = ".lora_" in name or name.startswith("conv_in.")
        assert parameter.requires_grad == trained and parameter.dtype == torch.float32
        if not trained:
            assert parameter.data_ptr() == known.data_ptr()
    assert not any(parameter.requires_grad for parameter in base.unet.parameters())
    assert all(torch.equal(value, before[name]) for name, value in base.unet.state_dict().items())


@pytest.mark.parametrize("rank", [None, 2])
def test_gradient_checkpointing_gives_the_same_gradients(rank):
    """Of every trained weight, from a batch through UNet and decoder; and it does compute anew."""
    base, gradients, calls = tiny_pipeline(), [], []
    for again in (False, True):
        settings = replace(SETTINGS, lora_rank=rank, gradient_checkpointing=again)
        unet = unet_to_train(base.unet, settings, torch.device("cpu"), torch.float32)
        vae = vae_to_train(base.vae, settings, torch.device("cpu"), torch.float32)
        calls.append(0)
        for block in (unet.up_blocks[0].resnets[0], vae.decoder.up_blocks[0].resnets[0]):
            block.register_forward_pre_hook(lambda *_: calls.__setitem__(-1, calls[-1] + 1))
        draw = torch.Generator().manual_seed(0)
        planes, tokens = torch.randn(2, 19, 8, 6, generator=draw), torch.randn(2, 17, 16, generator=draw)
        made = unet(planes, torch.tensor([3, 700]), tokens, return_dict=False)[0]
        (made.square().mean() + vae.decode(made.detach(), return_dict=False)[0].square().mean()).backward()
        parameters = [*unet.named_parameters(), *vae.named_parameters()]
        gradients.append({name: each.grad for name, each in parameters if each.requires_grad})
    assert calls == [2, 4]
    assert gradients[0].keys() == gradients[1].keys() and len(gradients[0]) > 20
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("stage", ["finetune", "decoder"])
@pytest.mark.parametrize("eight_bit", [False, True])
def test_a_cancelled_run_goes_on_whatever_the_settings(tmp_path, stage, eight_bit):
    """Low-rank factors, gradient checkpointing, two photos, 8-bit averages: the very same weights."""
    if eight_bit and not has_eight_bit():
        pytest.skip("bitsandbytes is not installed")
    settings = replace(SETTINGS, lora_rank=2, gradient_checkpointing=True, eight_bit=eight_bit, crops=2, held_out=1)
    looks = two_photos()

    def cancel(progress):
        if (progress.stage, progress.step) == (stage, 3):
            raise Cancelled

    with pytest.raises(Cancelled):
        finetune_looks(tiny_pipeline(), looks, settings, tmp_path / "cut" / "mini", cancel)
    for folder in ("cut", "whole"):
        finetune_looks(tiny_pipeline(), looks, settings, tmp_path / folder / "mini")
    assert weights(tmp_path / "cut" / "mini") == weights(tmp_path / "whole" / "mini")
    scores = read_tuned(tmp_path / "whole" / "mini").info["stages"]["finetune"]["scores"]
    assert min(score for _, score in scores[1:]) < scores[0][1]


def two_photos():
    """Looks of two photos of one person, the second one darker."""
    main, moving = tiny_looks()
    return [main, replace(moving, photo=(moving.photo * 0.6).astype(np.uint8), of=1)]


def test_several_photos_are_seen_and_learned(tmp_path):
    base, looks = tiny_pipeline(), two_photos()
    cache = build_cache(base, looks, 8, 0, lambda: None)
    assert cache.photos == 2 and len(cache.latents) == 8
    for row, (look, flip) in enumerate([(0, False), (1, False), (0, True), (1, True)]):
        photo = looks[look].photo[:, ::-1] if flip else looks[look].photo
        with fast_math(torch.device("cpu")):
            code = base.encode_photo(photo)
        torch.testing.assert_close(cache.clip[row], code.clip[0].float(), rtol=1e-4, atol=1e-4)
    brightness = cache.pictures.float().mean((1, 2, 3))
    dark = brightness < brightness.mean()
    assert dark.tolist().count(True) == 4 and len(set(zip(dark.tolist(), cache.flip.tolist(), strict=True))) == 4
    both = finetune_looks(base, looks, SETTINGS, tmp_path / "both")
    one = finetune_looks(base, looks[:1] * 2, SETTINGS, tmp_path / "one")
    options = {"num_inference_steps": 2}
    inputs = tiny_photo(), tiny_poses(1), tiny_carried(1)
    assert (both(*inputs, **options) != one(*inputs, **options)).any()


def test_a_model_in_half_precision_can_be_tuned(tmp_path):
    base = tiny_pipeline(carried=False, refiner=False)
    for part in (base.unet, base.vae, base.adapter, base.image_encoder):
        torch.nn.Module.to(part, torch.bfloat16)
    tuned = finetune_looks(base, [replace(look, carried=None) for look in tiny_looks()], SETTINGS, tmp_path / "mini")
    scores = [score for _, score in read_tuned(tmp_path / "mini").info["stages"]["finetune"]["scores"]]
    assert min(scores[1:]) < scores[0]
    assert tuned.unet.dtype == torch.float16  # finer, so that the changes are not lost
    assert not torch.equal(tuned.unet.conv_in.weight.float(), base.unet.conv_in.weight.float())


@pytest.mark.parametrize("velocity", [True, False])
def test_the_papers_model_can_be_tuned(tmp_path, velocity):
    """No carried picture, no refiner; raw photo values; noise or velocity predictions."""
    base = tiny_pipeline(carried=False, refiner=False, velocity=velocity)
    looks = [replace(look, carried=None) for look in tiny_looks()]
    finetune_looks(base, looks, SETTINGS, tmp_path / "mini")
    scores = [score for _, score in read_tuned(tmp_path / "mini").info["stages"]["finetune"]["scores"]]
    assert min(scores[1:]) < scores[0]


def test_crops_move_photo_and_charts_together():
    look = tiny_looks()[0]
    for crop in (Crop(1.0, 0.0, (0.0, 0.0), False), Crop(1.0, 0.0, (0.0, 0.0), True)):
        made = apply_crop(look, crop)
        expected = (lambda a: a[:, ::-1]) if crop.flip else (lambda a: a)
        assert (made.photo == expected(look.photo)).all() and (
            made.carried.picture == expected(look.photo)
        ).all()
        assert (made.charts[2] == (mirror_iuv(look.charts[2]) if crop.flip else look.charts[2])).all()
    for crop in draw_crops(12, seed=3)[1:]:
        made = apply_crop(look, crop)
        person = made.charts[2, ..., 0] > 0
        assert np.abs(person - made.mask).mean() < 0.03  # but for the nearest pixel's rounding
        assert (made.carried.iuv == made.charts[2]).all()
    assert [crop.flip for crop in draw_crops(4, seed=3)] == [False, True, False, True]
    for looks in (1, 2, 3, 4):  # every look is seen flipped and not
        seen = {(look_of_crop(index, looks), crop.flip) for index, crop in enumerate(draw_crops(4 * looks, seed=3))}
        assert len(seen) == 2 * looks


def test_hidden_parts_look_unseen_and_the_rest_stays():
    carried = torch.randn(200, 5, 8, 6)
    carried[:, 4] = 0.7
    draw = torch.Generator().manual_seed(0)
    made = hide_parts(carried, 0.5, draw)
    hidden = made[:, 4] < 0.5
    rows = hidden.flatten(1).any(1)
    assert 0.35 < rows.float().mean() < 0.65
    assert 0.02 < hidden[rows].float().mean() < 0.6
    kept = ~hidden[:, None].expand_as(made)
    assert torch.equal(made[kept], carried[kept])
    assert made[:, :4][hidden[:, None].expand(-1, 4, -1, -1)].std() < 0.5
    assert torch.equal(hide_parts(carried, 0.0, draw), carried)


@pytest.fixture(scope="module")
def subject():
    """A drawn body as a subject: half the time is saved by not looking for one in a picture."""
    from dreampose_core.subject import Subject
    from pose_tools.body.camera import Camera
    from pose_tools.body.figure import Pose, load_figure
    from pose_tools.body.fit import FittedBody
    from pose_tools.body.raster import draw_iuv

    figure = load_figure()
    shape, camera = np.zeros(len(figure.modes)), Camera(scale=120.0, cx=64.0, cy=220.0, width=128, height=256)
    charts = draw_iuv(figure, shape, Pose.rest(), camera)
    photo = np.full((256, 128, 3), 200, np.uint8)
    photo[charts[..., 0] > 0] = (charts[charts[..., 0] > 0] // 2) + 40
    body = FittedBody(shape=shape, pose=Pose.rest(), camera=camera, overlap=1.0, error_px=0.0)
    return Subject(photo, (charts[..., 0] > 0).astype(np.float32), body, charts)


def test_looks_of_a_subject(subject):
    from dreampose_core.carry import make_sheet

    sheet = make_sheet(subject.photo, subject.mask, subject.body)
    looks = looks_of(subject, sheet, 2, seed=0)
    again = looks_of(subject, sheet, 2, seed=0)
    assert all((a.charts == b.charts).all() for a, b in zip(looks, again, strict=True))
    assert (looks[0].charts == subject.charts).all()
    assert (looks[1].charts[2] == subject.charts).all() and (looks[1].charts[0] != subject.charts).any()
    apart = np.abs(looks[1].carried.picture.astype(int) - looks[0].carried.picture).mean()
    assert 0.1 < apart < 20
    assert looks_of(subject, None, 1, seed=0)[0].carried is None


def test_a_subject_is_tuned_from_photo_and_sheet(subject, tmp_path):
    """The whole way, at the tiny model's size of pictures."""
    import cv2

    from dreampose_core.carry import make_sheet
    from dreampose_core.subject import Subject
    from pose_tools.body.figure import load_figure
    from pose_tools.body.raster import draw_iuv
    from tests.dreampose_core.tiny import HEIGHT, WIDTH

    body = replace(
        subject.body, camera=replace(subject.body.camera, scale=30.0, cx=24.0, cy=55.0, width=48, height=64)
    )
    charts = draw_iuv(load_figure(), body.shape, body.pose, body.camera)
    photo = cv2.resize(subject.photo, (WIDTH, HEIGHT))
    small = Subject(photo, (charts[..., 0] > 0).astype(np.float32), body, charts)
    base = tiny_pipeline()
    sheet = make_sheet(small.photo, small.mask, body)
    tuned = finetune_subject(base, small, sheet, replace(SETTINGS, looks=2), tmp_path / "mini")
    assert read_tuned(tmp_path / "mini").info["stages"]["finetune"]["best_step"] > 0
    assert tuned is not base
