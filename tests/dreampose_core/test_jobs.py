"""Jobs with real processes: order, cancel, crashes, kills and visitors apart."""

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from dreampose_core.jobs import client
from dreampose_core.jobs.lock import is_held, lock_path, take
from dreampose_core.jobs.store import Store
from dreampose_core.library.library import LOCAL, Library, new_visitor
from dreampose_core.page.house import House
from dreampose_core.page.service import Service
from dreampose_core.page.views import progress_view
from dreampose_core.settings import AnimateSettings
from dreampose_core.trouble import sentence_for
from pose_tools.errors import BadInput
from tests.dreampose_core.person import draw_person
from tests.dreampose_core.tiny_profile import FOLDER, save_tiny_model, save_wave

ROOT = Path(__file__).resolve().parents[2]


def start_worker(root: Path, *options: str, kinds: str = "counting", **environment: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "dreampose_core.jobs.worker", "--library", str(root), *options]
    command += ["--kinds", f"tests.dreampose_core.{kinds}"]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | environment)


def wait_for(condition, seconds: float = 15.0):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
    return value


def ended(library: Library, job: str):
    return wait_for(lambda: (s := client.status(library, job)).ended and s)


def result(library: Library, job: str) -> dict:
    return Store(library.root).get(job).result


@pytest.fixture
def library(tmp_path):
    return Library(tmp_path)


@pytest.fixture
def worker(library):
    process = start_worker(library.root)
    yield process
    process.kill()
    process.wait()


def test_a_job_runs_and_says_what_it_does(library, worker):
    job = client.submit(library, "count", {"steps": 5})
    status = ended(library, job)
    assert (status.state, status.error) == ("done", None)
    assert (status.stage, status.step, status.total, status.message) == ("finetune", 5, 5, "step 5")
    events = client.events(library, job)
    assert [e.step for e in events] == [1, 2, 3, 4, 5]
    assert [e.loss for e in events] == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5])
    assert client.events(library, job, after=events[2].number) == events[3:]
    assert all(e.seconds_left > 0 for e in events), "the coming render stage counts too, however quick this one was"
    assert status.preview.read_bytes().startswith(b"\xff\xd8")


def test_jobs_run_in_order_and_know_their_place(library):
    jobs = [client.submit(library, "count", {"steps": 2}) for _ in range(3)]
    assert [client.status(library, job).ahead for job in jobs] == [0, 1, 2]
    assert [s.id for s in client.jobs(library)] == jobs[::-1]
    process = start_worker(library.root, "--idle-exit", "0.5")
    assert process.wait(20) == 0
    finished = [Store(library.root).get(job).finished for job in jobs]
    assert finished == sorted(finished)


def test_cancel_takes_effect_within_a_second_in_a_long_step(library, worker):
    job = client.submit(library, "count", {"steps": 3, "long_step": 2, "long_seconds": 60})
    after = client.submit(library, "count", {"steps": 1})
    wait_for(lambda: client.status(library, job).step == 1)
    start = time.monotonic()
    client.cancel(library, job)
    assert ended(library, job).state == "cancelled"
    assert time.monotonic() - start < 1.0
    assert ended(library, after).state == "done"
    client.cancel(library, job)
    assert client.status(library, job).state == "cancelled"


def test_a_waiting_job_is_cancelled_without_a_worker_and_can_be_tried_again(library):
    job = client.submit(library, "count", {"steps": 1})
    client.cancel(library, job)
    assert client.status(library, job).state == "cancelled"
    client.retry(library, job)
    assert client.status(library, job).state == "queued"
    with pytest.raises(BadInput, match="failed or was cancelled"):
        client.retry(library, job)
    with pytest.raises(BadInput, match="still at work"):
        client.forget(library, job)
    client.cancel(library, job)
    client.forget(library, job)
    assert client.jobs(library) == []
    assert not library.job_folder(job).exists()


