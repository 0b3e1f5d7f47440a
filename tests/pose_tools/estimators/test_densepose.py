"""DensePose in plain PyTorch against the official program, on weights that a formula makes.

The arrays come from detectron2 with its DensePose project (densepose_rcnn_R_50_FPN_s1x, CPU, float32). They are read
from the folder in DENSEPOSE_GOLDEN, or else from tests/data/golden, and every array that is there is checked. Names:
feat_*, featstat_* (mean, deviation, largest magnitude), proposal_* (the first 50), box_*, dp_*: what the network
computes, thinned out; iuvN_*: the charts of box N of `boxes`; det_*: what it finds. A name that begins with det800_
is of the same picture through the test-time resize, in pixels of the picture unless it has the boxes that vanish there.
"""

import json
import math
import os
import re
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pose_tools.errors import BadInput
from pose_tools.estimators.densepose import DensePose, convert
from pose_tools.estimators.densepose.boxes import clip, decode, filled, pool_levels, roi_align, suppress
from pose_tools.estimators.densepose.config import CONFIGS
from pose_tools.estimators.densepose.convert import charts_in_box, whole_box
from pose_tools.estimators.densepose.estimator import in_frame, load_densepose, people_found
from pose_tools.estimators.densepose.heads import Charts
from pose_tools.estimators.densepose.model import bgr_input, empty, input_size, with_weights
from pose_tools.estimators.densepose.proposals import anchor_boxes
from pose_tools.estimators.found import Unavailable

KEPT = Path(__file__).parents[2] / "data" / "golden"
GOLDEN = Path(os.environ.get("DENSEPOSE_GOLDEN") or KEPT)
TOLERANCE = 1e-3  # of the largest value
EQUAL = 0.999  # part of the pixels with the same label
R_50 = CONFIGS["R_50_FPN_s1x"]
INPUTS = ("image_bgr", "boxes")
ARRAYS = {}
for _path in sorted(GOLDEN.glob("densepose*.npz")):
    with np.load(_path) as _data:
        ARRAYS |= {name: _data[name] for name in _data.files}


