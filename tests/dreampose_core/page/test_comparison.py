"""Which films can be compared, what they are called, what can be made, and both in one video."""

import time
from dataclasses import replace

import numpy as np
import pytest

from dreampose_core.jobs.client import status
from dreampose_core.library.files import read_json, write_json
from dreampose_core.library.library import Library, new_id, new_visitor
from dreampose_core.page import composer
from dreampose_core.page.comparison import (
    common_rate,
    film_of_both,
    films_of_both_with,
    in_order,
    others,
    path_of_both,
    settings_of,
    wishes,
)
from dreampose_core.page.desks.compare import NOT_ALIKE, QUIET, CompareDesk
from dreampose_core.page.house import House
from dreampose_core.page.window import Window
from dreampose_core.page.wording import apart, compared, film_title, labels, switched
from dreampose_core.profiles import PROFILES, find_profile
from dreampose_core.settings import SWITCHES, AnimateSettings
from dreampose_core.stopwatch import speeds_file
from pose_tools.errors import BadInput
from pose_tools.video import probe, read_frames, write_video

WALK = AnimateSettings("catwalk", frames=6, steps=4, s1=1.0, s2=1.0)


@pytest.fixture
def library(tmp_path):
    return Library(tmp_path / "library", new_visitor())


@pytest.fixture
def desk(library, tmp_path):
    window = Window(tmp_path / "shown", lambda path: f"file={path}")
    return CompareDesk(House(library.root, public=True, worker=False), window)


def add_film(library, settings, subject="anna", grey=90, size=(40, 32), figures=(80, 90)):
    """A film whose frames get lighter by 5 levels each."""
    name = new_id()
    made = library.folder / f"made-{name}"
    made.mkdir(parents=True)
    frames = [np.full((*size, 3), grey + 5 * i, np.uint8) for i in range(settings.frames)]
    write_video(frames, made / "video.mp4", settings.fps)
    told = {key: {"value": value, "words": ""} for key, value in zip(("likeness", "steadiness"), figures, strict=True)}
    write_json(made / "report.json", {"readouts": told, "seconds": {"finetune": 100.0, "render": 20.0, "write": 2.5}})
    return library.add_clip(name, made, subject, "Anna", settings.to_dict())


def opened(desk, library, film, other) -> dict:
    """The comparison of two films, once their video is made."""
    until = time.monotonic() + 30
    while "compare" not in (told := desk.open(library.visitor, other.id, film.id)):
        assert time.monotonic() < until, "waited too long"
    return told["compare"]["open"]


def add_subject(library, *tuned):
    (library.subject_folder("anna") / "fine").mkdir(parents=True)
    library.add_subject("anna", "Anna", np.zeros((8, 8, 3), np.uint8))
    for profile in tuned:
        (library.subject_folder("anna") / "tuned" / profile).mkdir(parents=True)
        write_json(library.subject_folder("anna") / "tuned" / profile / "finished.json", {})


def test_every_switch_has_words_for_on_and_off():
    for name in SWITCHES:
        on, off = switched(name, True), switched(name, False)
        assert on != off and film_title(replace(WALK, **{name: False}).to_dict()) == f"Catwalk, {off}"


def test_two_films_are_told_apart_by_what_is_most_to_be_seen():
    assert labels(WALK, WALK) is None
    assert labels(WALK, replace(WALK, finetuned=False)) == ("after the finetune", "before the finetune")
    assert labels(WALK, replace(WALK, motion="sway", frames=9)) == ("Catwalk", "Sway")
    assert labels(WALK, replace(WALK, frames=9)) == ("6 frames", "9 frames"), "where nothing else sets them apart"
    assert labels(WALK, replace(WALK, steps=8, seed=3)) == (
        "4 denoising steps, seed 0", "8 denoising steps, seed 3"
    )  # fmt: skip
    assert apart(WALK, replace(WALK, finetune_steps=9, tuning="full")) == [], "a subject is tuned once for a model"
    assert apart(WALK, replace(WALK, background_colour="#000000")) == [], "no colour is to be seen"
    read = replace(WALK, motion="dance", extraction="a")
    assert apart(read, replace(read, extraction="b")) == ["motion"], "two videos of one name"