@pytest.mark.parametrize(
    ("misdeed", "sentence"),
    [
        ({"fail_at": 2}, "There is no person in the picture."),
        ({"wrong_at": 2}, "ZeroDivisionError: three by none"),
        ({"full_at": 2}, "The disk is full"),
    ],
)
def test_failures_are_sentences_and_the_worker_goes_on(library, worker, misdeed, sentence):
    job = client.submit(library, "count", {"steps": 3} | misdeed)
    status = ended(library, job)
    assert status.state == "failed"
    assert sentence in status.error
    assert ended(library, client.submit(library, "count", {"steps": 1})).state == "done"


def test_nothing_is_lost_on_a_full_disk(library, worker):
    job = client.submit(library, "count", {"steps": 4, "full_at": 3})
    assert ended(library, job).state == "failed"
    (library.job_folder(job) / "room").touch()
    client.retry(library, job)
    assert ended(library, job).state == "done"
    assert [e.step for e in client.events(library, job)] == [1, 2, 3, 4]


def test_a_job_that_crashes_the_worker_three_times_fails(library, worker):
    job = client.submit(library, "count", {"steps": 3, "crash_at": 2})
    after = client.submit(library, "count", {"steps": 1})
    status = ended(library, job)
    assert status.state == "failed"
    assert "died 3 times at the same place" in status.error
    assert ended(library, after).state == "done"


def test_kills_from_outside_are_not_the_fault_of_the_job(library, worker):
    job = client.submit(library, "count", {"steps": 2, "long_step": 1, "long_seconds": 0.8})
    for _ in range(4):
        wait_for(lambda: client.status(library, job).state == "running")
        time.sleep(0.2)
        victim = wait_for(lambda: executor_of(worker))
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda victim=victim: executor_of(worker) not in (None, victim))
    assert ended(library, job).state == "done"


def executor_of(worker: subprocess.Popen) -> int | None:
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
    return int(children[0]) if children else None


def test_ten_kills_at_random_moments_change_nothing(tmp_path):
    """Supervisor or executor die at ten random moments; the job ends with the undisturbed result."""
    settings = {"steps": 40, "seconds": 0.01, "keep_every": 4, "seed": 7}
    calm, wild = Library(tmp_path / "calm"), Library(tmp_path / "wild")
    calm_job = client.submit(calm, "count", settings)
    assert start_worker(calm.root, "--idle-exit", "0.2").wait(20) == 0
    wild_job = client.submit(wild, "count", settings | {"seconds": 0.15})
    rng = random.Random(0)
    for kill in range(10):
        worker = start_worker(wild.root)
        before = len(client.events(wild, wild_job))
        wait_for(lambda before=before: len(client.events(wild, wild_job)) > before)
        time.sleep(rng.uniform(0, 0.3))
        victim = worker.pid if kill % 3 else executor_of(worker)
        os.kill(victim, signal.SIGKILL)
        worker.kill()
        worker.wait()
    last = start_worker(wild.root)
    assert ended(wild, wild_job).state == "done"
    last.kill()
    last.wait()
    assert result(wild, wild_job) == result(calm, calm_job)


def test_a_killed_worker_leaves_no_executor_behind(library):
    worker = start_worker(library.root)
    job = client.submit(library, "count", {"steps": 2, "long_step": 2, "long_seconds": 60})
    wait_for(lambda: client.status(library, job).step == 1)
    assert is_held(lock_path(library.root, "cpu"))
    worker.kill()
    worker.wait()
    wait_for(lambda: not is_held(lock_path(library.root, "cpu")), 3)


def test_a_job_stopped_while_its_worker_was_dead_does_not_start_again(library):
    worker = start_worker(library.root)
    job = client.submit(library, "count", {"steps": 100, "seconds": 0.1})
    wait_for(lambda: client.status(library, job).step >= 1)
    worker.kill()
    worker.wait()
    client.cancel(library, job)
    start_worker(library.root, "--idle-exit", "0.2").wait(20)
    assert client.status(library, job).state == "cancelled"