def formula(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The weights of a tensor, which depend on its name and shape alone."""
    n = np.random.RandomState(zlib.crc32(name.encode()) & 0xFFFFFFFF).standard_normal(shape).astype(np.float32)
    if name.endswith("running_var"):
        n = 1 + 0.1 * np.abs(n)
    elif name.endswith("norm.weight"):
        n = 1 + 0.05 * n
    elif name.endswith(("running_mean", "norm.bias")):
        n = 0.05 * n
    elif n.ndim >= 2:
        n = n / np.sqrt(np.prod(shape[1:]))
    else:
        n = 0.02 * n
    return torch.from_numpy(n.astype(np.float32))


def nearness(made: torch.Tensor | np.ndarray, golden: np.ndarray) -> float:
    """The largest difference, relative to the largest golden value."""
    golden = golden.astype(np.float64)
    return float(np.abs(np.asarray(made, np.float64) - golden).max() / np.abs(golden).max())


@pytest.fixture(scope="module")
def model():
    wanted = {name: tuple(tensor.shape) for name, tensor in empty(R_50).state_dict().items()}
    return with_weights(R_50, {name: formula(name, shape) for name, shape in wanted.items()})


@torch.inference_mode()
def computed(model, picture: torch.Tensor, frame: tuple[int, int]) -> dict[str, np.ndarray]:
    """What the golden file has of a picture: the network's input uint8 (3, h, w), from a frame of size (H, W)."""
    size = tuple(picture.shape[1:])
    levels = model.backbone(model.batch([picture]))
    boxes, logits = model.proposal_generator(levels, size)
    made = {"resized_shape": np.array((*size, len(picture)))}
    made |= {"proposal_boxes": boxes[:50], "proposal_logits": logits[:50]}
    for number, level in enumerate(levels, start=2):
        made[f"feat_p{number}"] = level[0, ::16, ::4, ::4]
        made[f"featstat_p{number}"] = torch.stack((level.mean(), level.std(), level.abs().max()))
    found, scores = model.roi_heads.detect(levels, boxes, size)
    made |= {"raw_boxes": found, "raw_scores": scores, "raw_classes": torch.zeros(len(found))}
    whole = filled(in_frame(found, size, frame))
    found = found[whole]
    made |= {
        "det_boxes": in_frame(found, size, frame),
        "det_scores": scores[whole],
        "det_classes": torch.zeros(len(found)),
    }
    decoded = model.roi_heads.decoder(levels)
    made["dp_decoder"] = decoded[0, ::16, ::4, ::4]
    rows = torch.from_numpy(ARRAYS["boxes"])
    made["box_pooled"] = pool_levels(levels[:4], rows, R_50.box_bins)[:, ::16]
    made["box_scores"], made["box_deltas"] = model.roi_heads.judge(levels, rows)
    made["dp_pooled"] = roi_align(decoded, rows, 4, R_50.chart_bins)[:, ::16, ::2, ::2]
    charts = model.roi_heads.charts(decoded, rows)
    for name, planes in zip(("coarse_segm", "fine_segm", "u", "v"), planes_of(charts), strict=True):
        made[f"dp_{name}"] = planes[:, :, ::4, ::4]
    made |= charts_of(charts, rows, "iuv")
    made |= charts_of(model.roi_heads.charts(decoded, found), made["det_boxes"], "det_iuv")
    return {name: np.asarray(value) for name, value in made.items()}


def planes_of(charts: Charts) -> tuple[torch.Tensor, ...]:
    return charts.coarse, charts.fine, charts.u, charts.v


def charts_of(charts: Charts, boxes: torch.Tensor, name: str) -> dict[str, torch.Tensor]:
    made = {}
    for i, box in enumerate(boxes):
        width, height = whole_box(box)[2:]
        made[f"{name}{i}_labels"], made[f"{name}{i}_uv"] = charts_in_box(
            *(planes[i] for planes in planes_of(charts)), width, height
        )
    return made


@pytest.fixture(scope="module")
def plain(model):
    """What is computed of the picture as it is."""
    picture = torch.from_numpy(ARRAYS["image_bgr"]).permute(2, 0, 1)
    return computed(model, picture, ARRAYS["image_bgr"].shape[:2])


@pytest.fixture(scope="module")
def frame():
    return np.ascontiguousarray(ARRAYS["image_bgr"][..., ::-1])


@pytest.fixture(scope="module")
def large(model, frame):
    """What is computed of the picture at the size at which the network looks at it."""
    return computed(model, bgr_input(frame, input_size(R_50, *frame.shape[:2])), frame.shape[:2])


def test_names_and_shapes_are_the_official_ones():
    official = json.loads((KEPT / "densepose_r50_fpn_s1x_keys.json").read_text())
    assert {name: list(tensor.shape) for name, tensor in empty(R_50).state_dict().items()} == official
    deep = empty(CONFIGS["R_101_FPN_s1x"]).state_dict()
    more = [name for name in deep if name not in official]
    assert len(more) == 17 * 3 * 5  # seventeen bottlenecks more, of three convolutions with five tensors
    assert all(re.match(r"backbone\.bottom_up\.res4\.([6-9]|1\d|2[0-2])\.", name) for name in more)


@pytest.mark.parametrize("name", sorted(set(ARRAYS) - set(INPUTS)))
def test_array_equals_the_official_programs(name, request):
    golden, whole = ARRAYS[name], name
    resized = name.startswith("det800_") or name == "resized_shape"
    made = request.getfixturevalue("large" if resized else "plain")
    if name.startswith("det800_"):
        name = name.removeprefix("det800_")
        name = f"det_{name}" if f"det_{name}" in made else name
    assert name in made, f"{whole}: nothing is computed that could be compared with it"
    value = made[name]
    beyond = name == "det_boxes" and golden.max() > max(ARRAYS["image_bgr"].shape)
    if name.startswith("det_") and (value.shape != golden.shape or beyond):  # not put into the frame
        value = made[name.replace("det_", "raw_")]
    assert value.shape == golden.shape
    if name.endswith("_labels"):
        assert (value == golden).mean() >= EQUAL
    elif name.endswith("_uv"):
        same = made[name.replace("_uv", "_labels")] == ARRAYS[whole.replace("_uv", "_labels")]
        assert same.mean() >= EQUAL and nearness(value[:, same], golden[:, same]) < TOLERANCE
    elif golden.dtype.kind in "iu":
        assert np.array_equal(value, golden)
    else:
        assert nearness(value, golden) < TOLERANCE


def test_find_puts_the_golden_charts_into_the_frame(model, plain):
    """Boxes 0 and 1 as if they were found: the frame's charts are the official ones, cut to bytes."""
    size, rows = ARRAYS["image_bgr"].shape[:2], torch.from_numpy(ARRAYS["boxes"][:2])
    with torch.inference_mode():
        levels = model.backbone(model.batch([torch.from_numpy(ARRAYS["image_bgr"]).permute(2, 0, 1)]))
        charts = model.roi_heads.charts(model.roi_heads.decoder(levels), rows)
    people = people_found(rows, torch.tensor([0.7, 0.9]), charts, size, size)
    assert len(people) == 2
    areas = [(person.iuv[..., 0] > 0).sum() for person in people]
    assert areas[0] >= areas[1] > 0
    for i, confidence in enumerate((0.7, 0.9)):
        person = next(person for person in people if abs(person.confidence - confidence) < 1e-6)
        labels = ARRAYS[f"iuv{i}_labels"]
        left, top = ARRAYS["boxes"][i, :2].astype(int)
        inside = person.iuv[top : top + labels.shape[0], left : left + labels.shape[1]].copy()
        assert (inside[..., 0] == labels).mean() >= EQUAL
        official = (np.clip(ARRAYS[f"iuv{i}_uv"].astype(np.float32), 0, 1) * 255).astype(np.uint8)
        apart = np.abs(inside[..., 1:].astype(int) - official.transpose(1, 2, 0))
        assert (apart.max(axis=2) <= 1).mean() >= EQUAL
        person.iuv[top : top + labels.shape[0], left : left + labels.shape[1]] = 0
        assert not person.iuv.any()
        assert np.allclose(person.box, ARRAYS["boxes"][i])


def test_find(model, frame, large):
    estimator = DensePose(model, torch.device("cpu"))
    assert estimator.name == "densepose" and estimator.batch == 1
    assert estimator.find([]) == []
    (people,) = estimator.find([frame])
    sure = large["det_scores"] >= 0.5
    assert 1 <= len(people) <= sure.sum()
    for person in people:
        which = np.abs(large["det_boxes"] - person.box).max(axis=1).argmin()
        assert np.allclose(large["det_boxes"][which], person.box, atol=0.01)
        assert abs(large["det_scores"][which] - person.confidence) < 1e-4
        assert person.iuv.shape == frame.shape and person.iuv.dtype == np.uint8
        left, top, width, height = whole_box(torch.from_numpy(person.box))
        labels = person.iuv[top : top + height, left : left + width, 0]
        assert (labels == large[f"det_iuv{which}_labels"]).mean() >= EQUAL


def test_two_pictures_at_once_are_what_each_is_alone(model, frame):
    pictures = [bgr_input(frame, (320, 256)), bgr_input(frame[::-1].copy(), (300, 250))]
    batch = model.batch(pictures)
    assert batch.shape == (2, 3, 320, 256)
    assert (batch[1, :, 300:] == 0).all() and (batch[1, :, :, 250:] == 0).all()
    with torch.inference_mode():
        both = model.backbone(batch)
        for i, picture in enumerate(pictures):
            for made, alone in zip(both, model.backbone(model.batch([picture])), strict=True):
                assert nearness(made[i], alone[0].numpy()) < 1e-4


def test_the_size_at_which_a_frame_is_looked_at():
    assert input_size(R_50, 320, 256) == (1000, 800)
    assert input_size(R_50, 1024, 576) == (1333, 750)
    assert input_size(R_50, 480, 640) == (800, 1067)
    assert input_size(R_50, 16, 16) == (800, 800)
    assert input_size(R_50, 4320, 7680) == (750, 1333)
    assert input_size(R_50, 5000, 1) == (1333, 1)


def test_roi_align_averages_a_ramp():
    """Bilinear reading of a ramp gives the place itself, and a bin its middle: cells count from 0 at their corner."""
    y, x = torch.meshgrid(torch.arange(10.0), torch.arange(8.0), indexing="ij")
    feature = torch.stack((x, y))[None]
    pooled = roi_align(feature, torch.tensor([[4.0, 8.0, 12.0, 24.0]]), stride=4, bins=2)
    assert torch.allclose(pooled[0, 0], torch.tensor([[1.5, 2.5], [1.5, 2.5]]), atol=1e-5)
    assert torch.allclose(pooled[0, 1], torch.tensor([[3.0, 3.0], [5.0, 5.0]]), atol=1e-5)


def test_roi_align_at_the_border_and_for_slivers():
    y, x = torch.meshgrid(torch.arange(10.0), torch.arange(8.0), indexing="ij")
    feature = torch.stack((x, y))[None] + 1
    # samples at 6.5, 7.5 | 8.5, 9.5: beyond 7 the last cell's value, beyond 8 nothing
    pooled = roi_align(feature, torch.tensor([[6.0, 2.0, 10.0, 6.0]]), stride=1, bins=2)
    assert torch.allclose(pooled[0, 0, 0], torch.tensor([(7.5 + 8) / 2, 0]), atol=1e-5)
    # a box narrower than a cell reads a whole one: samples at 3.25 and 3.75
    pooled = roi_align(feature, torch.tensor([[3.0, 2.0, 3.1, 4.0]]), stride=1, bins=1)
    assert torch.allclose(pooled[0, :, 0, 0], torch.tensor([4.5, 4.0]), atol=1e-5)
    assert roi_align(feature, torch.zeros((0, 4)), stride=1, bins=2).shape == (0, 2, 2, 2)


def test_roi_align_of_many_boxes_equals_one_by_one():
    generator = torch.Generator().manual_seed(0)
    feature = torch.randn((1, 3, 20, 30), generator=generator)
    boxes = torch.rand((300, 4), generator=generator) * 60
    boxes[:, 2:] += boxes[:, :2]
    together = roi_align(feature, boxes, stride=4, bins=3)
    assert torch.allclose(together, torch.cat([roi_align(feature, box[None], 4, 3) for box in boxes]), atol=1e-5)


def test_a_box_is_read_on_the_level_of_its_size():
    levels = [torch.full((1, 1, 600 >> i, 600 >> i), float(i)) for i in range(4)]
    sides = torch.tensor([10.0, 111.9, 112.0, 223.9, 224.0, 447.9, 448.0, 2000.0])
    boxes = torch.stack((torch.zeros(8), torch.zeros(8), sides, sides), dim=1)
    assert pool_levels(levels, boxes, 1).flatten().tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_suppression():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 5, 5], [20, 20, 30, 30]])
    scores = torch.tensor([0.6, 0.9, 0.8, 0.7])
    # the second overlaps the first by 1/2 and the third by 1/2; the first and the third overlap by 1/4
    assert suppress(boxes, scores, 0.5).tolist() == [1, 2, 3, 0]
    assert suppress(boxes, scores, 0.49).tolist() == [1, 3]
    # what is suppressed suppresses nobody
    assert suppress(boxes[[2, 1, 0]], torch.tensor([0.9, 0.8, 0.7]), 0.3).tolist() == [0, 2]
    assert suppress(boxes[:0], scores[:0], 0.5).tolist() == []
    twins = boxes[:1].repeat(3, 1)
    assert suppress(twins, torch.tensor([0.5, 0.5, 0.5]), 0.5).tolist() == [0]


