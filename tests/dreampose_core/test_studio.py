"""From a photo to a clip with a tiny model: whole, interrupted at every place, and killed at random."""

import json
import multiprocessing
import random
import shutil
import time
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image

from dreampose_core.film import finishing
from dreampose_core.library.files import read_json, write_picture
from dreampose_core.library.library import Library
from dreampose_core.page.views import clip_view
from dreampose_core.profiles import PROFILES
from dreampose_core.progress import STAGES, Cancelled, Progress, SecondsLeft
from dreampose_core.settings import AnimateSettings
from dreampose_core.stopwatch import Stopwatch, expected_seconds, known_seconds, remember
from dreampose_core.studio import Order, expected, make_clip, make_subject
from dreampose_core.studio.pace import ways_of
from dreampose_core.studio.prepare import SHEET
from pose_tools.errors import BadInput
from pose_tools.sequence import PoseSequence
from pose_tools.video import probe
from tests.dreampose_core.tiny_profile import HEIGHT, WIDTH, add_tiny_profile

SPEEDS = "speeds-of-the-first.json"  # later clips change those that are remembered
SETTINGS = AnimateSettings("wave", frames=6, fps=12, seed=3, profile="tiny")


def order_for(root: Path, given: Path, **changes) -> Order:
    library = Library(root)
    order = Order(library, SETTINGS, library.job_folder("job"), "subject", "clip", title="Somebody")
    return replace(order, **({"photo": given / "photo.jpg", "poses": given / "wave.npz"} | changes))


@pytest.fixture(scope="module")
def whole(given, tmp_path_factory):
    """The undisturbed clip, what was reported, and its order."""
    order, reports = order_for(tmp_path_factory.mktemp("whole"), given), []
    clip = make_clip(order, reports.append)
    shutil.copyfile(order.library.root / "speeds-cpu.json", order.library.root / SPEEDS)
    return clip, reports, order


def contents(clip) -> dict:
    """All of a clip that must be equal between two runs: pixels, poses, and the files of the videos."""
    with zipfile.ZipFile(clip.frames) as archive:
        frames = {name: archive.read(name) for name in archive.namelist()}
    videos = [path.read_bytes() for path in (clip.video, clip.side_by_side, clip.gif)]
    return frames | {"videos": videos, "poses": PoseSequence.load(clip.poses).iuv.tobytes()}


def test_a_clip_has_all_its_files(whole):
    clip, _, order = whole
    assert len(contents(clip)) == 6 + 2
    info = probe(clip.video)
    assert (info.width, info.height, info.fps, info.frames) == (WIDTH, HEIGHT, 12, 6)
    assert probe(clip.side_by_side).width > 3 * WIDTH
    assert len(PoseSequence.load(clip.poses)) == 6
    assert Image.open(clip.thumbnail).size == (WIDTH, HEIGHT)
    assert (clip.subject, clip.title) == ("subject", "Somebody")
    report = read_json(clip.report)
    assert set(report["seconds"]) == set(STAGES)
    assert report["total_seconds"] == pytest.approx(sum(report["seconds"].values()), abs=0.01)
    assert report["peak_memory_bytes"] > 1e8
    assert report["settings"] == clip.settings
    assert clip.settings["steps"] == 2 and clip.settings["finetune_steps"] == 3, "defaults are written out"
    assert order.library.subject("subject").tuned == ("tiny",)


def test_the_stages_come_in_order_and_end_full(whole):
    _, reports, _ = whole
    stages = [report.stage for report in reports]
    assert sorted(stages, key=STAGES.index) == stages
    assert set(stages) == set(STAGES)
    for stage in STAGES:
        last = [report for report in reports if report.stage == stage][-1]
        assert last.step == last.total
    losses = [r.loss for r in reports if r.stage == "finetune" and r.loss is not None]
    assert len(losses) == 3
    previews = [r.preview for r in reports if r.stage == "render" and r.preview is not None]
    assert len(previews) == 6
    assert previews[0].shape == (HEIGHT, WIDTH, 3)


def test_a_finished_clip_is_not_made_again(whole):
    clip, _, order = whole
    reports = []
    assert make_clip(order, reports.append) == clip
    assert not reports


