"""The measures against hand-made cases, and SSIM against its formula window by window."""

import numpy as np
import pytest

from dreampose_core.evaluation import metrics


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 256, (2, 24, 20, 3), dtype=np.uint8)
    noise = rng.integers(-40, 41, truth.shape)
    return np.clip(truth + noise, 0, 255).astype(np.uint8), truth


def test_l1_and_psnr_of_a_known_difference():
    truth = np.full((3, 16, 16, 3), 0.5)
    pictures = truth + np.array([0.0, 0.1, -0.2])[:, None, None, None]
    np.testing.assert_allclose(metrics.l1(pictures, truth), [0, 0.1, 0.2])
    values = metrics.psnr(pictures, truth)
    assert values[0] == np.inf
    np.testing.assert_allclose(values[1:], [20.0, -20 * np.log10(0.2)])


def test_uint8_and_float_agree(pair):
    pictures, truth = pair
    for measure in (metrics.l1, metrics.psnr, metrics.ssim):
        np.testing.assert_allclose(measure(pictures, truth), measure(pictures / 255, truth / 255))


def test_a_mask_leaves_out_what_it_hides(pair):
    _, truth = pair
    broken = truth.copy()
    broken[:, :, :4] = 255 - broken[:, :, :4]
    mask = np.zeros(truth.shape[:3], bool)
    mask[:, :, 10:] = True
    assert (metrics.l1(broken, truth) > 0.05).all()
    assert (metrics.l1(broken, truth, mask) == 0).all()
    assert (metrics.psnr(broken, truth, mask) == np.inf).all()
    np.testing.assert_allclose(metrics.ssim(broken, truth, mask), 1)
    assert (metrics.l1(broken, truth, ~mask) > metrics.l1(broken, truth)).all()
    assert np.isnan(metrics.l1(broken, truth, np.zeros_like(mask))).all()


def test_ssim_is_the_formula_of_every_whole_window(pair):
    pictures, truth = pair
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    window = (window / window.sum())[:, :, None]
    for picture, true, value in zip(pictures / 255, truth / 255, metrics.ssim(pictures, truth), strict=True):
        windows = []
        for y in range(24 - 10):
            for x in range(20 - 10):
                a, b = picture[y : y + 11, x : x + 11], true[y : y + 11, x : x + 11]
                ma, mb = (window * a).sum((0, 1)), (window * b).sum((0, 1))
                va, vb = (window * (a - ma) ** 2).sum((0, 1)), (window * (b - mb) ** 2).sum((0, 1))
                ab = (window * (a - ma) * (b - mb)).sum((0, 1))
                windows.append(
                    (2 * ma * mb + 1e-4) * (2 * ab + 9e-4) / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4))
                )
        np.testing.assert_allclose(value, np.mean(windows), rtol=1e-9)


def test_ssim_of_equal_pictures_is_one_and_small_ones_are_refused(pair):
    np.testing.assert_allclose(metrics.ssim(pair[1], pair[1]), 1)
    with pytest.raises(ValueError):
        metrics.ssim(pair[0][:, :10], pair[1][:, :10])
    with pytest.raises(ValueError):
        metrics.ssim(pair[0], pair[1][:1])


def test_flicker_sees_unsteady_light_but_not_an_even_fade():
    fade = np.linspace(0, 1, 8)[:, None, None, None] * np.ones((8, 6, 6, 3))
    assert metrics.flicker(fade) < 1e-12
    unsteady = 0.5 + 0.1 * (-1.0) ** np.arange(8)[:, None, None, None] * np.ones((8, 6, 6, 3))
    assert metrics.flicker(unsteady) == pytest.approx(0.4)
    assert metrics.flicker(unsteady[:2]) == 0
    mask = np.zeros((8, 6, 6))
    mask[:, :3] = 1
    half = unsteady.copy()
    half[:, 3:] = 0.5
    assert metrics.flicker(half, mask) == pytest.approx(0.4)


def test_compare_names_every_measure(pair):
    means = metrics.compare(*pair, mask=np.ones(pair[0].shape[:3]))
    assert set(means) == {f"{m}{s}" for m in ("l1", "psnr", "ssim") for s in ("", "_masked")}
    assert means["l1"] == pytest.approx(means["l1_masked"])


def test_likeness_of_some_places_knows_nothing_of_the_others():
    rng = np.random.default_rng(0)
    truth = rng.uniform(size=(2, 8, 8, 3))
    texels = np.broadcast_to(np.arange(64).reshape(8, 8), (2, 8, 8))
    cells = np.arange(64) // 16
    clip = truth.copy()
    clip[:, 4:] = 0.5
    left, right = np.arange(64) < 32, np.arange(64) >= 32
    assert metrics.likeness(clip, truth, texels, cells, left) == (0, 0)
    half = metrics.likeness(clip, truth, texels, cells, right)
    assert metrics.likeness(clip, truth, texels, cells) == pytest.approx(tuple(value / 2 for value in half))
    assert np.isnan(metrics.likeness(clip, truth, texels, cells, left & right)).all()
