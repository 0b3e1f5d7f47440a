"""What a finetune needs: the counts are near to what truly lives in memory, and what does not fit is refused."""

import re
from dataclasses import replace

import pytest
import torch

from benchmarks.memory import decoder_step, unet_step
from benchmarks.random_models import SIZES, build_model
from dreampose_core.finetune.budget import bytes_kept, finetune_need, matrix_rate, room_for_finetune
from dreampose_core.finetune.finetune import finetune_looks
from dreampose_core.finetune.trainable import unet_to_train, vae_to_train
from dreampose_core.finetune.tuning import TUNINGS, FinetuneSettings, has_eight_bit, tuning_of
from dreampose_core.memory import free_on
from pose_tools.errors import BadInput
from tests.dreampose_core.tiny import HEIGHT, WIDTH, tiny_looks, tiny_pipeline

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model():
    """Stable Diffusion's kind of networks, tiny."""
    return build_model(SIZES["tiny"], CPU, torch.float32)


@pytest.fixture(scope="module")
def full():
    """The full size without values."""
    return build_model(SIZES["full"], torch.device("meta"), torch.float32)


@pytest.mark.parametrize("rank", [None, 4])
@pytest.mark.parametrize("again", [False, True])
def test_a_steps_memory_is_what_the_budget_counts(model, rank, again):
    """Real tensors: what one more picture in the batch adds to the most that lives at once."""
    settings = FinetuneSettings(lora_rank=rank, gradient_checkpointing=again)
    most = []
    for batch in (8, 24):  # so many that what is kept outweighs gradients
        network = unet_to_train(model.unet, settings, CPU, torch.float32)
        most.append(unet_step(network, model.adapter.config.tokens, 32, (8, 8), batch, False).most)
    said = bytes_kept(model.unet, (8, 8), rank is not None, again, torch.float32)
    assert 0.6 < said / ((most[1] - most[0]) / 16) < 1.7


def test_the_decoders_memory_is_what_the_budget_counts(model):
    most = []
    for batch in (1, 3):
        network = vae_to_train(model.vae, FinetuneSettings(), CPU, torch.float32)
        most.append(decoder_step(network, (8, 8), batch, False).most)
    said = bytes_kept(model.vae.decoder, (8, 8), False, False, torch.float32)
    assert 0.6 < said / ((most[1] - most[0]) / 2) < 1.7


def test_the_full_size_within_known_bounds(full):
    """A float32 finetune of all weights took users 32 GB as released, and 16 GB with what saves memory; 12 GB are to
    be enough for the small tuning, with the model itself."""
    loaded = sum(p.numel() * 4 for part in (full.unet, full.vae, full.image_encoder) for p in part.parameters())
    need = {name: finetune_need(full, tuning, 640, 512) for name, tuning in TUNINGS.items()}
    assert need["small"].bytes + loaded < 12e9
    assert need["small"].bytes < need["lora"].bytes < need["full"].bytes
    one = replace(TUNINGS["full"], batch=1)
    assert 15e9 < finetune_need(full, one, 640, 512).bytes + loaded < 40e9
    eight_bit = replace(one, eight_bit=True)
    assert finetune_need(full, eight_bit, 640, 512).bytes < 0.8 * finetune_need(full, one, 640, 512).bytes
    assert 0.8 < need["lora"].finetune_flops / (2 * 2 * 1.04e12) < 1.2  # one pass of a picture: 1.04 TFLOP


def whole(module: torch.nn.Module) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in module.parameters())


def test_a_finetune_with_offload_keeps_on_the_card_what_is_at_work(tmp_path, monkeypatch):
    """One device stands for both; who was sent where is written down, and the outcome is the same."""
    settings = FinetuneSettings(
        steps=4, decoder_steps=2, batch=1, decoder_batch=1, crops=2, held_out=1, window=4,
        preview_every=1, preview_steps=1, lora_rank=2,
    )  # fmt: skip
    plain = finetune_looks(tiny_pipeline(), tiny_looks(), settings, tmp_path / "plain")
    model, real, there, most = tiny_pipeline(), torch.nn.Module.to, {}, []

    def to(module, *where, **options):
        if where == (torch.device("cpu", 0),):
            there[id(module)] = type(module).__name__
            most.append(set(there.values()))
        elif where == ("cpu",):
            there.pop(id(module), None)
        return real(module, *where, **options)

    model.offload("cpu")
    model._card = torch.device("cpu", 0)
    for part in model.components.values():
        if isinstance(part, torch.nn.Module):
            monkeypatch.setattr(type(part), "to", to)
    stays = []
    keep = type(model).keep_at_work

    def noted(self, *parts):
        keep(self, *parts)
        stays.append(self._stays)

    monkeypatch.setattr(type(model), "keep_at_work", noted)
    offloaded = finetune_looks(model, tiny_looks(), settings, tmp_path / "offloaded")
    assert stays == [{"unet", "adapter"}, {"vae"}]
    assert all(len(names) == 1 for names in most) and not there, "one waiting part at a time"
    assert {name for names in most for name in names} >= {"AutoencoderKL", "UNet2DConditionModel", "CLIPVisionModel"}
    for part in ("unet", "adapter", "vae"):
        pairs = zip(getattr(plain, part).parameters(), getattr(offloaded, part).parameters(), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs)


