"""Heads seen from the side and from behind: hair to a hairline, a face's own profile, skin without features."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from dreampose_core.carry import carry, make_sheet
from dreampose_core.carry.head.around import Around, lay_around, measure_skull
from dreampose_core.carry.head.behind import look_at_head
from dreampose_core.carry.quilt import largest_piece, quilt
from dreampose_core.carry.views import HEAD_PARTS, view_body
from pose_tools.body.figure import Camera, Pose, bone_transforms, load_figure, pose_vertices
from pose_tools.body.fit import FittedBody
from pose_tools.body.raster import draw_iuv, raster

SKIN, DRESS, HAIR, LIPS = (224, 172, 140), (40, 60, 170), (60, 35, 20), (170, 20, 50)
EYES = (50, 40, 60)
WIDTH, HEIGHT = 96, 120
SCALE = 270.0  # pixels a metre: head and shoulders fill the picture


def _turned(pose: Pose, degrees: float) -> Pose:
    return replace(pose, yaw=pose.yaw + np.deg2rad(degrees))


def _like(picture: np.ndarray, colour: tuple[int, int, int], most: int = 45) -> np.ndarray:
    return np.abs(picture.astype(int) - colour).max(-1) < most


def _drawn(
    lock: bool = False, hair: tuple[int, int, int] = HAIR, share: float = 0.35
) -> tuple[np.ndarray, np.ndarray, FittedBody]:
    """A bust with hair on the upper `share` of its head, lips, and a dress; a lock: hair that stands out of it."""
    figure = load_figure()
    camera = Camera(SCALE, WIDTH / 2, 245.0, WIDTH, HEIGHT)
    body = FittedBody(np.zeros(len(figure.modes)), Pose.rest(), camera, 1.0, 0.0)
    part = draw_iuv(figure, body.shape, body.pose, camera)[..., 0]
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    photo = np.full((HEIGHT, WIDTH, 3), 200.0)
    head = np.isin(part, (23, 24))
    rows = np.flatnonzero(head.any(1))
    tall = 0.2267 * SCALE  # from crown to chin
    photo[part > 0] = DRESS
    photo[head] = SKIN
    strands = head & (y < rows[0] + share * tall)
    photo[strands] = np.add(hair, 12 * np.sin(x * 1.7)[..., None])[strands]
    photo[head & (np.abs(y - rows[0] - 0.78 * tall) < 2) & (np.abs(x - WIDTH / 2) < 6)] = LIPS
    person = part > 0
    if lock:
        out = (np.abs(y - rows[0] - 0.25 * tall) < 2) & (x > WIDTH / 2) & (x < WIDTH / 2 + 36) & ~person
        photo[out] = hair
        person = person | out
    mask = cv2.GaussianBlur(person.astype(np.float32), (0, 0), 0.7)
    return photo.clip(0, 255).round().astype(np.uint8), mask, body


@pytest.fixture(scope="module")
def bust():
    photo, mask, body = _drawn()
    return photo, body, make_sheet(photo, mask, body)


def _head_rows(body: FittedBody) -> tuple[int, int]:
    """Rows of the crown and of the chin."""
    part = draw_iuv(load_figure(), body.shape, body.pose, body.camera)[..., 0]
    crown = np.flatnonzero(np.isin(part, (23, 24)).any(1))[0]
    return crown, crown + round(0.2267 * SCALE)


def test_from_the_side_hair_runs_over_the_ear_to_the_nape_and_the_cheek_is_bare(bust):
    _, body, sheet = bust
    crown, chin = _head_rows(body)
    drawn = carry(sheet, _turned(body.pose, 90))
    hair, skin = _like(drawn.picture, HAIR), _like(drawn.picture, SKIN)

    def across(share: float) -> tuple[int, np.ndarray]:
        """A row of the head at that height, and its columns of the person, from the back of the head to the face."""
        row = round(chin + share * (crown - chin))
        return row, np.flatnonzero(drawn.alpha[row] > 0.9)

    row, columns = across(0.75)
    assert hair[row, columns].mean() > 0.6
    row, columns = across(0.25)
    assert hair[row, columns[:6]].mean() > 0.7
    assert skin[row, columns[len(columns) // 2 :]].mean() > 0.7 and not hair[row, columns[len(columns) // 2 :]].any()


def test_from_behind_there_is_hair_down_to_the_nape_and_then_skin(bust):
    _, body, sheet = bust
    crown, chin = _head_rows(body)
    drawn = carry(sheet, _turned(body.pose, 180))
    middle = slice(WIDTH // 2 - 5, WIDTH // 2 + 6)
    assert _like(drawn.picture[crown + 4 : chin - 8, middle], HAIR).mean() > 0.9
    assert _like(drawn.picture[chin + 4 : chin + 7, middle], SKIN).mean() > 0.8


def test_lips_stay_where_the_photo_shows_them(bust):
    photo, body, sheet = bust
    lips = _like(photo, LIPS, 30)
    assert _like(carry(sheet, body.pose).picture, LIPS)[lips].mean() > 0.8
    for degrees in (135, 180, 225):
        assert not _like(carry(sheet, _turned(body.pose, degrees)).picture, LIPS, 30).any()


def test_the_profile_is_the_figures_own(bust):
    _, body, sheet = bust
    crown, chin = _head_rows(body)
    drawn = carry(sheet, _turned(body.pose, 90))
    face = slice(round(0.6 * crown + 0.4 * chin), chin - 2)
    own, figure = (where[face, ::-1].argmax(1) for where in (drawn.alpha > 0.5, drawn.iuv[..., 0] > 0))
    assert figure.min() < figure[0] - 1  # the nose
    assert np.abs(own - figure).max() <= 2


def _bald(pose: Pose) -> tuple[np.ndarray, FittedBody]:
    """The figure's own head with dark eyes, and the body under it."""
    figure, camera = load_figure(), Camera(SCALE, WIDTH / 2, 245.0, WIDTH, HEIGHT)
    body = FittedBody(np.zeros(len(figure.modes)), pose, camera, 1.0, 0.0)
    points = camera.with_depth(pose_vertices(figure, body.shape, pose)).astype(np.float32)
    hits = raster(points, figure.faces, WIDTH, HEIGHT)
    rest = np.einsum("kc,kcv->kv", hits.barycentric, figure.rest_vertices(body.shape)[figure.faces[hits.face]])
    skull = measure_skull(body.shape)
    eyes = (np.abs(np.abs(rest[:, 0]) - 0.033) < 0.014) & (np.abs(rest[:, 2] - skull.height(0.5)) < 0.009)
    photo = np.full((HEIGHT * WIDTH, 3), 200, np.uint8)
    part = draw_iuv(figure, body.shape, pose, camera)[..., 0].ravel()
    photo[part > 0] = DRESS
    photo[np.isin(part, HEAD_PARTS)] = SKIN
    photo[hits.pixel[eyes & (rest[:, 1] < np.median(skull.points[:, 1]))]] = EYES
    return photo.reshape(HEIGHT, WIDTH, 3), body


