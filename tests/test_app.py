"""The served app as a program sees it: named endpoints, files, visitors apart, bad input in plain words."""

import json
import os
import threading
import time
import urllib.error
import urllib.request
import zipfile
from dataclasses import fields
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

import app
from dreampose_core.jobs import client as jobs
from dreampose_core.jobs.inline import do_job, give_up, take_job
from dreampose_core.library.library import LOCAL, Library, new_visitor
from dreampose_core.page.desks.advanced import AdvancedDesk
from dreampose_core.page.desks.desk import LIFETIME, Desk
from dreampose_core.page.house import House
from dreampose_core.page.service import Service
from dreampose_core.page.window import Window
from dreampose_core.settings import AnimateSettings
from pose_tools.body.motion import find_motion, list_motions
from pose_tools.errors import BadInput
from pose_tools.sequence import PoseSequence
from pose_tools.video import probe, write_video

FEW = {"frames": 6, "fps": 12, "steps": 1, "s1": 1.0, "s2": 1.0, "seed": 3}
SHORT = {**FEW, "finetune_steps": 1, "decoder_steps": 1}
MOTION = "hands_on_hips"


def connect(url: str) -> Client:
    return Client(url, verbose=False, analytics_enabled=False)


@pytest.fixture(scope="module")
def local(served):
    return connect(served.local)


@pytest.fixture(scope="module")
def public(served):
    return connect(served.public)


def animate(client: Client, photo: Path | None, **changes) -> dict:
    values = {"motion": MOTION, **SHORT, "subject": "", "visitor": "", **changes}
    return client.predict(photo=photo and handle_file(photo), api_name="/animate", **values)


def ended(client: Client, told: dict, seconds: float = 120) -> dict:
    until = time.monotonic() + seconds
    while told["state"] in ("queued", "running"):
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.3)
        told = client.predict(told["job"], told["visitor"], api_name="/status")
    return told


@pytest.fixture(scope="module")
def film(local, example_photo):
    """A finished film of a new subject in the local library."""
    told = ended(local, animate(local, example_photo))
    assert told["state"] == "done", told["error"]
    return told


def test_the_endpoints_are_named_and_explained(local):
    endpoints = local.view_api(return_format="dict", print_info=False)
    named = {"/animate", "/extract", "/status", "/cancel", "/result", "/poses", "/motions"}
    assert set(endpoints["named_endpoints"]) == named
    assert not endpoints["unnamed_endpoints"], "what the page itself does is no part of the API"
    for name, info in endpoints["named_endpoints"].items():
        assert info["description"], name
        assert all(p["parameter_name"] != f"param_{i}" for i, p in enumerate(info["parameters"])), name


def test_every_setting_is_an_argument_of_the_endpoint_with_its_own_line(local):
    (info,) = (i for n, i in local.view_api(return_format="dict", print_info=False)["named_endpoints"].items()
               if n == "/animate")  # fmt: skip
    named = {p["parameter_name"] for p in info["parameters"]}
    merged = {"extraction", "guidance_interval"}  # the id of a motion, and two numbers
    assert {field.name for field in fields(AnimateSettings)} - merged <= named
    assert {"guidance_from", "guidance_to", "more_photos", "background_picture", "offload", "compile"} <= named
    assert all(f"            {name}: " in Service.animate.__doc__ for name in named)
    required = {p["parameter_name"] for p in info["parameters"] if not p["parameter_has_default"]}
    assert required == {"photo", "motion"}


def test_the_motions_are_those_of_the_gallery(local):
    told = local.predict(api_name="/motions")
    assert [m["name"] for m in told] == [m.name for m in list_motions()]
    assert all(m["title"] and m["seconds"] > 0 for m in told)


def test_a_film_comes_with_its_four_files(local, film):
    beside, alone, gif, frames = local.predict(film["job"], "", api_name="/result")
    beside, alone = (v["video"] if isinstance(v, dict) else v for v in (beside, alone))
    assert probe(alone).frames == 6
    assert probe(beside).width > 3 * probe(alone).width
    assert Path(gif).read_bytes()[:4] == b"GIF8"
    assert len(zipfile.ZipFile(frames).namelist()) == 6
    assert MOTION in Path(alone).name


def test_a_subject_is_used_again_without_a_finetune(served, local, film):
    told = ended(local, animate(local, None, motion="sway", subject=film["subject"]))
    assert told["state"] == "done", told["error"]
    assert told["subject"] == film["subject"]
    stages = {event.stage for event in jobs.events(Library(served.root), told["job"])}
    assert "render" in stages and not stages & {"finetune", "decoder"}