def test_the_difference_of_the_readouts_is_said_in_words():
    names = ("before the finetune", "after the finetune")
    assert compared("likeness", (70, 76), names) == "After the finetune: 6 points nearer to the photo."
    assert compared("steadiness", (90, 80), names) == "Before the finetune: 10 points steadier."
    assert compared("steadiness", (80, 81), names) == "Steadiness is as good as equal."


def test_the_natural_pair_comes_first_then_the_same_motion_and_nobody_else(library):
    film = add_film(library, WALK)
    turn = add_film(library, replace(WALK, motion="half_turn", finetuned=False))
    seed = add_film(library, replace(WALK, seed=4, steps=9))
    steps = add_film(library, replace(WALK, steps=8))
    plain = add_film(library, replace(WALK, finetuned=False, refined=False))
    before = add_film(library, replace(WALK, finetuned=False))
    add_film(library, WALK, subject="berta")
    assert [each.id for each in others(library, film)] == [each.id for each in (before, plain, steps, seed, turn)]
    for one, other in ((film, before), (before, film)):
        assert in_order(one, other) == (before, film), "what lacks something stands on the left"
    assert in_order(steps, film) == (film, steps), "or else the earlier one"


def test_what_can_be_made_is_what_is_not_there_and_would_differ(library):
    add_subject(library, "mini")
    film = add_film(library, replace(WALK, finetune_steps=40, decoder_steps=20, tuning="lora"))
    here = {"mini": find_profile("mini")}
    offered = wishes(library, here, film)
    assert [wish.switch for wish in offered] == [name for name in SWITCHES if name != "swinging"], "cloth may be tight"
    (library.subject_folder("anna") / "fine").rmdir()
    assert "detailed" not in [wish.switch for wish in wishes(library, here, film)], "a subject of before"
    first = offered[0]
    assert first.seconds == 22.5 and first.settings.finetune_steps is None, "it is tuned already"
    assert apart(first.settings, settings_of(film)) == ["finetuned"]
    before = add_film(library, replace(WALK, finetuned=False))
    assert "finetuned" not in [wish.switch for wish in wishes(library, here, film)]
    library.delete_clip(film.id)
    (back,) = wishes(library, here, before)
    assert (back.switch, back.settings.finetuned, back.seconds) == ("finetuned", True, 22.5)

    unrefined = {"mini": replace(PROFILES["mini"], folder=library.root)}
    assert "refined" not in [wish.switch for wish in wishes(library, unrefined, add_film(library, WALK))]


def test_a_finetune_that_is_still_to_come_is_timed_by_earlier_ones(library):
    add_subject(library)
    film = add_film(library, replace(WALK, finetuned=False, finetune_steps=7, decoder_steps=2))
    write_json(speeds_file(library.root, "cpu"), {"mini": {"finetune": 3.0, "decoder": 4.0}})
    (wish,) = wishes(library, {"mini": find_profile("mini")}, film)
    assert wish.seconds == 22.5 + 7 * 3 + 2 * 4 and wish.settings.finetune_steps == 7


@pytest.mark.parametrize(("device", "kept"), [("cuda", True), ("cpu", False)])
def test_the_film_to_compare_with_is_made_as_the_one_on_show(library, desk, device, kept):
    add_subject(library, "mini")
    film = add_film(library, WALK)
    write_json(film.report, read_json(film.report) | {"offload": True, "compile": False})
    house = replace(desk.house, device=device)
    asked = status(library, replace(desk, house=house).make(library.visitor, "finetuned", film.id)).settings
    assert (asked["offload"], asked["compile"]) == (kept, False), "where there is a GPU"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "subject of this film was deleted"),
        ({"profile": "grand"}, "model of this film is not here"),
        ({"background": "picture"}, "picture behind this film was not kept"),
        ({"extraction": "gone"}, "motion of this film was deleted"),
        ({"motion": "poses of mine"}, "no motion named"),
    ],
)
def test_why_a_film_cannot_be_made_again_is_said(library, desk, changes, words):
    if changes:
        add_subject(library, "mini")
    film = add_film(library, replace(WALK, **changes))
    with pytest.raises(BadInput, match=words):
        wishes(library, {"mini": find_profile("mini")}, film)
    offer = desk.offer(library, film, at_once=True)["compare"]
    assert (offer["others"], offer["makes"], offer["open"]) == ([], [], None) and words in offer["why_not"]