def test_decoding_and_clipping():
    box = torch.tensor([[10.0, 20.0, 30.0, 60.0]])
    assert torch.allclose(decode(torch.zeros(1, 4), box), box)
    moved = decode(torch.tensor([[10.0, -5.0, 5 * math.log(2), 0.0]]), box, (10, 10, 5, 5))
    assert torch.allclose(moved, torch.tensor([[20.0, 0.0, 60.0, 40.0]]), atol=1e-4)
    grown = decode(torch.tensor([[0.0, 0.0, 100.0, 100.0]]), box)  # by 1000 / 16 at most
    assert torch.allclose(grown[:, 2:] - grown[:, :2], torch.tensor([[1250.0, 2500.0]]), rtol=1e-4)
    assert clip(torch.tensor([[-5.0, 3.0, 50.0, 90.0]]), (40, 30)).tolist() == [[0, 3, 30, 40]]


def test_anchors():
    anchors = anchor_boxes((2, 3), stride=8, size=32, ratios=(0.25, 1.0)).reshape(2, 3, 2, 4)
    assert anchors[0, 0].tolist() == [[-32, -8, 32, 8], [-16, -16, 16, 16]]
    assert anchors[1, 2].tolist() == [[-16, 0, 48, 16], [0, -8, 32, 24]]