def test_offload_is_counted(full, monkeypatch):
    """What waits in the machine's memory is not counted, what is copied to the card is."""
    loaded = sum(whole(part) for part in (full.unet, full.vae, full.image_encoder, full.adapter))
    for tuning in TUNINGS.values():
        here, away = (finetune_need(full, tuning, 640, 512, offloaded=way) for way in (False, True))
        assert away.bytes < here.bytes + loaded
        assert away.finetune >= here.finetune and away.encoding > here.encoding
        assert away.finetune - here.finetune < 1.2 * (whole(full.unet) + whole(full.vae))
    away = finetune_need(full, TUNINGS["small"], 640, 512, offloaded=True)
    assert away.finetune > whole(full.unet) and away.decoder > whole(full.vae)
    monkeypatch.setattr(full, "_card", CPU)
    assert finetune_need(full, TUNINGS["small"], 640, 512) == away


def test_the_memory_and_the_time_are_said_first(tmp_path):
    settings, events = FinetuneSettings(steps=1, decoder_steps=0, batch=1, crops=1, held_out=1), []
    finetune_looks(tiny_pipeline(), tiny_looks(), settings, tmp_path / "tuned", events.append, seconds=300)
    said = r"The finetune takes about 5 minutes, in \d+\.\d of \d+\.\d GB of free memory"
    assert re.fullmatch(said, events[0].message)
    assert events[0].step == 0 and events[0].loss is None
    assert "about 1 s," in room_for_finetune(tiny_pipeline(), settings, HEIGHT, WIDTH)
    assert matrix_rate("cpu") > 1e8


def test_too_little_memory_is_one_sentence_with_what_would_fit(tmp_path):
    """A batch that no machine has memory for."""
    settings = FinetuneSettings(batch=10**9, decoder_batch=1)
    with pytest.raises(BadInput) as refused:
        finetune_looks(tiny_pipeline(), tiny_looks(), settings, tmp_path / "tuned")
    sentence = str(refused.value)
    assert re.fullmatch(
        r"The finetune needs about [\d.]+ GB of memory and [\d.]+ GB are free; with LoRA, gradient checkpointing and "
        r'one picture a step \(the tuning "small"\) it would need \d+\.\d GB\.',
        sentence,
    )
    needed, free = (float(number) for number in re.findall(r"([\d.]+) GB", sentence)[:2])
    assert needed > free and free == pytest.approx(free_on(CPU) / 1e9, rel=0.5)
    assert list(tmp_path.iterdir()) == []


def test_the_least_loss_is_offered(full):
    """Where gradient checkpointing alone is enough, nothing more is asked for."""
    free = free_on(CPU)
    batch = int(1.5 * free / bytes_kept(full.unet, (80, 64), True, False, torch.float32))
    settings = replace(TUNINGS["lora"], batch=batch, decoder_batch=1)
    with pytest.raises(BadInput, match=r"; with gradient checkpointing it would need"):
        room_for_finetune(full, settings, 640, 512)
    with pytest.raises(BadInput, match="even its smallest settings would need .* please close other programs"):
        room_for_finetune(full, settings, 64000, 51200)


@pytest.mark.skipif(has_eight_bit(), reason="bitsandbytes is installed")
def test_8_bit_adam_without_its_package(tmp_path):
    with pytest.raises(BadInput, match="pip install bitsandbytes"):
        finetune_looks(tiny_pipeline(), tiny_looks(), FinetuneSettings(eight_bit=True), tmp_path / "tuned")
    assert list(tmp_path.iterdir()) == []


def test_tunings_by_name():
    assert tuning_of("mini") == FinetuneSettings()
    assert tuning_of("dreampose-sd1").lora_rank == 16
    assert tuning_of("mini", "full").lora_rank is None
    with pytest.raises(BadInput, match="there are: lora, small, full"):
        tuning_of("mini", "huge")
