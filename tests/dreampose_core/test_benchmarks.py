"""The comparison with the released recipe at a tiny size: what it runs is what is told of that recipe, and it runs."""

import json

import torch

from benchmarks.authors_recipe import Released
from benchmarks.gpu import SIZES, build_model, main, scene


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
    assert abs(told["ratios"]["frame"] - frame / ours) < 0.01 * frame / ours
    assert told["ours"]["subject"]["lora"]["steps"] == [2, 1]
    assert set(told["ratios"]) == {"frame", "frame_at_equal_steps", "subject_lora"}
    assert 0 < told["ours"]["frame"]["of_matrix_rate"] < 1
    assert told["released"]["frame"]["memory_gb"] > 0
    if not torch.cuda.is_available():
        assert told["small_cards"] == {"finetune": None, "sampling": None}  # there is no card to put a cap on


def _weights(model):
    return (
        ("unet", model.unet, "conv_out.weight"),
        ("adapter", model.adapter, "linear1.weight"),
        ("decoder", model.vae, "decoder.conv_out.weight"),
        ("encoder", model.vae, "encoder.conv_in.weight"),
        ("clip", model.image_encoder, next(iter(model.image_encoder.state_dict()))),
    )