def test_films_of_other_size_rate_and_length_share_one_video(library, desk):
    small = add_film(library, replace(WALK, frames=4, fps=8, finetuned=False), grey=60, size=(40, 32))
    large = add_film(library, replace(WALK, frames=12, fps=12), grey=160, size=(80, 64))
    path = film_of_both(library, small, large)
    info = probe(path)
    assert (info.width, info.height, info.fps) == (128, 80, 24.0) and abs(info.frames - 24) <= 1
    frames = [frame.astype(float) for frame in read_frames(path)]
    left, right = ([frame[:, part].mean() for frame in frames] for part in (slice(0, 64), slice(64, 128)))
    for index, value in ((0, 60), (4, 65), (10, 75), (23, 75)):
        assert abs(left[index] - value) < 3, "the shorter one waits on its last frame"
    for index, value in ((0, 160), (11, 185), (23, 215)):
        assert abs(right[index] - value) < 3
    assert film_of_both(library, small, large) == path and len(list(path.parent.iterdir())) == 1
    notes = " ".join(opened(desk, library, large, small)["notes"])
    assert "32x40 and 64x80" in notes and "8 and 12 frames a second" in notes
    assert "0.5 and 1.0 s" in notes and "the shorter one, before the finetune, waits" in notes


def test_a_film_of_another_shape_stands_in_the_middle_and_a_long_one_is_cut(library, monkeypatch):
    monkeypatch.setattr("dreampose_core.page.comparison.MOST_FRAMES", 5)
    wide = add_film(library, replace(WALK, steps=1), grey=10, size=(32, 64))
    tall = add_film(library, WALK, grey=10, size=(64, 32))
    frames = list(read_frames(film_of_both(library, wide, tall)))
    assert len(frames) == 5 and frames[0].shape == (64, 128, 3)
    assert frames[0][2, 32].mean() > 200 > 50 > frames[0][32, 32].mean(), "paper above it"
    assert frames[0][32, 68].mean() > 200 > 50 > frames[0][32, 96].mean(), "paper beside it"


def test_the_video_of_both_is_made_while_the_page_goes_on(library, desk):
    film = add_film(library, replace(WALK, frames=40), size=(320, 256), grey=20)
    before = add_film(library, replace(WALK, frames=40, finetuned=False), size=(320, 256), grey=20)
    other = add_film(library, replace(WALK, frames=40, seed=1), size=(320, 256), grey=20)
    with desk.composer._turn:  # it is at work for somebody else
        told = desk.open(library.visitor, before.id, film.id)
        assert "compare" not in told and (told["opening"], told["both_timer"]["active"]) == ((film.id, before.id), True)
        asked = desk.open(library.visitor, other.id, film.id)["opening"]
        assert asked == (film.id, other.id), "another choice is heard at once"
        assert desk.poll(library.visitor, other.id, told["opening"], None) == QUIET, "another film was opened"
    seen, until = [told["both"]["fraction"]], time.monotonic() + 60
    while "compare" not in (told := desk.poll(library.visitor, film.id, (film.id, before.id), None)):
        assert time.monotonic() < until, "waited too long"
        seen.append(told["both"]["fraction"])
        time.sleep(0.02)
    assert seen == sorted(seen) and seen[0] < 1 and all(0 <= each <= 1 for each in seen)
    assert told["compare"]["open"] and told["opened"] == (film.id, before.id)
    assert told.keys() == {"compare", "opened"}, "what else was asked for meanwhile goes on"
    assert desk.poll(library.visitor, film.id, asked, told["opened"]).keys() <= {"both", "compare", "opened"}
    assert desk.poll(library.visitor, film.id, told["opened"], told["opened"]) == QUIET, "all is shown"
    assert (told["compare"]["film"], told["compare"]["asked"]) == (film.id, True)
    assert not desk.offer(library, other, at_once=True)["compare"]["asked"], "a film that is opened is on show"
    assert desk.poll(library.visitor, film.id, None, None) == QUIET, "nothing is being made"

    broken = add_film(library, replace(WALK, seed=2))
    broken.video.write_bytes(b"no film any more")
    while "compare" not in (told := desk.open(library.visitor, broken.id, film.id)):
        assert time.monotonic() < until, "waited too long"
    with pytest.raises(BadInput) as reason:
        probe(broken.video)
    assert told["compare"]["open"] is None and told["compare"]["wrong"] == str(reason.value)
    assert told["compare"]["chosen"] == broken.id and not told["both_timer"]["active"]