@pytest.mark.parametrize("band", [1 << 20, 100])
def test_charts_are_stretched_as_the_official_converter_does(band, monkeypatch):
    """Labels, U and V of random planes, against whole stretched planes; in bands too, as for very large frames."""
    monkeypatch.setattr(convert, "BAND", band)
    generator = torch.Generator().manual_seed(1)
    coarse, fine, u, v = (torch.randn((planes, 14, 14), generator=generator) for planes in (2, 25, 25, 25))
    for width, height in ((37, 53), (9, 5), (1, 1)):
        labels, uv = charts_in_box(coarse, fine, u, v, width, height)
        wide = [
            F.interpolate(planes[None], (height, width), mode="bilinear", align_corners=False)[0]
            for planes in (coarse, fine, u, v)
        ]
        expected = wide[1].argmax(0) * (wide[0].argmax(0) > 0)
        assert torch.equal(labels.long(), expected)
        for made, planes in zip(uv, wide[2:], strict=True):
            picked = torch.where(expected > 0, planes.gather(0, expected[None])[0], 0)
            assert torch.allclose(made, picked, atol=1e-5)


def test_a_box_at_the_edge_stays_in_the_frame():
    iuv = convert.frame_iuv(torch.full((1, 3), 7), torch.full((2, 1, 3), 1.5), left=8, top=9, size=(10, 10))
    assert iuv.shape == (10, 10, 3) and iuv[9, 8:].tolist() == [[7, 255, 255]] * 2 and iuv.any(axis=2).sum() == 2


