"""Light read from a drawn person who is lit from one side, and people who turn in it."""

from dataclasses import replace

import numpy as np
import pytest

from dreampose_core.carry import carry, make_sheet
from dreampose_core.carry.light import read_light
from pose_tools.body.camera import Camera
from pose_tools.body.figure import BONES, Pose, load_figure, pose_vertices
from pose_tools.body.fit import FittedBody
from pose_tools.body.raster import raster

LEFT, RIGHT = np.array([-0.75, -0.45, 0.48]), np.array([0.75, -0.45, 0.48])
SKIN, COAT, GREY = (224, 172, 140), (90, 110, 160), (206, 206, 206)


def _standing() -> Pose:
    rotations = np.zeros((len(BONES), 3))
    rotations[BONES.index("upperarm01.L"), 1], rotations[BONES.index("upperarm01.R"), 1] = 0.4, -0.4
    return Pose(rotations, 0.0, np.zeros(3))


def _body(yaw: float = 0.0) -> FittedBody:
    shape = np.zeros(len(load_figure().modes))
    return FittedBody(shape, replace(_standing(), yaw=yaw), Camera(120.0, 96, 118.0, 192, 240), 1.0, 0.0)


def _lit(
    body: FittedBody, light: np.ndarray, halves: tuple[float, float] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Picture and mask of the body in a coat, as matt as chalk (Lambert) in that light and half as much from
    everywhere; with halves, of these two greys on its left and on its right."""
    figure = load_figure()
    vertices = pose_vertices(figure, body.shape, body.pose)
    hits = raster(body.camera.with_depth(vertices), figure.faces, body.camera.width, body.camera.height)
    corners = vertices[figure.faces]
    each = np.zeros_like(vertices)
    np.add.at(each, figure.faces, np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, None])
    normal = hits.take(figure.faces, each)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    part = figure.part[hits.face]
    own = np.where(np.isin(part, (3, 4, 5, 6, 23, 24))[:, None], SKIN, COAT) / 255
    if halves:
        left = (hits.pixel % body.camera.width < body.camera.cx)[:, None]
        own = np.where(np.isin(part, (3, 4, 5, 6, 23, 24))[:, None], own, np.where(left, *halves))
    linear = own**2.2 * (0.5 + np.maximum(normal @ light, 0))[:, None]
    picture = np.full((body.camera.height * body.camera.width, 3), GREY, np.uint8)
    picture[hits.pixel] = 255 * np.clip(linear, 0, 1) ** (1 / 2.2) + 0.5
    mask = np.zeros(len(picture), np.float32)
    mask[hits.pixel] = 1
    shape = body.camera.height, body.camera.width
    return picture.reshape(*shape, 3), mask.reshape(shape)


@pytest.fixture(scope="module")
def from_the_left():
    body = _body()
    return body, make_sheet(*_lit(body, LEFT), body)


def test_the_light_is_found_on_its_side(from_the_left):
    _, sheet = from_the_left
    body = _body()
    mirrored = make_sheet(*_lit(body, RIGHT), body).light
    assert sheet.light[0] < -0.3 and mirrored[0] > 0.3
    assert sheet.light[0] == pytest.approx(-mirrored[0], abs=0.1)
    toward = sheet.light / np.linalg.norm(sheet.light)
    assert toward @ (LEFT / np.linalg.norm(LEFT)) > 0.8


def test_who_turns_is_lit_as_the_photo_is(from_the_left, monkeypatch):
    body, sheet = from_the_left
    monkeypatch.setattr("dreampose_core.carry.sheet.read_light", lambda *_: np.zeros(3))
    as_printed = make_sheet(*_lit(body, LEFT), body)
    for yaw in (-0.9, 0.9):
        turned = _body(yaw)
        truth, mask = _lit(turned, LEFT)
        drawn, before = carry(sheet, turned.pose), carry(as_printed, turned.pose)
        known = (mask > 0) & (drawn.visibility > 0.3) & (drawn.alpha > 0.95)
        error, without = (np.abs(one.picture[known].astype(float) - truth[known]).mean() for one in (drawn, before))
        assert error < 0.8 * without


def test_in_the_photos_pose_the_photo_comes_back(from_the_left):
    body, sheet = from_the_left
    photo, mask = _lit(body, LEFT)
    drawn = carry(sheet, body.pose)
    inside = (mask > 0) & (drawn.alpha > 0.99)
    assert np.abs(drawn.picture[inside].astype(float) - photo[inside]).mean() < 4


@pytest.mark.parametrize("halves", [(0.1, 0.9), (0.2, 0.45), (0.1, 0.4), (0.6, 0.9)])
def test_a_coat_of_two_colours_is_no_light(halves):
    body = _body()
    sheet = make_sheet(*_lit(body, np.array([0, -0.9, 0.3]), halves), body)
    assert abs(sheet.light[0]) < 0.25


def test_a_photo_without_colours_is_lit_from_the_same_side(from_the_left):
    body, sheet = from_the_left
    photo, mask = _lit(body, LEFT)
    grey = make_sheet(np.repeat(photo.mean(-1, keepdims=True).astype(np.uint8), 3, -1), mask, body).light
    assert grey @ sheet.light / np.linalg.norm(grey) / np.linalg.norm(sheet.light) > 0.95


def test_a_dark_photo_has_the_same_light_and_a_clipped_one_tells_nothing(from_the_left):
    body, sheet = from_the_left
    photo, mask = _lit(body, LEFT)
    dark = make_sheet((photo * 0.25).astype(np.uint8), mask, body).light
    assert dark @ sheet.light / np.linalg.norm(dark) / np.linalg.norm(sheet.light) > 0.95
    nowhere = make_sheet(np.full_like(photo, 255), mask, body).light
    assert nowhere[0] == 0 and nowhere[1] < 0 < nowhere[2]


def test_where_nothing_is_seen_the_light_is_the_usual():
    colours, nowhere = np.full((8, 8, 3), 128, np.uint8), np.zeros((8, 8), bool)
    light = read_light(colours, nowhere, np.zeros((8, 8, 3), np.float32))
    assert light[1] < 0 < light[2] and light[0] == 0