def test_one_worker_for_a_device(library, worker):
    wait_for(lambda: is_held(lock_path(library.root, "cpu")))
    second = start_worker(library.root)
    assert second.wait(20) == 0
    assert worker.poll() is None
    assert not is_held(lock_path(library.root, "cuda:1"))
    with pytest.raises(BadInput, match="no such device"):
        client.submit(library, "count", {}, device="../cpu")


def test_the_lock_is_free_when_its_holder_lets_go(tmp_path):
    file = take(tmp_path / "lock")
    assert take(tmp_path / "lock") is None
    os.close(file)
    assert not is_held(tmp_path / "lock")


def test_visitors_are_apart(tmp_path):
    one, other = Library(tmp_path, new_visitor()), Library(tmp_path, new_visitor())
    job = client.submit(one, "count", {"steps": 1})
    assert client.jobs(other) == []
    for call in (client.status, client.cancel, client.retry, client.forget, client.events):
        with pytest.raises(BadInput, match="There is no such job"):
            call(other, job)
    with pytest.raises(BadInput, match="There is no such job"):
        client.status(one, "../../etc")
    assert client.status(one, job).state == "queued"


def test_the_sweep_takes_what_is_old_and_idle(tmp_path):
    local, old, busy, new = (Library(tmp_path, v) for v in (LOCAL, "old", "busy", "new"))
    for library in (local, old, busy, new):
        job = client.submit(library, "count", {"steps": 1})
        if library is not busy:
            client.cancel(library, job)
        if library is not new:
            os.utime(library.folder, (1, 1))
    assert client.sweep(tmp_path, lifetime=3600) == ["old"]
    assert not old.folder.exists()
    assert client.jobs(old) == []
    assert all(len(client.jobs(kept)) == 1 for kept in (local, busy, new))


def test_a_photo_becomes_a_clip_in_the_worker_and_then_another(library, tmp_path):
    Image.fromarray(draw_person()).save(tmp_path / "photo.jpg")
    settings = AnimateSettings("wave", frames=3, profile="tiny")
    poses = save_wave(tmp_path)
    first = client.submit_animate(library, settings, photo=tmp_path / "photo.jpg", poses=poses, title="Me")
    with pytest.raises(BadInput, match="no such subject"):
        client.submit_animate(library, settings, subject=client.status(library, first).settings["subject"])
    save_tiny_model(tmp_path / "model")
    environment = {FOLDER: str(tmp_path / "model"), "OMP_NUM_THREADS": "1"}
    worker = start_worker(library.root, kinds="tiny_profile", **environment)
    try:
        status = wait_for(lambda: (s := client.status(library, first)).ended and s, 120)
        assert (status.state, status.error, status.clip) == ("done", None, first)
        second = client.submit_animate(library, settings, subject=status.subject, poses=poses)
        assert wait_for(lambda: (s := client.status(library, second)).ended and s, 60).state == "done"
    finally:
        worker.kill()
        worker.wait()
    assert {event.stage for event in client.events(library, second)} == {"prepare", "render", "write"}
    assert [clip.title for clip in library.clips(status.subject)] == ["Me", "Me"]
    assert library.clip(first).video.exists()
    assert not library.job_folder(first).exists(), "the photo is not kept a second time"


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [("photo", b"<svg/>", "SVG"), ("photo", b"", "empty"), ("poses", b"words", "not a readable .npz")],
)
def test_wrong_files_are_refused_at_once(library, tmp_path, name, data, sentence):
    Image.fromarray(draw_person()).save(tmp_path / "good.jpg")
    (tmp_path / "bad").write_bytes(data)
    files = {"photo": tmp_path / "good.jpg"} | {name: tmp_path / "bad"}
    with pytest.raises(BadInput, match=sentence):
        client.submit_animate(library, AnimateSettings("wave"), **files)
    assert client.jobs(library) == []


def test_a_job_is_refused_where_the_disk_has_no_room(library, monkeypatch):
    monkeypatch.setattr(client, "ROOM_NEEDED", 2**62)
    with pytest.raises(BadInput, match="The disk is almost full"):
        client.submit(library, "count", {"steps": 1})