@pytest.mark.parametrize("degrees", [-40, 40])
def test_a_face_that_looked_aside_has_two_eyes_when_it_turns_to_the_front(degrees):
    true, front = _bald(Pose.rest())
    photo, body = _bald(_turned(Pose.rest(), degrees))
    mask = cv2.GaussianBlur((photo != 200).any(-1).astype(np.float32), (0, 0), 0.7)
    drawn = carry(make_sheet(photo, mask, body), front.pose).picture
    _, chin = _head_rows(front)
    wanted, found = (_like(picture, EYES, 60)[:chin] for picture in (true, drawn))
    for half in (np.s_[:, : WIDTH // 2], np.s_[:, WIDTH // 2 :]):
        assert (wanted & found)[half].sum() > 0.5 * wanted[half].sum()
        assert found[half].sum() < 1.6 * wanted[half].sum()


def test_hair_that_hangs_beside_a_face_is_hair_over_its_cheek_but_brows_are_not():
    photo, mask, body = _drawn()
    figure = load_figure()
    view = view_body(figure, body.shape, bone_transforms(figure, body.shape, body.pose), body.camera)
    crown, chin = _head_rows(body)
    skull = np.isin(view.part, HEAD_PARTS)
    side = np.array([np.flatnonzero(row)[-1] if row.any() else 0 for row in skull])
    hanging, brow = np.zeros((2, HEIGHT, WIDTH), bool)
    for row in range(crown, chin):
        hanging[row, side[row] - 5 : side[row] + 9] = True
    brow[crown + round(0.45 * (chin - crown)), WIDTH // 2 - 16 : WIDTH // 2 + 10] = True
    photo[hanging | brow] = HAIR
    looks = look_at_head(photo, mask > 0.5, view)
    trunk = look_at_head(photo, (mask > 0.5) | hanging, view)
    cheek = hanging & skull & (np.arange(HEIGHT)[:, None] > (crown + chin) / 2)
    assert trunk.hair[cheek].mean() > 0.8
    assert not (trunk.hair & brow & ~hanging).any() and not (looks.hair & brow & ~hanging).any()


def test_a_lock_that_stands_out_has_no_volume(bust):
    photo, mask, body = _drawn(lock=True)
    assert (mask > 0.5).sum() > 40 + (_drawn()[1] > 0.5).sum()
    sheet = make_sheet(photo, mask, body)
    for degrees in (60, 90, 120):
        pose = _turned(body.pose, degrees)
        without, with_lock = (carry(one, pose).alpha > 0.5 for one in (bust[2], sheet))
        beyond = cv2.distanceTransform((~without).astype(np.uint8), cv2.DIST_L2, 5)
        assert beyond[with_lock].max() < 3


def test_a_thin_line_of_hair_goes_on_in_its_own_colour():
    blond = (190, 140, 80)
    photo, mask, body = _drawn(hair=blond, share=0.1)
    behind = carry(make_sheet(photo, mask, body), _turned(body.pose, 180))
    crown, chin = _head_rows(body)
    at = slice(round(0.8 * crown + 0.2 * chin), round(0.5 * crown + 0.5 * chin))
    head = cv2.erode((behind.alpha > 0.9).astype(np.uint8), np.ones((7, 7)))[at] > 0
    assert np.abs(np.median(behind.picture[at][head], 0) - blond).max() < 15


def test_places_around_a_head():
    skull = measure_skull(np.zeros(len(load_figure().modes)))
    map_ = lay_around(skull, skull.points[np.unique(skull.faces)], 300.0)
    assert Around.from_array(map_.to_array()) == map_
    ear = skull.points[skull.points[:, 2] > skull.chin]
    left, right = (ear[[which]] for which in (ear[:, 0].argmax(), ear[:, 0].argmin()))
    assert 75 < np.rad2deg(map_.angle(left)[0]) < 115 and -115 < np.rad2deg(map_.angle(right)[0]) < -75
    # over the whole head a small step in space is a small step in the texture, except over the seam
    near = left + [[0, 0, 0.001], [0, 0.001, 0]]
    assert np.abs(map_.place(near) - map_.place(left)).max() < 3
    heights = map_.place(np.array([[0.0, -0.1, z] for z in np.linspace(skull.chin, skull.crown, 20)]))[:, 1]
    assert (np.diff(heights) < 0).all()


def test_a_quilt_goes_on_with_the_texture():
    y, x = np.mgrid[:60, :90]
    stripes = np.where(((x + 2 * y) // 5 % 2)[..., None] > 0, (200, 150, 90), (60, 40, 30)).astype(np.uint8)
    known = x < 40
    image = np.where(known[..., None], stripes, 0).astype(np.uint8)
    assert largest_piece(known) > 15 and largest_piece(np.zeros_like(known)) == 0
    laid = quilt(image, known, ~known, image, known)
    assert np.array_equal(laid[known], image[known])
    assert np.array_equal(laid, quilt(image, known, ~known, image, known))
    assert np.abs(laid[:, 45:].mean((0, 1)) - stripes.mean((0, 1))).max() < 12
    assert laid[:, 45:].std() > 0.85 * stripes.std()
    # stripes go on in their direction, and not as noise
    right = (laid[..., 0] > 130)[:, 45:]
    assert (right[:-1, 2:] == right[1:, :-2]).mean() > 0.8
    assert np.array_equal(quilt(image, known, ~known, image, np.zeros_like(known)), image)