def test_interrupted_at_every_report_it_ends_the_same(whole, given, tmp_path):
    """Each run is stopped a little after the last one's stop, so that every place is met."""
    undisturbed, reports, _ = whole
    order, runs = order_for(tmp_path, given), 0
    seen = set()
    while True:
        fresh = 0

        def stop_at_something_new(progress):
            nonlocal fresh
            key = (progress.stage, progress.step, progress.message)
            fresh += key not in seen
            seen.add(key)
            if fresh > 1:
                raise Cancelled

        try:
            clip = make_clip(order, stop_at_something_new)
            break
        except Cancelled:
            runs += 1
            assert order.library.clips() == []
    assert runs >= 12
    assert contents(clip) == contents(undisturbed)
    assert read_json(clip.report)["runs"] == runs + 1


def _run(root: str, given: str, threads: int) -> None:
    torch.set_num_threads(threads)  # those of the undisturbed film: sums of a network differ with their number
    add_tiny_profile(Path(given) / "model")
    make_clip(order_for(Path(root), Path(given)))


def test_killed_at_ten_random_moments_it_ends_the_same(whole, given, tmp_path):
    undisturbed, threads = whole[0], torch.get_num_threads()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.dreampose_core.test_studio"])
    first = context.Process(target=print)  # starts the server, which imports everything once
    first.start()
    first.join()
    start = time.monotonic()
    calm = context.Process(target=_run, args=(str(tmp_path / "calm"), str(given), threads))
    calm.start()
    calm.join()
    seconds = time.monotonic() - start
    rng = random.Random(5)
    for _ in range(10):
        process = context.Process(target=_run, args=(str(tmp_path / "wild"), str(given), threads))
        process.start()
        time.sleep(rng.uniform(0.02, 0.5) * seconds)
        process.kill()
        process.join()
    last = context.Process(target=_run, args=(str(tmp_path / "wild"), str(given), threads))
    last.start()
    last.join()
    assert last.exitcode == 0
    for root in ("calm", "wild"):
        assert contents(Library(tmp_path / root).clip("clip")) == contents(undisturbed), root


def test_a_second_motion_needs_no_photo_and_no_finetune(whole, given, tmp_path):
    _, _, first = whole
    reports = []
    poses = PoseSequence.load(first.library.clip("clip").poses)
    PoseSequence(poses.iuv[:4], 12).save(tmp_path / "charts.npz")
    order = replace(
        first,
        photo=None,
        clip="second",
        poses=tmp_path / "charts.npz",
        folder=first.library.job_folder("two"),
    )
    clip = make_clip(order, reports.append)
    assert {report.stage for report in reports} == {"prepare", "render", "write"}
    assert clip.settings["finetune_steps"] == 3, "as it was tuned"
    info = probe(clip.video)
    assert info.frames == 4, "charts from a file end where they end"
    drawn = PoseSequence.load(clip.poses).iuv
    assert (drawn[..., 0] == poses.iuv[:4, ..., 0]).mean() > 0.95, "the same body in the same poses"
    asks = replace(order, clip="third", settings=replace(SETTINGS, finetune_steps=9))
    with pytest.raises(BadInput, match="finetuned with 3 and 2 steps"):
        make_clip(asks)


def test_a_subject_alone(given, tmp_path):
    order = order_for(tmp_path, given, clip="", settings=replace(SETTINGS, finetune_steps=1, decoder_steps=0))
    reports = []
    make_subject(order, reports.append)
    assert {report.stage for report in reports} == {"prepare", "finetune"}
    assert order.library.subject("subject").tuned == ("tiny",)


def test_a_damaged_finetune_is_made_anew(whole, given, tmp_path):
    shutil.copytree(whole[2].library.root, tmp_path, dirs_exist_ok=True)
    order, reports = order_for(tmp_path, given, clip=""), []
    tuned = order.library.subject_folder("subject") / "tuned" / "tiny"
    before = {path.name: path.read_bytes() for path in tuned.iterdir()}
    for name in ("adapter.safetensors", "finished.json"):
        (tuned / name).write_bytes(before[name][:-9])
        make_subject(order, reports.append)
        assert {path.name: path.read_bytes() for path in tuned.iterdir()} == before
    said = [report.message for report in reports if "anew" in report.message]
    assert said == [
        "The file adapter.safetensors is damaged, or it is not a file of weights. This subject is finetuned anew."
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"photo": None}, "no such subject"),
        ({"settings": replace(SETTINGS, profile="grand")}, "no profile 'grand'"),
        ({"poses": None, "settings": replace(SETTINGS, motion="flying")}, "no motion named flying"),
        ({"poses": Path("gone.npz")}, "no pose file named gone.npz"),
    ],
)
def test_what_cannot_be_made(given, tmp_path, change, sentence):
    with pytest.raises(BadInput, match=sentence):
        make_clip(order_for(tmp_path, given, **change))
    assert Library(tmp_path).subjects() == []