def test_a_network_that_is_not_known():
    with pytest.raises(BadInput, match="no DensePose network named R_18"):
        load_densepose(config="R_18")


@pytest.mark.skipif(bool(find_spec("detectron2") and find_spec("densepose")), reason="the official packages are here")
def test_without_the_official_packages():
    from pose_tools.estimators.detectron2 import load_detectron2

    with pytest.raises(Unavailable) as error:
        load_detectron2("cpu")
    text = str(error.value)
    assert "detectron2-densepose" in text and text.endswith(".") and text.count(".") == 1


@pytest.mark.skipif(not (find_spec("detectron2") and find_spec("densepose")), reason="needs the official packages")
def test_the_official_packages_find_the_same(model, frame, tmp_path):
    from pose_tools.estimators.densepose.weights import keep
    from pose_tools.estimators.detectron2 import load_detectron2

    (tmp_path / "densepose").mkdir()
    keep(model.state_dict(), tmp_path / "densepose" / f"{R_50.name}.safetensors")
    official = load_detectron2("cpu", cache=tmp_path).find([frame])[0]
    own = DensePose(model, torch.device("cpu")).find([frame])[0]
    assert len(official) == len(own)
    for one, other in zip(official, own, strict=True):
        assert (one.iuv[..., 0] == other.iuv[..., 0]).mean() >= EQUAL