def test_what_became_of_a_video_is_not_told_when_it_is_past(library, monkeypatch):
    film, before = add_film(library, WALK), add_film(library, replace(WALK, finetuned=False))
    maker, good = composer.Composer(), film.video.read_bytes()
    path = path_of_both(library, before, film)

    def made():
        making = maker._makings.get(path)
        with maker._turn:
            assert maker.ask(library, before, film, wait=0.0) == 0.0, "it is begun"
        assert maker._makings[path] is not making and maker._makings[path].over.wait(30)

    film.video.write_bytes(b"no film any more")
    made()
    film.video.write_bytes(good)
    with pytest.raises(BadInput):
        maker.ask(library, before, film)
    film.video.write_bytes(b"no film any more")
    made()
    film.video.write_bytes(good)
    monkeypatch.setattr(composer, "KEPT", 0.0)
    made()  # nobody heard that it failed before
    monkeypatch.undo()
    path.unlink()
    made()  # the video was taken away since
    assert maker.ask(library, before, film) is None and path.exists()


def test_the_common_rate_shows_every_frame_of_both_where_it_can():
    assert [common_rate(*pair) for pair in ((12, 12), (12, 8), (24, 30), (24.5, 12))] == [12, 24, 30, 24.5]


def test_a_comparison_is_opened_taken_away_and_kept_from_others(library, desk):
    film = add_film(library, WALK, figures=(81, 90))
    before = add_film(library, replace(WALK, finetuned=False), figures=(70, 90))
    other = add_film(library, WALK, subject="berta")
    first = opened(desk, library, film, before)
    assert [one["label"] for one in first["films"]] == ["Before the finetune", "After the finetune"]
    assert [row["values"] for row in first["readouts"]] == [[70, 81], [90, 90]]
    assert first["said"] == ["After the finetune: 11 points nearer to the photo.", "Steadiness is as good as equal."]
    assert desk.offer(library, film, at_once=True)["compare"]["open"] == first, "it is there now"
    assert desk.offer(library, other, at_once=True)["compare"]["open"] is None
    shown = first["address"].removeprefix("file=")
    with open(shown, "rb") as file:
        assert file.read(12)[4:8] == b"ftyp"

    stranger = new_visitor()
    for visitor, one, two in (
        (stranger, before.id, film.id), (library.visitor, "../../etc", film.id), (library.visitor, before.id, None)
    ):  # fmt: skip
        with pytest.raises(BadInput, match="no such clip"):
            desk.open(visitor, one, two)
    for visitor, one in ((stranger, film.id), (library.visitor, None), (library.visitor, "../../etc")):
        with pytest.raises(BadInput, match="no such clip"):
            desk.make(visitor, "finetuned", one)
    for one in (other, film):
        with pytest.raises(BadInput, match="two films of the same subject"):
            desk.open(library.visitor, one.id, film.id)

    assert films_of_both_with(library, before.id)
    desk.forget(library, before.id)
    assert not films_of_both_with(library, film.id)
    with pytest.raises(FileNotFoundError):
        open(shown, "rb")
    desk.window.hide(path_of_both(library, before, film))  # in another tab


def test_figures_of_different_motions_have_no_better_one(library, desk):
    film = add_film(library, WALK, figures=(81, 90))
    before = add_film(library, replace(WALK, finetuned=False), figures=(70, 90))
    turn = add_film(library, replace(WALK, motion="full_turn"), figures=(70, 80))
    assert opened(desk, library, film, before)["alike"]
    told = opened(desk, library, film, turn)
    assert not told["alike"] and told["said"] == [NOT_ALIKE]


def test_only_a_film_that_is_missing_is_made(library, desk):
    add_subject(library, "mini")
    film = add_film(library, WALK)
    for switch in ("steps", "", "../finetuned"):
        with pytest.raises(BadInput, match="already, or it cannot be made"):
            desk.make(library.visitor, switch, film.id)
    add_film(library, replace(WALK, finetuned=False))
    with pytest.raises(BadInput, match="already, or it cannot be made"):
        desk.make(library.visitor, "finetuned", film.id)