def test_a_wrong_pose_file(given, tmp_path):
    np.savez(tmp_path / "poses.npz", iuv=np.zeros((3, 5, 5, 4), np.uint8), fps=np.float64(12))
    with pytest.raises(BadInput, match="shape"):
        make_clip(order_for(tmp_path, given, poses=tmp_path / "poses.npz"))


def test_a_photo_without_a_person(given, tmp_path):
    Image.new("RGB", (300, 400), "grey").save(tmp_path / "wall.png")
    order = order_for(tmp_path, given, photo=tmp_path / "wall.png")
    with pytest.raises(BadInput, match="No person was found"):
        make_clip(order)
    assert order.library.subjects() == []


def test_a_film_that_goes_on_with_a_new_sheet_keeps_no_frame_of_the_old_one(whole, given, tmp_path):
    order = order_for(tmp_path, given)

    def stop(progress):
        if progress.stage == "write":
            raise Cancelled

    with pytest.raises(Cancelled):
        make_clip(order, stop)
    for frame in (order.folder / "frames").iterdir():
        write_picture(frame, np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    sheet = order.library.subject_folder("subject") / SHEET
    with np.load(sheet) as data:
        arrays = dict(data)
    arrays.pop("shade")
    np.savez(sheet, **arrays)  # as an earlier version left it
    assert contents(make_clip(order)) == contents(whole[0])


def test_speeds_are_remembered(whole, given, tmp_path):
    clip, _, order = whole
    took = read_json(clip.report)["seconds"]
    shutil.copyfile(order.library.root / SPEEDS, tmp_path / "speeds-cpu.json")
    for stage, seconds in expected(order_for(tmp_path, given)).items():
        assert seconds == pytest.approx(took[stage], rel=0.1, abs=0.05), stage
    double = order_for(tmp_path, given, settings=replace(SETTINGS, frames=12))
    assert expected(double)["render"] == pytest.approx(2 * took["render"], rel=0.1)
    assert expected(order)["prepare"] == expected(order)["finetune"] == 0, "this subject is there already"


def test_a_finetune_of_one_step_says_nothing_false_of_one_of_forty(tmp_path, monkeypatch):
    """What comes before the first step is told apart from the steps."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    watch, speeds = Stopwatch(tmp_path / "stages.json"), tmp_path / "speeds.json"
    told = watch.listen(lambda progress: None)
    for now[0], step in ((20.0, 0), (30.0, 0), (31.0, 1)):
        told(Progress("finetune", step, 1))
    remember(speeds, "tiny", {"finetune": 1}, watch, {"finetune": "lora"})
    for way in ("lora", "full"):
        assert expected_seconds(speeds, "tiny", {"finetune": 40}, {"finetune": way}) == {"finetune": 30 + 40 * 1.0}
        assert expected_seconds(speeds, "tiny", {"finetune": 0}, {"finetune": way}) == {"finetune": 0.0}
    assert known_seconds(speeds, "tiny", {"finetune": 40}, {"finetune": "lora"}) == 70.0
    assert watch.summary()["seconds"] == {"finetune": 31.0}


def test_speeds_are_told_apart_by_the_tuning_and_by_what_a_frame_takes(given, tmp_path):
    watch = Stopwatch(tmp_path / "stages.json")
    watch.seconds = {"finetune": 10.0, "render": 8.0}
    speeds, units = tmp_path / "speeds.json", {"finetune": 5, "render": 4}
    remember(speeds, "tiny", units, watch, {"finetune": "full", "render": "3 conditions, detail"})
    watch.seconds = {"finetune": 1.0, "render": 2.0}
    remember(speeds, "tiny", units, watch, {"finetune": "lora", "render": "1 conditions"})
    told = partial(expected_seconds, speeds, "tiny", units)
    assert told({"finetune": "full", "render": "3 conditions, detail"}) == pytest.approx({"finetune": 10, "render": 8})
    assert told({"finetune": "lora", "render": "1 conditions"}) == pytest.approx({"finetune": 1, "render": 2})
    assert told({"finetune": "small"}) == pytest.approx({"finetune": 1, "render": 2}), "as the last one"
    assert known_seconds(speeds, "tiny", units, {"finetune": "full", "render": "1 conditions"}) == pytest.approx(12)
    assert known_seconds(speeds, "tiny", units, {"finetune": "small", "render": "1 conditions"}) is None
    order = order_for(tmp_path, given)
    for change in ({"tuning": "full"}, {"s1": 3.0}, {"refined": False}, {"background": "plain"}):
        assert ways_of(replace(order, settings=replace(SETTINGS, **change))) != ways_of(order), change


def test_seconds_left_follow_what_is_measured():
    left = SecondsLeft({"prepare": 5.0, "finetune": 10.0, "render": 20.0})
    assert left.update(Progress("prepare", 0, 4), 0.0) == pytest.approx(5 + 10 + 20)
    assert left.update(Progress("prepare", 1, 4), 0.1) == pytest.approx(4.9 + 10 + 20)
    assert left.update(Progress("finetune", 0, 10), 5.0) == pytest.approx(10 + 20)
    left.update(Progress("finetune", 0, 10), 9.0)
    for step in range(1, 10):
        seconds = left.update(Progress("finetune", step, 10), 9.0 + 2.0 * step)
    assert seconds == pytest.approx(2.0 + 20 * 2, rel=0.05), (
        "twice as slow as expected, so will be the rendering"
    )
    left.update(Progress("render", 0, 10), 30.0)
    for step in range(1, 11):
        seconds = left.update(Progress("render", step, 10), 30.0 + step)
        if step == 8:
            assert seconds == pytest.approx(2 * (8 * 1.0 + 3 * 2.0) / 11)
    assert seconds == 0.0


def test_seconds_left_do_not_begin_anew_with_every_report_of_a_set_up():
    left = SecondsLeft({"finetune": 10.0})
    told = [left.update(Progress("finetune", 0, 10), 3.0 * report) for report in range(4)]
    assert told == [10.0, 7.0, 5.0, 5.0], "it runs down as far as half of it"


def test_seconds_left_run_down_between_batches():
    left, told = SecondsLeft({"render": 20.0}), []
    left.update(Progress("render", 0, 20), 0.0)
    for batch in range(5):  # four frames in four seconds, which are told in the last of them
        for second in range(1, 4):
            told.append(left.update(Progress("render", 4 * batch, 20), 4.0 * batch + second))
        for step in range(1, 5):
            told.append(left.update(Progress("render", 4 * batch + step, 20), 4.0 * batch + 3 + step / 4))
    assert told[-1] == 0.0
    assert np.diff(told[6:]).max() <= 2.001, "after the first batch it goes up by no more than half of one"


def test_a_slow_down_of_the_training_is_told_at_once():
    left = SecondsLeft({})
    for step in range(11):
        left.update(Progress("finetune", step, 30), now=float(step))
    slow = left.update(Progress("finetune", 11, 30), now=22.0)
    assert slow == pytest.approx(19 * 22 / 11)
    left.update(Progress("finetune", 0, 30), now=30.0)
    assert left.update(Progress("finetune", 1, 30), now=33.0) == pytest.approx(29 * 3), "begun anew, measured anew"


def test_another_background_is_put_behind_every_frame(whole, given, tmp_path, monkeypatch):
    """A tuned subject, and a picture that comes as a file beside the settings."""
    _, _, first = whole
    Image.new("RGB", (90, 70), (10, 60, 90)).save(tmp_path / "sea.png")
    settings = replace(SETTINGS, background="picture")
    order = replace(first, settings=settings, clip="sea", folder=tmp_path / "job")
    with pytest.raises(BadInput, match="choose a picture"):
        make_clip(order)
    drawn = Mock(side_effect=finishing.carry)
    monkeypatch.setattr(finishing, "carry", drawn)
    clip = make_clip(replace(order, backdrop=tmp_path / "sea.png"))
    assert drawn.call_count == clip.settings["frames"], "each person is drawn once"
    made, before = (_frames_of(one) for one in (clip, first.library.clip(first.clip)))
    assert made.shape == before.shape
    assert (np.abs(made.astype(int) - before).reshape(len(made), -1).max(1) > 20).all(), "every frame"
    assert clip.settings["background"] == "picture"


def _frames_of(clip) -> np.ndarray:
    with zipfile.ZipFile(clip.frames) as archive:
        return np.stack([np.array(Image.open(archive.open(name))) for name in sorted(archive.namelist())])


def test_what_is_left_out_of_a_film_changes_it_and_is_said(whole):
    _, _, first = whole
    usual, made = first.library.clip(first.clip), {}
    for name in ("finetuned", "refined"):
        order = replace(first, settings=replace(SETTINGS, **{name: False}), clip=f"no-{name}")
        made[name] = make_clip(replace(order, folder=first.folder.with_name(order.clip)))
        assert not np.array_equal(_frames_of(made[name]), _frames_of(usual))
    usual_title = clip_view(usual)["title"]
    assert clip_view(made["finetuned"])["title"] == f"{usual_title}, before the finetune"
    assert clip_view(made["refined"])["title"] == f"{usual_title}, without the refiner"


def test_a_profile_that_begins_from_the_carried_picture_makes_such_films(whole, monkeypatch):
    _, _, first = whole

    def film(name: str, settings: AnimateSettings = SETTINGS) -> np.ndarray:
        folder = first.folder.with_name(name)
        return _frames_of(make_clip(replace(first, settings=settings, clip=name, folder=folder)))

    asked = film("asked", replace(SETTINGS, start_from="carried", strength=0.5))
    monkeypatch.setitem(PROFILES, "tiny", replace(PROFILES["tiny"], start="carried", strength=0.5))
    assert np.array_equal(film("own"), asked) and not np.array_equal(asked, _frames_of(first.library.clip("clip")))


def test_a_profile_of_finer_films_makes_them_with_detail_or_without(whole, given, tmp_path, monkeypatch):
    _, _, first = whole
    monkeypatch.setitem(PROFILES, "tiny", replace(PROFILES["tiny"], finer=2))
    order = order_for(tmp_path, given, settings=replace(SETTINGS, background="plain", background_colour="#102030"))
    clip = make_clip(order)
    made = _frames_of(clip)
    assert made.shape[1:3] == (2 * HEIGHT, 2 * WIDTH)
    assert np.abs(made[:, :9, :9].astype(int) - (0x10, 0x20, 0x30)).max() < 9, "the new background is as large"
    assert (probe(clip.video).width, probe(clip.side_by_side).height >= 2 * HEIGHT) == (2 * WIDTH, True)
    assert Image.open(clip.gif).size == (WIDTH, HEIGHT), "small, for messages"
    assert "likeness" in read_json(clip.report)["readouts"]
    plain = replace(order, settings=replace(SETTINGS, detailed=False), clip="plain", folder=tmp_path / "plain")
    assert _frames_of(make_clip(plain)).shape[1:3] == (HEIGHT, WIDTH)
    known = replace(first, clip="known", folder=tmp_path / "known")
    assert _frames_of(make_clip(known)).shape[1:3] == (HEIGHT, WIDTH), "a subject of before has no finer photo"


def test_a_film_in_the_photo_s_framing_shows_the_whole_photo(whole, tmp_path):
    clip, _, first = whole
    settings = replace(SETTINGS, framing="photo")
    order = replace(first, settings=settings, clip="wide", folder=tmp_path / "wide")
    made = make_clip(order)
    photo = Image.open(first.library.subject_folder(first.subject) / "whole.png")
    frames = _frames_of(made)
    assert frames.shape[2:0:-1] == photo.size != (WIDTH, HEIGHT)
    assert probe(made.side_by_side).width > 3 * photo.width
    told = [read_json(one.report)["readouts"]["likeness"]["error"] for one in (made, clip)]
    assert told[0] == pytest.approx(told[1], abs=0.02), "read out in the window"
    folder = order.library.subject_folder("subject")
    (folder / "window.json").rename(tmp_path / "window.json")
    with pytest.raises(BadInput, match="whole photo of this subject was not kept"):
        make_clip(replace(order, clip="again", folder=tmp_path / "again"))
    (tmp_path / "window.json").rename(folder / "window.json")


def test_a_film_is_read_out_and_the_page_says_how(whole):
    _, _, first = whole
    clip = first.library.clip(first.clip)
    told = json.loads(clip.report.read_text())["readouts"]
    assert all(0 <= one["value"] <= 100 for one in told.values())
    shown = clip_view(clip)["readouts"]
    assert [one["value"] for one in shown] == [one["value"] for one in told.values()]
    report = clip.report.read_text()
    clip.report.write_text("{}")  # a film of an earlier version
    assert clip_view(clip)["readouts"] == []
    clip.report.write_text(report)