def read(client: Client, video: Path | None, **changes) -> dict:
    values = {"start": 0.0, "end": 0.5, "fps": 12, "person_x": -1, "person_y": -1}
    values |= {"estimator": "auto", "smooth": False, "visitor": ""}
    return client.predict(video=video and handle_file(video), api_name="/extract", **values | changes)


def test_a_video_is_read_and_followed_by_a_film_with_its_sound(served, local, public, film, driving_video):
    told = ended(local, read(local, driving_video))
    assert (told["state"], told["error"]) == ("done", None)
    preview, poses = local.predict(told["motion"], "", api_name="/poses")
    preview = preview["video"] if isinstance(preview, dict) else preview
    assert probe(preview).frames == len(PoseSequence.load(poses)) == 6
    made = ended(local, animate(local, None, motion=told["motion"], subject=film["subject"], frames=100))
    assert made["state"] == "done", made["error"]
    beside, alone, *_ = local.predict(made["job"], "", api_name="/result")
    for video in (v["video"] if isinstance(v, dict) else v for v in (beside, alone)):
        assert (probe(video).frames, probe(video).audio) == (6, True)
    assert "to-and-fro" in Path(alone).name
    with pytest.raises(AppError):
        public.predict(told["motion"], new_visitor(), api_name="/poses")
    with pytest.raises(AppError, match="no motion named"):
        animate(public, None, motion=told["motion"], subject=film["subject"], visitor=new_visitor())


def test_a_video_that_cannot_be_used_is_told_in_plain_words(local, driving_video, tmp_path):
    (tmp_path / "dance.mp4").write_text("This is no video at all.")
    for video, changes, words in (
        (None, {}, "choose a video"),
        (tmp_path / "dance.mp4", {}, "not a video that can be read"),
        (driving_video, {"start": 3.0, "end": 9.0}, "behind the end"),
        (driving_video, {"estimator": "guess"}, "no estimator named guess"),
    ):
        with pytest.raises(AppError, match=words):
            read(local, video, **changes)


def test_a_film_is_cancelled(local, example_photo):
    told = animate(local, example_photo, finetune_steps=1000)
    local.predict(told["job"], "", api_name="/cancel")
    assert ended(local, told, 5)["state"] == "cancelled"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"photo": None}, "choose a photo"),
        ({"seed": -1}, "The seed must be a whole number from 0 to"),
        ({"frames": 10**6}, "The number of frames must be a whole number from 1 to 1,800"),
        ({"fps": 12.5}, "The number of frames a second must be a whole number"),
        ({"scheduler": "euler"}, "The scheduler must be one of pndm, ddim"),
        ({"guidance_from": 0.8, "guidance_to": 0.2}, "must be two numbers from 0 to 1, the smaller one first"),
        ({"tuning": "huge"}, "The tuning must be one of lora, small, full"),
        ({"start_from": "nothing"}, "What the sampling starts from must be one of photo, noise, carried"),
        ({"strength": 0}, "The strength must be a number from 0.05 to 1"),
        ({"profile": "grand"}, "no model 'grand' here"),
        ({"offload": True}, "for a GPU, and this machine has none"),
        ({"subject": "../../etc"}, "no such subject"),
        ({"subject": "0" * 24}, "no such subject"),
        ({"motion": "moonwalk"}, "no motion named moonwalk.* catwalk"),
        ({"background": "picture"}, "choose a picture for the background"),
        ({"background": "plain", "background_colour": "red"}, "like #f2f2f2"),
    ],
)
def test_what_cannot_be_used_is_told_in_plain_words(local, example_photo, changes, words):
    with pytest.raises(AppError, match=words):
        animate(local, **{"photo": example_photo, **changes})