@pytest.mark.parametrize(("framing", "megabytes"), [("film", 983), ("photo", 2458)])
def test_the_room_of_a_film_is_counted_at_the_size_of_its_frames(library, tmp_path, monkeypatch, framing, megabytes):
    person = Image.fromarray(draw_person())
    person.resize((1200, 2400)).save(tmp_path / "photo.png")
    settings = AnimateSettings("catwalk", frames=600, framing=framing, finetuned=False)
    usage = shutil.disk_usage(tmp_path)
    free = megabytes * 10**6 + client.ROOM_NEEDED + (tmp_path / "photo.png").stat().st_size
    for enough, given in ((False, 0.9 * free), (True, 1.1 * free)):
        monkeypatch.setattr(shutil, "disk_usage", lambda path, given=given: usage._replace(free=int(given)))
        if enough:
            client.submit_animate(library, settings, photo=tmp_path / "photo.png")
        else:
            with pytest.raises(BadInput, match=r"The disk is almost full: this may need \d\.\d GB"):
                client.submit_animate(library, settings, photo=tmp_path / "photo.png")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_full_disk_has_one_sentence_whoever_meets_it(tmp_path):
    with pytest.raises(OSError) as caught, open("/dev/full", "w") as file:
        file.write("x" * 100000)
    assert sentence_for(caught.value).startswith("The disk is full")
    told = OSError("ffmpeg could not write video.mp4: No space left on device")
    assert sentence_for(told).startswith("The disk is full")
    assert sentence_for(MemoryError()).startswith("The machine ran out of memory")
    assert sentence_for(OSError("something else")) is None


def test_a_store_can_be_read_and_a_log_written_where_the_disk_is_full(library, monkeypatch):
    """What sqlite needs beside its file stays while a process lives, since it could not be made anew."""
    job = client.submit(library, "count", {"steps": 1})
    assert (library.root / "jobs.sqlite3-shm").exists() and (library.root / "jobs.sqlite3-wal").exists()
    ask = "from dreampose_core.jobs.worker import _log; _log('The executor died.'); print('alive')"
    with open("/dev/full", "w") as full:
        told = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, stdout=subprocess.PIPE, stderr=full, text=True)
    assert told.stdout == "alive\n"
    usage = shutil.disk_usage(library.root)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=4096))
    settings = AnimateSettings("catwalk").to_dict()
    Store(library.root).add("film", library.visitor, "animate", {"settings": settings, "subject": "anna"}, "cpu")
    assert progress_view(library, client.status(library, "film"))["message"].startswith("The disk is full")
    assert client.status(library, job).state == "queued"


def test_a_job_that_was_left_alone_gets_a_worker(library, monkeypatch):
    job = client.submit(library, "count", {"steps": 1})
    client.mind(library, job)
    assert not is_held(lock_path(library.root, "cpu")), "a worker may just be starting"
    started = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, **options: started.append(command))
    monkeypatch.setattr(client, "ALONE", 0.0)
    client.mind(library, job)
    assert started[0][1:5] == ["-m", "dreampose_core.jobs.worker", "--library", str(library.root.resolve())]
    service = Service(House(library.root))
    client.mind(library, job)
    assert service.status(job)["state"] == "queued" and len(started) == 1, "that one may take long to start"
    monkeypatch.setattr(client, "START_AGAIN", 0.0)
    service.status(job)
    assert len(started) == 2, "a program that asks is minded too"
    client.cancel(library, job)
    client.mind(library, job)
    assert len(started) == 2, "nobody waits for it any more"
    with pytest.raises(BadInput, match="no such job"):
        client.mind(library, "0" * 24)


def test_a_lack_of_memory_is_known_behind_what_it_led_to():
    for first in (MemoryError(), RuntimeError("could not create a primitive"), OSError(errno.ENOMEM, "no")):
        with pytest.raises(RuntimeError) as caught:
            try:
                raise first
            except Exception as error:
                raise RuntimeError("Failed to import a part of the model") from error
        assert sentence_for(caught.value).startswith("The machine ran out of memory")
