"""The comparison with the released recipe at a tiny size: what it runs is what is told of that recipe, and it runs."""

import json
import math

import torch

from benchmarks.authors_recipe import Released
from benchmarks.gpu import main
from benchmarks.random_models import SIZES, build_model, scene
from benchmarks.spread import interval, ratio, rounds, timing


def test_the_released_recipe_does_what_is_told_of_it():
    size = SIZES["tiny"]
    model = build_model(size, torch.device("cpu"), torch.float32)
    calls = {"unet": [], "encoder": [], "decoder": [], "clip": []}
    vae, clip = model.vae, model.image_encoder
    parts = {"unet": model.unet, "encoder": vae.encoder, "decoder": vae.decoder, "clip": clip}
    for name, part in parts.items():
        part.register_forward_pre_hook(lambda _, given, name=name: calls[name].append(len(given[0]) if given else 1))
    released = Released(model, scene(size, 1)[0])
    frame = released.for_sampling().frame(4)
    assert frame.shape == (1, 3, size.height, size.width) and torch.isfinite(frame).all()
    assert calls == {"unet": [3] * 5, "encoder": [1] * 3, "decoder": [1], "clip": [1] * 2}

    for stage, step, wanted in (
        ("unet", released.unet_step, {"unet": [1], "encoder": [1, 1], "decoder": [], "clip": [1]}),
        ("decoder", released.decoder_step, {"unet": [], "encoder": [1], "decoder": [1], "clip": []}),
    ):
        for seen in calls.values():
            seen.clear()
        before = {name: part.state_dict()[key].clone() for name, part, key in _weights(model)}
        released.train_on(stage)
        step()
        assert calls == wanted
        now = {name: part.state_dict()[key] for name, part, key in _weights(model)}
        changed = {name for name, value in now.items() if not torch.equal(before[name], value)}
        assert changed == ({"unet", "adapter"} if stage == "unet" else {"decoder"})


def test_the_whole_comparison_at_the_least(tmp_path):
    options = "--size tiny --steps 1 --released-steps 2 --frames 2 --pictures 4 4 --repeats 1 --tunings lora"
    main([*options.split(), "--out", str(tmp_path / "results" / "gpu.json")])
    told = json.loads((tmp_path / "results" / "gpu.json").read_text())
    assert {"date", "machine", "size", "weights", "precision", "matrix_rate_tflops", "small_cards"} <= told.keys()
    frame, ours = told["released"]["frame"]["seconds"], told["ours"]["frame"]["seconds"]
    assert abs(told["ratios"]["frame"]["median"] - frame / ours) < 0.01 * frame / ours
    assert told["ours"]["subject"]["lora"]["steps"] == [2, 1]
    assert set(told["ratios"]) == {"frame", "frame_at_equal_steps", "subject_lora"}
    assert 0 < told["ours"]["frame"]["of_matrix_rate"] < 1
    assert told["released"]["frame"]["memory_gb"] > 0
    subject = told["released"]["subject"]
    steps = [told["released"][f"{stage}_step"]["seconds"] for stage in ("unet", "decoder")]
    assert abs(subject["seconds"] - 4 * sum(steps)) < 0.01 * subject["seconds"]
    assert 0 < told["share_of_threads"] < 1.5
    if not torch.cuda.is_available():
        assert told["small_cards"] == {"finetune": None, "sampling": None}  # there is no card to put a cap on


def test_works_are_measured_in_turn_and_their_spread_is_told():
    order, clock = [], iter(range(1, 100))

    def work(name: str, factor: int):
        def run() -> float:
            order.append(name)
            return factor * float(next(clock))

        return run

    took = rounds({"a": work("a", 10), "b": work("b", 1)}, 3)
    assert "".join(order) == "abbaab" and took == {"a": [10.0, 40.0, 50.0], "b": [2.0, 3.0, 6.0]}
    repeats = [3.0, 1.0, 2.0, 9.0, 2.0]
    assert timing(repeats) == {"seconds": 2.0, "quartiles": [2.0, 3.0], "all": repeats}
    slower = ratio(took["a"], took["b"])
    assert (slower["least"], slower["median"], slower["most"]) == (5.0, 50 / 6, 40 / 3)
    mean, half = interval([0.0, 1.0, 2.0, 3.0, float("nan")])
    assert mean == 1.5 and abs(half - 1.29099 / 2 * 3.18245) < 1e-4
    assert interval([4.0])[0] == 4.0 and math.isnan(interval([4.0])[1]) and math.isnan(interval([])[0])


def _weights(model):
    return (
        ("unet", model.unet, "conv_out.weight"),
        ("adapter", model.adapter, "linear1.weight"),
        ("decoder", model.vae, "decoder.conv_out.weight"),
        ("encoder", model.vae, "encoder.conv_in.weight"),
        ("clip", model.image_encoder, next(iter(model.image_encoder.state_dict()))),
    )