def test_every_choice_reaches_the_film(served, local, example_photo):
    asked = {"scheduler": "unipc", "guidance_from": 0.25, "guidance_to": 0.75, "tuning": "small", "profile": "tiny"}
    asked |= {"start_from": "carried", "strength": 0.5, "pull": 0.25}
    asked |= {"refined": False, "s1": None, "steps": None, "frames": 2}
    asked |= {"background": "picture", "background_picture": handle_file(example_photo)}
    further = [handle_file(example_photo), handle_file(example_photo)]
    told = ended(local, animate(local, example_photo, more_photos=further, **asked))
    assert told["state"] == "done", told["error"]
    library = Library(served.root)
    kept = library.clip(told["clip"]).settings
    assert kept["guidance_interval"] == [0.25, 0.75] and (kept["s1"], kept["steps"]) == (1.0, 2)
    same = ("scheduler", "tuning", "profile", "start_from", "strength", "pull", "refined", "frames")
    assert {name: kept[name] for name in same} == {name: asked[name] for name in same}
    assert library.clip(told["clip"]).backdrop.read_bytes() == example_photo.read_bytes(), "to be made anew"
    assert sorted(path.name for path in (library.subject(told["subject"]).folder / "more").iterdir()) == ["1", "2"]
    said = AdvancedDesk(House(served.root, profile="tiny")).of_subject(library, told["subject"])["tuned"]["text"]
    assert "for small cards" in said and "by 1 step and 1 of the decoder, from 3 photos" in said


def test_further_photos_that_cannot_be_used_are_told_by_name(local, film, example_photo, tmp_path):
    (tmp_path / "words.jpg").write_text("This is no photo at all.")
    with pytest.raises(AppError, match="words.jpg: This file is not a picture"):
        animate(local, example_photo, more_photos=[handle_file(tmp_path / "words.jpg")])
    with pytest.raises(AppError, match="Up to 8 further photos can be learnt from, and these are 9"):
        animate(local, example_photo, more_photos=[handle_file(example_photo)] * 9)
    with pytest.raises(AppError, match="learnt from only while a subject is tuned"):
        animate(local, None, subject=film["subject"], more_photos=[handle_file(example_photo)])


def test_a_text_that_says_it_is_a_photo_is_refused(local, tmp_path):
    (tmp_path / "photo.jpg").write_text("This is no photo at all.")
    with pytest.raises(AppError, match="not a picture"):
        animate(local, tmp_path / "photo.jpg")


def test_every_visitor_of_a_public_app_is_apart(served, public, example_photo):
    told = animate(public, example_photo, finetune_steps=1000)
    assert len(told["visitor"]) >= 24, "nobody guesses it"
    for visitor in ("", LOCAL, new_visitor(), "../" + told["visitor"], told["visitor"].upper()):
        for endpoint in ("/status", "/cancel", "/result"):
            with pytest.raises(AppError):
                public.predict(told["job"], visitor, api_name=endpoint)
    public.predict(told["job"], told["visitor"], api_name="/cancel")
    assert ended(public, told, 5)["state"] == "cancelled"


def test_nothing_of_the_library_or_the_machine_can_be_fetched(served, local, film):
    clip = Library(served.root).clip(film["job"])
    secrets = [clip.video, served.root / "jobs.sqlite3", app.__file__, "/etc/passwd", Path.home() / ".bashrc"]
    for path in secrets:
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(f"{served.local}gradio_api/file={path}")
        assert error.value.code in (403, 404), path


