"""The command line with a tiny model: what it writes, what it says, and how it ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dreampose_core.__main__ import main
from dreampose_core.library.library import Library
from pose_tools.sequence import PoseSequence
from pose_tools.video import probe, write_video
from tests.dreampose_core.tiny_profile import FOLDER, HEIGHT, WIDTH
from tests.moving import write_moving

ROOT = Path(__file__).resolve().parents[2]
RUN = (  # a shell that started the tests in its background made every child deaf to Ctrl-C
    "import signal, sys, tests.dreampose_core.tiny_profile\n"
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "from dreampose_core.__main__ import main\n"
    "sys.exit(main())"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


def animate(given: Path, home: Path, *more: str) -> list[str]:
    return [
        "animate",
        *("--profile", "tiny", "--frames", "4", "--library", str(home / "library"), "--device", "cpu"),
        *("--motion", str(given / "wave.npz"), "--out", str(home / "out.mp4"), *more),
    ]


def test_a_photo_becomes_a_clip_and_then_another(given, home, capsys):
    extra = ["--side-by-side", str(home / "side.mp4"), "--report", str(home / "report.json")]
    assert main(animate(given, home, str(given / "photo.jpg"), *extra)) == 0
    said = capsys.readouterr().err
    info = probe(home / "out.mp4")
    assert (info.width, info.height, info.frames, info.fps) == (WIDTH, HEIGHT, 4, 12)
    assert probe(home / "side.mp4").width > 3 * WIDTH
    report = json.loads((home / "report.json").read_text())
    assert set(report["seconds"]) == {"prepare", "finetune", "decoder", "render", "write"}
    assert "Finetuning on this subject 3/3, loss " in said
    assert "s left" in said
    assert said.index("GB of free memory") < said.index("Finetuning on this subject 3/3"), "said before it starts"
    (subject,) = Library(home / "library").subjects()
    assert subject.title == "photo"
    assert f"--subject {subject.id}" in said

    (clip,) = Library(home / "library").clips()
    charts = PoseSequence.load(clip.poses)
    PoseSequence(charts.iuv[:2], 12.0).save(home / "charts.npz")
    again = animate(given, home, "--subject", subject.id)
    again[again.index("--motion") + 1] = str(home / "charts.npz")
    again[again.index("--out") + 1] = str(home / "second.gif")
    assert main(again) == 0
    assert Image.open(home / "second.gif").n_frames in (1, 2)
    assert "Finetuning" not in capsys.readouterr().err
    assert len(Library(home / "library").clips()) == 2
    assert not any((home / "library" / "visitors" / "local" / "jobs").iterdir())


def test_a_video_is_read_first_and_its_sound_kept(given, home, capsys):
    video = write_moving(given / "photo.jpg", home / "walk.mp4", frames=12, fps=12)
    order = animate(given, home, "--subject", Library(home / "library").subjects()[0].id, "--end", "0.5")
    order[order.index("--motion") + 1] = str(video)
    del order[order.index("--frames") : order.index("--frames") + 2]
    assert main(order) == 0
    said = capsys.readouterr().err
    assert "Reading the poses" in said and "Rendering frames" in said
    info = probe(home / "out.mp4")
    assert (info.frames, info.audio) == (6, True)
    assert main([*order, "--seed", "5"]) == 0
    assert "Reading the poses" not in capsys.readouterr().err, "the motion stays in the library"
    (motion,) = Library(home / "library").motions()
    assert (motion.title, motion.body, motion.seconds) == ("walk", True, 0.5)


def test_one_of_two_people_of_a_video_is_followed(given, home, capsys):
    """The same person twice: on the left standing still, on the right carried to and fro."""
    still = np.array(Image.open(given / "photo.jpg"))
    moving = [np.roll(still, round(30 * np.sin(i)), axis=1) for i in range(8)]
    write_video([np.concatenate([still, frame], axis=1) for frame in moving], home / "two.mp4", 12)
    subject = Library(home / "library").subjects()[0].id
    order = animate(given, home, "--subject", subject, "--no-refined", "--steps", "1")
    order[order.index("--motion") + 1] = str(home / "two.mp4")
    read = {}
    for side, point in (("left", "0.25,0.5"), ("right", "0.75,0.5")):
        known = {motion.id for motion in Library(home / "library").motions()}
        assert main([*order, "--person", point]) == 0, capsys.readouterr().err
        (motion,) = (one for one in Library(home / "library").motions() if one.id not in known)
        charts = PoseSequence.load(motion.poses).iuv[..., 0] > 0
        columns = [np.flatnonzero(frame.any(0)).mean() / frame.shape[1] for frame in charts]
        read[side] = (np.mean(columns), np.ptp(columns))
    assert read["left"][0] < 0.5 < read["right"][0]
    assert read["left"][1] < 0.02 < read["right"][1]


def test_a_finetuned_subject_prints_its_id(given, home, capsys):
    options = ["--profile", "tiny", "--library", str(home / "library"), "--device", "cpu", "--title", "Me"]
    assert main(["finetune", str(given / "photo.jpg"), *options, "--finetune-steps", "1"]) == 0
    subject = Library(home / "library").subject(capsys.readouterr().out.strip())
    assert (subject.title, subject.tuned) == ("Me", ("tiny",))


def test_a_tuning_by_name_on_two_photos(given, home, capsys):
    Image.open(given / "photo.jpg").transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(home / "second.png")
    options = ["--profile", "tiny", "--library", str(home / "library"), "--device", "cpu", "--finetune-steps", "1"]
    options += ["--decoder-steps", "0", "--tuning", "small", "--more-photos", str(home / "second.png")]
    assert main(["finetune", str(given / "photo.jpg"), *options]) == 0
    folder = Library(home / "library").subject_folder(capsys.readouterr().out.strip())
    kept = json.loads((folder / "tuned" / "tiny" / "finished.json").read_text())["identity"]["settings"]
    assert (kept["lora_rank"], kept["gradient_checkpointing"], kept["batch"]) == (16, True, 1)
    assert (folder / "more" / "1" / "sheet.npz").is_file()
    assert main(["finetune", str(given / "photo.jpg"), *options[:-1], str(home / "gone.png")]) == 2
    assert "There is no photo named" in capsys.readouterr().err


def test_profiles(capsys):
    assert main(["profiles"]) == 0
    assert "mini: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["gone.jpg"], "There is no photo named gone.jpg."),
        ([], "Please give either a photo or --subject"),
        (["--subject", "nobody"], "There is no such subject."),
        (["--subject", "../../etc"], "There is no such subject."),
        (["PHOTO", "--subject", "both"], "Please give either a photo or --subject"),
        (["PHOTO", "--motion", "flying"], "There is no motion named flying"),
        (["PHOTO", "--motion", "gone.npz"], "There is no pose file named gone.npz."),
        (["PHOTO", "--motion", "gone.mp4"], "There is no video named gone.mp4."),
        (["PHOTO", "--motion", "PHOTO"], "is not a video that can be read."),
        (["PHOTO", "--motion", "VIDEO", "--start", "9"], "The start lies behind the end of the video"),
        (["PHOTO", "--out", "nowhere/out.mp4"], "There is no folder nowhere"),
        (["PHOTO", "--out", "out.txt"], "--out must end in .mp4 or .gif."),
        (["PHOTO", "--frames", "0"], "The number of frames must be a whole number from 1 to 1,800."),
        (["PHOTO", "--s1", "99"], "The guidance s1 must be a number from 0 to 30."),
        (["PHOTO", "--profile", "grand"], "There is no profile 'grand'"),
        (["TEXT"], "not a picture"),
        (["WALL"], "No person was found in the picture"),
        (["PHOTO", "--background", "TEXT"], "not a picture"),
        (["PHOTO", "--more-photos", "TEXT"], "words.jpg: This file is not a picture"),
        (["PHOTO", "--more-photos", *["PHOTO"] * 9], "Up to 8 further photos can be learnt from, and these are 9."),
        (["--subject", "nobody", "--more-photos", "PHOTO"], "learnt from only while a subject is tuned"),
        (["PHOTO", "--guidance-interval", "0.2", "7"], "must be two numbers from 0 to 1"),
        (["PHOTO", "--person", "0.5,0.5"], "--person is for a video that is followed"),
        (["PHOTO", "--motion", "VIDEO", "--person", "2,0"], "--person is a point like 0.3,0.5"),
        (["PHOTO", "--motion", "VIDEO", "--person", "left"], "--person is a point like 0.3,0.5"),
        (["PHOTO", "--background", "#12"], "like #f2f2f2"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(given, tmp_path, capsys, more, sentence):
    (tmp_path / "words.jpg").write_text("words")
    Image.new("RGB", (300, 400), "grey").save(tmp_path / "wall.png")
    write_video([np.full((96, 96, 3), 99, np.uint8)] * 12, tmp_path / "still.mp4", 12)
    names = {
        "PHOTO": given / "photo.jpg",
        "TEXT": tmp_path / "words.jpg",
        "VIDEO": tmp_path / "still.mp4",
        "WALL": tmp_path / "wall.png",
    }
    assert main(animate(given, tmp_path, *(str(names.get(word, word)) for word in more))) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert sentence in said[-1]
    assert not any("Traceback" in line for line in said)
    assert not (tmp_path / "out.mp4").exists()


def test_ctrl_c_keeps_what_was_made(given, tmp_path):
    environment = os.environ | {FOLDER: str(given / "model"), "OMP_NUM_THREADS": "1"}
    command = [
        sys.executable,
        "-c",
        RUN,
        *animate(given, tmp_path, str(given / "photo.jpg"), "--steps", "20"),
    ]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if line.startswith("Rendering frames"):
            process.send_signal(signal.SIGINT)
            break
    assert "Stopped; the same command goes on from here." in process.stderr.read()
    assert process.wait(120) == 130
    assert len(Library(tmp_path / "library").subjects()) == 1
    second = subprocess.run(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    assert second.returncode == 0
    assert "Finetuning" not in second.stderr
    assert probe(tmp_path / "out.mp4").frames == 4