def test_a_path_that_a_client_types_is_not_read(served, film):
    """The queue takes raw JSON: a file that nobody uploaded must be refused whatever the client claims."""
    clip = Library(served.root).clip(film["job"])
    before = len(jobs.jobs(Library(served.root)))
    for endpoint, path, values in (
        ("animate", clip.thumbnail, [MOTION, *SHORT.values(), *[None] * 19, False, False]),
        ("animate", None, [MOTION, *SHORT.values(), *[None] * 8, [clip.thumbnail], *[None] * 10, False, False]),
        ("extract", clip.video, [0.0, 0.0, 12, -1, -1, "auto", True, ""]),
    ):
        def typed(path: Path) -> dict:
            return {"path": str(path), "meta": {"_type": "gradio.FileData"}}

        values = [[typed(path) for path in value] if isinstance(value, list) else value for value in values]
        file = path and typed(path)
        request = urllib.request.Request(
            f"{served.local}gradio_api/call/{endpoint}",
            json.dumps({"data": [file, *values]}).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            event = json.load(urllib.request.urlopen(request))["event_id"]
            answer = urllib.request.urlopen(f"{served.local}gradio_api/call/{endpoint}/{event}").read().decode()
            assert "event: error" in answer
        except urllib.error.HTTPError as error:
            assert error.code < 500
    assert len(jobs.jobs(Library(served.root))) == before


def test_the_page_keeps_no_history_and_calls_nobody(served):
    with urllib.request.urlopen(f"{served.local}config") as answer:
        config = json.load(answer)
    assert config["run_history"] is False
    assert not config["analytics_enabled"]
    assert str(Path.home()) not in json.dumps(config["css"])
    assert "https://" not in config["css"]


# The desk, without a page


@pytest.fixture
def desk(tmp_path):
    window = Window(tmp_path / "shown", lambda path: f"file={path}")
    return Desk(House(tmp_path / "library", public=True, profile="tiny", worker=False), (), window)


def test_a_visitor_is_known_again_and_a_wrong_one_gets_a_new_library(desk):
    first = desk.enter(None, None)["visitor"]
    assert desk.enter(first, None)["visitor"] == first
    for wrong in (LOCAL, "../up", "", "x" * 99):
        assert desk.enter(wrong, None)["visitor"] not in (wrong, first)


def test_who_stays_away_is_forgotten_and_who_comes_back_is_not(desk):
    gone, here = (desk.enter(None, None)["visitor"] for _ in range(2))
    for visitor in (gone, here):
        old = time.time() - LIFETIME - 60
        os.utime(Library(desk.house.root, visitor).folder, (old, old))
    Library(desk.house.root, here).touch()
    desk.enter(here, None)
    assert not Library(desk.house.root, gone).folder.exists()
    assert Library(desk.house.root, here).folder.exists()


def test_a_further_photo_that_is_added_opens_none_of_those_before(desk, example_photo):
    had = ["/gone/already.jpg"], [{"picture": "data:,", "title": "already.jpg"}]
    told = desk.advanced.take_more(None, [str(example_photo)], *had)
    assert told["more_photos"] == [*had[0], str(example_photo)] and told["more_shown"][0] == had[1][0]
    assert told["more_shown"][1]["picture"].startswith("data:image/jpeg") and told["more_note"] is None
    left = desk.advanced.drop_more(None, "0", told["more_photos"], told["more_shown"])
    assert left["more_photos"] == [str(example_photo)] and left["more_shown"] == told["more_shown"][1:]


def test_a_picture_for_behind_the_person_is_looked_at_at_once(desk, example_photo, tmp_path):
    (tmp_path / "words.jpg").write_text("This is no photo at all.")
    told = desk.advanced.take_backdrop(None, str(tmp_path / "words.jpg"))
    assert told["background_picture"] is None and "not a picture" in told["behind_note"]["text"]
    for path in (str(example_photo), None):
        told = desk.advanced.take_backdrop(None, path)
        assert told == {"behind_note": None, "go_note": None}, "it stays as it is"
    Image.open(example_photo).save(tmp_path / "wall.tiff")
    assert desk.advanced.take_backdrop(None, str(tmp_path / "wall.tiff"))["background_picture"].shape[-1] == 3


def test_a_wrong_link_is_told(desk):
    assert "no such link" in desk.enter(None, "x" * 32)["photo_note"]["text"]
    assert "no such link" in desk.enter(None, "../../x")["photo_note"]["text"]


def test_a_failed_film_that_was_closed_is_not_shown_again(served, desk, example_photo):
    root, library = desk.house.root, desk.house.enter(None)
    told = Service(desk.house).animate(str(example_photo), MOTION, *FEW.values(), 1, 1, "", library.visitor)
    job = take_job(root, "cpu")
    subject = job.settings["subject"]
    folder = library.subject_folder(subject)
    folder.mkdir(parents=True)
    Image.open(example_photo).save(folder / "photo.png")
    library.add_subject(subject, "One", np.zeros((8, 8, 3), np.uint8))
    give_up(root, job, "It failed.")
    assert jobs.status(library, told["job"]).state == "failed"
    assert "stage" in desk.enter(library.visitor, None)
    desk.put_away(library.visitor, told["job"])
    assert "stage" not in desk.enter(library.visitor, None)
    jobs.retry(library, told["job"])
    assert "stage" in desk.enter(library.visitor, None), "tried again"


def test_a_job_can_be_done_inside_the_call_and_given_up(served, desk, example_photo):
    root, library = desk.house.root, desk.house.enter(None)
    ask = Service(desk.house).animate
    told = ask(str(example_photo), MOTION, *FEW.values(), 1, 1, "", library.visitor)
    assert told["state"] == "queued"
    assert desk.enter(library.visitor, None)["photo"].ndim == 3, "it is there after a reload before the person is found"
    job = take_job(root, "cpu")
    assert job.id == told["job"] and take_job(root, "cpu") is None
    do_job(root, job)
    give_up(root, job, "The time ran out.")  # too late
    done = desk.poll(library.visitor, job.id, job.id)
    assert done["subject"], "the photo in its place is tuned now"
    assert desk.poll(library.visitor, job.id, None)["subject"] is None, "another photo was taken meanwhile"
    film = Path(done["film"])
    assert film.name == f"dreampose-{MOTION}-side-by-side.mp4" and film.is_file()

    ask(None, "sway", *FEW.values(), 1, 1, done["subject"], library.visitor)
    cut_off = take_job(root, "cpu")
    give_up(root, cut_off, "The time ran out.")
    failed = desk.poll(library.visitor, cut_off.id, None)
    assert failed["progress"]["error"] == "The time ran out."

    desk.erase_clip(library.visitor, done["clip"], done["clip"], None)
    assert not film.exists(), "what is deleted can be fetched no more"


def add_motion(library: Library, name: str, made: Path) -> None:
    """A motion as it was read from a video."""
    made.mkdir()
    find_motion("sway").save(made).rename(made / "motion.npz")
    write_video([np.zeros((64, 64, 3), np.uint8)] * 2, made / "preview.mp4", 12)
    PoseSequence(np.zeros((2, 64, 64, 3), np.uint8), 12).save(made / "poses.npz")
    facts = {"title": "Sway", "seconds": 10.0, "fps": 15.0, "body": True, "why": "Because.", "notes": []}
    library.add_motion(name, made, facts)


def test_the_latest_of_two_choices_in_one_moment_is_put_on_the_photo(desk, example_photo, tmp_path):
    """The photo is dropped while the second motion is being chosen: neither event knows what the other does."""
    library, photo = desk.house.enter(None), str(example_photo)
    for name in ("first", "second"):
        add_motion(library, name, tmp_path / name)
    (tmp_path / "words.jpg").write_text("This is no photo at all.")
    choose, fit, poll = (partial(each, library.visitor) for each in (
        desk.motions.choose, desk.motions.fit, desk.motions.poll_fitting))  # fmt: skip

    def motion_of(look: str) -> str:
        return jobs.status(library, look).settings["motion"]

    now = choose("second", None, None, "first")  # it saw no photo
    assert now["fitting"] is None and now["fit_timer"]["active"]
    now |= fit(photo, None, "first")  # and this one the motion before, and ends last
    assert motion_of(now["fitting"]) == "first"
    mended = poll(photo, None, "second", now["fitting"], now["fitted"])
    assert motion_of(mended["fitting"]) == "second" and mended["fit_timer"]["active"]
    jobs.cancel(library, mended["fitting"])

    wrong = str(tmp_path / "words.jpg")
    refused = poll(wrong, None, "second", mended["fitting"], mended["fitted"])
    assert "not a picture" in refused["fit"]["text"]
    assert poll(wrong, None, "second", None, refused["fitted"]) == {"fit_timer": {"active": False}}, "asked but once"
    for thread in threading.enumerate():  # the looks that were begun
        if "_do_waiting" in thread.name:
            thread.join(60)


def test_a_motion_is_put_on_the_photo_where_no_worker_is(served, desk, example_photo, tmp_path):
    library = desk.house.enter(None)
    add_motion(library, "own", tmp_path / "made")
    onto = str(example_photo), None, "own"
    chosen = desk.motions.choose(library.visitor, "own", str(example_photo), None, None)
    assert (chosen["frames"]["value"], chosen["frames"]["maximum"], chosen["fps"]) == (150, 150, 15.0)
    assert desk.motions.pace(library.visitor, "own", 6)["frames"]["value"] == 60
    until = time.monotonic() + 60
    state = chosen["fitting"], chosen["fitted"]
    while "fit" not in (told := desk.motions.poll_fitting(library.visitor, *onto, *state)):
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.1)
    assert len(told["fit"]["pictures"]) == 5 and told["fit"]["body"]
    again = desk.motions.poll_fitting(library.visitor, *onto, state[0], told["fitted"])
    assert again == {"fit_timer": {"active": False}}
    assert desk.motions.choose(library.visitor, "catwalk", None, None, "own")["own"] is None
    desk.motions.drop(library.visitor, "own", "own")
    assert not Path(chosen["preview"]).exists(), "what is deleted can be fetched no more"


def test_the_desk_raises_plain_sentences_for_what_is_gone(desk):
    visitor = desk.enter(None, None)["visitor"]
    asks = (desk.open_clip, desk.take_subject, desk.toggle_share)
    for ask in (*asks, *(lambda v, job, f=f: f(v, job, None) for f in (desk.poll, desk.stop, desk.again))):
        with pytest.raises(BadInput, match="There is no such"):
            ask(visitor, "0" * 24)
