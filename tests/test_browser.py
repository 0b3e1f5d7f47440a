"""The page as a person sees it: a real browser, the real button, real films.

Most films are those of a tiny model with random weights, which takes seconds; one test makes a film with the
model that the project ships.
"""

import errno
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dreampose_core.library.library import LOCAL, Library
from dreampose_core.page.desks.desk import Desk
from dreampose_core.profiles import find_profile
from pose_tools.sequence import PoseSequence
from pose_tools.video import probe, read_frames

sync_api = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
BROWSERS = ("/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome")
BROWSER = next((path for name in BROWSERS if (path := shutil.which(name))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium was found for the browser tests")

LAPTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
FILM = 240.0  # seconds that a film may take on a busy machine
SLOW_ANSWER = """word => {
  const fetch = window.fetch;
  window.fetch = async (...what) => {
    if (String(what[1]?.body).includes(`"${word}"`)) await new Promise((done) => setTimeout(done, 1000));
    return fetch(...what);
  };
}"""  # what the page asks with this word in it is asked a second later


@pytest.fixture(scope="module")
def chromium():
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=flags)
        yield browser
        browser.close()


class Visitor:
    """A browser of its own, on the page."""

    def __init__(self, chromium, url: str, size: dict = LAPTOP, **options) -> None:
        self.context = chromium.new_context(viewport=size, **options)
        self.page = self.context.new_page()
        self.faults: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda request: self.hosts.add(request.url.split("/")[2]))
        self.go(url)

    def go(self, url: str) -> None:
        with self.page.expect_response(lambda response: "/gradio_api/run/" in response.url):
            self.page.goto(url)
        self.page.wait_for_selector(".motion")

    def see(self, selector: str, seconds: float = 15.0):
        self.page.wait_for_selector(selector, state="visible", timeout=1000 * seconds)
        return self.page.locator(selector)

    def upload(self, file: Path, where: str = "#photo") -> None:
        self.page.locator(f"{where} input[type=file]").set_input_files(file)

    def take(self, photo: Path) -> None:
        self.upload(photo)
        self.see("#photo img")

    def choose(self, motion: str) -> None:
        self.page.locator(f".motion:has(input[value={motion}])").click()

    def advanced(self, **numbers: int) -> None:
        """Fill in the fold; again where a slider that was still being put up has lost what was typed."""
        if not self.page.get_by_label("Seed").is_visible():
            self.page.locator("#advanced > button").click()
        names = {f"number input for {label.replace('_', ' ')}": str(number) for label, number in numbers.items()}
        boxes = {self.page.get_by_label(name, exact=True): number for name, number in names.items()}
        for _ in range(20):
            for box, number in boxes.items():
                if box.input_value() != number:
                    box.fill(number)
                    box.press("Tab")
            self.page.wait_for_timeout(300)
            if all(box.input_value() == number for box, number in boxes.items()):
                return
        raise AssertionError("the fold does not take the numbers")

    def give_up(self) -> None:
        """Cancel the job on the page, and put its end away."""
        self.page.click("#cancel")
        self.see("#stage .ended.cancelled", 30)
        self.page.click("#put-away")
        self.page.wait_for_selector("#stage", state="hidden")

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()


@pytest.fixture
def visit(chromium, served):
    """Opens the page for a new visitor; checks at the end that nothing went wrong in any browser."""
    visitors = []

    def open_page(url: str = served.public, **options) -> Visitor:
        visitors.append(Visitor(chromium, url, **options))
        return visitors[-1]

    yield open_page
    for visitor in visitors:
        visitor.context.close()
        assert not visitor.faults
        assert all(host.startswith(("127.0.0.1", "localhost")) for host in visitor.hosts), visitor.hosts


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_sight_fits_and_tells_what_to_do(visit, size, scheme):
    visitor = visit(size=size, color_scheme=scheme)
    page = visitor.page
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    for selector in ("#photo", ".motion >> nth=0", "#go"):
        box = page.locator(selector).bounding_box()
        assert box["y"] + box["height"] <= size["height"], f"{selector} is in sight"
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in paper.strip("rgb()").split(",")[:3])
    assert brightness > 600 if scheme == "light" else brightness < 150
    assert page.locator(".motion img").count() >= 8
    assert page.evaluate("[...document.querySelectorAll('.motion img')].slice(0, 3).every(i => i.naturalWidth > 0)")


@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "full"), ValueError("unforeseen")], ids=["told", "untold"])
def test_who_cannot_be_told_what_is_left_may_still_choose(visit, monkeypatch, fault):
    def enter(desk, browser, token):
        raise fault

    monkeypatch.setattr(Desk, "enter", enter)
    visitor = visit()
    if isinstance(fault, OSError):
        visitor.see("#go-note .error:has-text('The disk is full')")
    visitor.page.wait_for_function("!document.querySelector('#composer').inert", timeout=8000)
    visitor.page.click("#go")
    visitor.see("#photo-note .error")


def test_the_page_rests_when_nothing_happens(visit, example_photo):
    """It lives on the machine that makes the films."""
    visitor = visit()
    page = visitor.page
    page.add_init_script("""(() => {
        const ask = window.requestAnimationFrame.bind(window);
        window.frames_asked_for = 0;
        window.requestAnimationFrame = (answer) => { window.frames_asked_for += 1; return ask(answer); };
    })()""")
    page.reload()
    page.wait_for_selector(".motion")
    for number in (0, 1):
        page.locator(f".example >> nth={number}").click()
        visitor.see("#photo img")
        page.locator("#photo .icon-button-wrapper button").first.click()
        page.wait_for_selector("#photo img", state="detached")
    page.locator(".example >> nth=0").click()
    visitor.see("#photo img")
    visitor.advanced(Frames=120, Denoising_steps=50, Finetune_steps=1, Decoder_steps=1)
    page.get_by_label("A picture").click()
    visitor.see("#backdrop")
    page.get_by_label("Keep the photo's").click()
    page.wait_for_selector("#backdrop", state="hidden")
    page.click("#go")
    visitor.see("#stage .steps .now", FILM)
    visitor.give_up()
    page.wait_for_timeout(500)
    before = page.evaluate("window.frames_asked_for")
    page.wait_for_timeout(1000)
    assert page.evaluate("window.frames_asked_for") - before < 200, "less than a few in each of the screen's frames"


def test_what_is_wrong_is_said_where_it_is(visit, tmp_path):
    visitor = visit()
    visitor.page.click("#go")
    assert "choose a photo" in visitor.see("#photo-note .error").inner_text()

    (tmp_path / "note.jpg").write_text("This is no photo at all.")
    visitor.upload(tmp_path / "note.jpg")
    visitor.see("#photo-note :text('not a picture')")

    Image.new("RGB", (400, 500), "#c0b8a8").save(tmp_path / "wall.png")
    visitor.take(tmp_path / "wall.png")
    visitor.page.click("#go")
    said = visitor.see("#photo-note .error:has-text('person')", FILM).inner_text()
    assert "Traceback" not in said and said.endswith(".")
    assert visitor.page.locator("#go").is_enabled()


def test_a_film_is_made_taken_away_shared_and_made_again(visit, served, example_photo):
    visitor = visit()
    page = visitor.page
    focused = "document.activeElement !== document.body && document.activeElement"
    visitor.take(example_photo)
    visitor.choose("full_turn")
    visitor.advanced(Frames=24, Finetune_steps=12)
    page.locator("#go").press("Enter")
    assert "Full turn" in visitor.see("#stage .eyebrow").inner_text()
    page.wait_for_function(f"{focused}.querySelector('[role=progressbar]')")
    visitor.see("#film video", FILM)
    page.wait_for_function(f"{focused}.querySelector('.readouts')")
    playing = "(v => v.videoWidth > 3 * 96 && !v.paused && v.currentTime > 0)(document.querySelector('#film video'))"
    page.wait_for_function(playing)
    assert not page.locator("#stage").is_visible()
    told = [one.inner_text() for one in page.locator(".readouts li").all()]
    assert [line.split()[0] for line in told] == ["Likeness", "Steadiness"], told
    assert all(0 < int(line.split()[1]) <= 100 for line in told), told

    names = {}
    for button in page.locator(".take").all():
        with page.expect_download() as download:
            button.click()
        names[download.value.suggested_filename] = Path(download.value.path()).read_bytes()
    assert {Path(name).suffix for name in names} == {".mp4", ".gif", ".zip"} and len(names) == 4
    assert all(len(data) > 500 for data in names.values())

    # the subject stays, and makes another film with no finetune
    assert page.locator(".card.subject.chosen").count() == 1
    page.reload()
    visitor.see(".card.subject >> nth=0").locator(".face").click()
    visitor.see("#photo-note .good")
    visitor.choose("sway")
    page.click("#go")
    visitor.see("#stage .eyebrow:has-text('Sway')")
    page.wait_for_selector(".made h2:has-text('Sway')", timeout=1000 * FILM)
    assert page.locator(".card.film").count() == 2
    assert page.locator(".card.subject").count() == 1

    # a second visitor sees nothing of it, unless it is shared on purpose, and then only that
    second = visit()
    assert second.page.locator(".card").count() == 0
    assert not second.page.locator("#show").is_visible()
    page.click("#share")
    link = visitor.see(".link input").input_value()
    page.click("[data-copy]")
    assert page.locator("[data-copy]").inner_text() == "Copied"
    second.go(link)
    assert "Sway" in second.see(".made").inner_text()
    second.page.wait_for_function("document.querySelector('#film video').videoWidth > 0")
    assert second.page.locator(".card").count() == 0
    assert not second.page.locator("#share").is_visible()
    page.click("#share:has-text('Stop sharing')")
    visitor.page.wait_for_selector(".link", state="detached")
    second.go(link)
    second.see("#photo-note .error:has-text('no such link')")

    # and what is deleted is gone; the film on show is not made anew of a subject that was
    visitor.see("#compare .makes")
    for kind in ("subject", "film", "film"):
        before = page.locator(f".card.{kind}").count()
        card = page.locator(f".card.{kind} >> nth=0")
        card.hover()
        card.locator(".away").click()
        card.locator(".away.sure").click()
        page.wait_for_function(f"document.querySelectorAll('.card.{kind}').length === {before - 1}")
        page.wait_for_selector("#compare .makes", state="detached")
    assert not page.locator("#show").is_visible()


def test_a_film_and_the_one_before_the_finetune_are_compared(visit, served, example_photo):
    visitor = visit()
    page = visitor.page
    visitor.take(example_photo)
    visitor.choose("sway")
    visitor.advanced(Frames=8, Denoising_steps=1, Finetune_steps=1, Decoder_steps=1)
    page.click("#go")
    visitor.see("#film video", FILM)
    button = visitor.see("#compare .makes").get_by_label("Make the same film before the finetune")
    assert button.inner_text() == "Before the finetune" and "up to" in visitor.text("#compare .makes")
    button.click()
    visitor.see("#stage .eyebrow")
    visitor.see("#compare .pair", FILM)
    assert page.locator(".screen figcaption").all_inner_texts() == ["Before the finetune", "After the finetune"]
    assert page.locator(".apart tbody th").all_inner_texts() == ["Likeness", "Steadiness"]
    assert all(0 < int(value) <= 100 for value in page.locator(".apart tbody td").all_inner_texts())
    assert len(page.locator(".said p").all()) == 2
    assert not page.locator("#film").is_visible() and page.locator(".card.film").count() == 2
    page.wait_for_function("(v => !v.paused && v.currentTime > 0)(document.querySelector('#compare video'))")

    # scrubbed by its keys, both show the same moment: the halves of one picture of the video
    page.click(".play")
    moment, divider = page.get_by_label("Moment of both films"), page.get_by_label("Divider between the two films")
    moment.press("End")
    moment.press("ArrowLeft")
    sync_api.expect(page.locator(".told")).to_have_text("0.5 of 0.7 s")
    (name,) = {path.parents[1].name for path in served.root.glob("visitors/*/comparisons/*.mp4")}
    (both,) = (served.root / "visitors" / name / "comparisons").iterdir()
    true = list(read_frames(both))[6]
    read = """[...document.querySelectorAll('.screen canvas')].map((c) =>
        [c.width, [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]])"""
    for (width, data), half in zip(page.evaluate(read), np.split(true, 2, axis=1), strict=True):
        seen = np.array(data, float).reshape(-1, width, 4)[..., :3]
        assert np.abs(seen - half).mean() < 3, "but for the rounding of colours"
    moment.press(" ")
    page.wait_for_function("!document.querySelector('#compare video').paused")

    # the wipe, by mouse and keys
    assert not divider.is_visible()
    page.click("button[data-mode=wipe]")
    box = page.locator(".screens").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 80)
    page.mouse.up()
    assert divider.get_attribute("aria-valuenow") == "25"
    keys = {"ArrowRight": "27", "Shift+ArrowLeft": "17", "Home": "0", "ArrowLeft": "0", "End": "100"}
    for key, now in keys.items():
        page.keyboard.press(key)
        assert divider.get_attribute("aria-valuenow") == now, key
    assert divider.get_attribute("aria-valuetext") == "100 % Before the finetune, 0 % After the finetune"

    page.click(".close")
    visitor.see("#film video")
    assert page.evaluate("document.activeElement.hasAttribute('data-open')")
    page.set_viewport_size(PHONE)  # the film's files stand above what it is compared with, and that fits the page
    choice, files = page.locator("#compare select").bounding_box(), page.locator("#take").bounding_box()
    assert choice["x"] + choice["width"] <= PHONE["width"] - 16 and files["y"] + files["height"] <= choice["y"]
    page.set_viewport_size(LAPTOP)
    page.keyboard.press("Enter")
    visitor.see("#compare .parting")
    assert page.evaluate("document.activeElement.className") == "play"

    # an answer that comes when another film is on show changes nothing there
    page.click(".close")
    held = []
    page.route("**/gradio_api/run/**", lambda route: held.append((route, route.fetch())), times=1)
    page.click("#compare [data-open]")
    while not held:
        page.wait_for_timeout(50)
    before = visitor.text("#show h2")
    page.locator(f".card.film:not(:has-text('{before}')) .face >> nth=0").click()
    page.wait_for_function(f"document.querySelector('#show h2').innerText !== '{before}'")
    ((route, answer),) = held
    assert "comparison.mp4" in answer.text()
    route.fulfill(response=answer)
    page.wait_for_timeout(700)
    assert page.locator("#compare .pair").count() == 0 and page.locator("#compare [data-open]").is_visible()
    page.click("#compare [data-open]")
    visitor.see("#compare .parting")

    # on a telephone the wipe comes first, is moved by a finger, and nothing moves by itself where that is not wanted
    kept = {"storage_state": visitor.context.storage_state(), "has_touch": True, "is_mobile": True}
    phone = visit(size=PHONE, reduced_motion="reduce", **kept)
    phone.see("#compare .parting", 20)
    assert phone.page.evaluate("document.querySelector('#compare video').paused")
    assert phone.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    box = phone.see(".screens").bounding_box()
    phone.page.touchscreen.tap(box["x"] + 0.75 * box["width"], box["y"] + 100)
    assert phone.page.locator(".parting").get_attribute("aria-valuenow") == "75"

    # a film that is deleted is no longer compared
    card = page.locator(".card.film >> nth=0")
    card.hover()
    card.locator(".away").click()
    card.locator(".away.sure").click()
    page.wait_for_selector("#compare .pair", state="detached")
    assert not both.exists()


def test_a_job_that_waits_shows_its_own_photo_when_another_one_is_chosen(visit):
    page = visit().page
    shown = []
    for number in (0, 1):
        page.locator(f".example >> nth={number}").click()
        page.wait_for_function("(known) => ![undefined, known].includes(document.querySelector('#photo img')?.src)",
                               arg=shown[-1] if shown else "")  # fmt: skip
        shown.append(page.evaluate("document.querySelector('#photo img').src"))
        waiting = page.evaluate("""studio.progress(
            { job: "one", state: "queued", kind: "animate", title: "Sway", stages: [], losses: [] })""")
        assert shown[0] in waiting.replace("&#38;", "&")
    assert shown[0] != shown[1] and shown[1] not in waiting


def test_what_is_said_of_a_job_that_was_stopped_is_true_of_it(visit):
    told = visit().page.evaluate("""() => ["now", "waiting"].map((state) => ["animate", "extract"].map((kind) =>
        studio.progress({ state: "cancelled", kind, title: "Dance", stages: [{ state }] }))).flat()""")
    assert "What was done so far is kept" in told[0] and "is read from the start" in told[1]
    assert all("It had not begun" in words for words in told[2:])


def test_of_two_comparisons_the_one_that_was_asked_for_last_is_shown(visit):
    """The answer to the first one comes later than the wish for the second."""
    seen = visit().page.evaluate("""() => {
        const other = (id) => ({ id, title: id, same: true });
        const told = (chosen, more) => ({ film: "film", others: [other("a"), other("b")], chosen, makes: [],
            why_not: "", wrong: "", asked: false, open: null, ...more });
        const open = { address: "", fps: 12, shape: [4, 5], films: [{ label: "a" }, { label: "b" }], readouts: [],
            said: [], notes: [] };
        const [element, props, wishes] = [document.createElement("div"), { value: told("a") }, []];
        element.innerHTML = studio.compare(props.value);
        studio.comparing(element, props, () => {}, (name, data) => wishes.push(data.id), []);
        const shown = (chosen) => studio.compare(told(chosen, { asked: true, open })).includes("pair");
        element.querySelector("select").value = "b";
        element.querySelector("[data-open]").click();
        return [wishes, shown("a"), shown("b")];
    }""")
    assert seen == [["b"], False, True]


def test_the_fold_shows_what_has_an_effect_and_hands_it_over(visit, served, example_photo, tmp_path):
    visitor = visit()
    page = visitor.page
    visitor.take(example_photo)
    visitor.advanced(Frames=4)
    steps = page.get_by_label("number input for Denoising steps", exact=True)
    for title, own in (("Mini", "4"), ("For tests", "2")):  # another model has other values
        page.get_by_label("Model").click()
        page.get_by_role("option", name=title).click()
        sync_api.expect(steps).to_have_value(own)
    visitor.advanced(Denoising_steps=1, Finetune_steps=1, Decoder_steps=1, Pose_guidance_s2=1)
    for hidden in ("Way of finetuning", "number input for Guidance from"):
        assert not page.get_by_label(hidden).is_visible(), hidden
    assert page.get_by_text("Compile", exact=False).count() == 0, "there is no GPU"
    visitor.advanced(Photo_guidance_s1=3)
    visitor.see("#interval")
    visitor.advanced(Guidance_to=0.5)
    page.get_by_label("Sampler").click()
    offered = [text.strip("\u2713\n ") for text in page.get_by_role("option").all_inner_texts()]
    assert offered == ["The model's own", "DDIM", "DPM-Solver++", "UniPC"], "PNDM cannot follow its schedule"
    page.get_by_role("option", name="UniPC").click()

    # further photos: what cannot be read is told by its name, eight are the most, and each can be taken away
    (tmp_path / "words.jpg").write_text("This is no photo at all.")
    choose = page.locator("#more input[type=file]")
    choose.set_input_files([example_photo, tmp_path / "words.jpg", example_photo])
    assert "words.jpg: This file is not a picture" in visitor.see("#more-note .error").inner_text()
    assert page.locator(".more li").count() == 2
    choose.set_input_files([example_photo] * 7)
    visitor.see("#more-note .error:has-text('Up to 8 further photos')")
    assert page.locator(".more li").count() == 8
    for left in range(7, 0, -1):
        page.locator(".more .away >> nth=0").click()
        page.wait_for_function(f"document.querySelectorAll('.more li').length === {left}")
    assert not page.locator("#more-note .error").is_visible()

    page.get_by_label("A picture").click()
    visitor.see("#backdrop")
    visitor.upload(tmp_path / "words.jpg", "#backdrop")
    assert "not a picture" in visitor.see("#behind-note .error").inner_text()
    assert page.locator("#backdrop img").count() == 0
    visitor.upload(example_photo, "#backdrop")
    visitor.see("#backdrop img")
    page.wait_for_selector("#behind-note .error", state="hidden")
    page.get_by_label("Plain").click()
    visitor.see(".colours")
    page.click(".colour[data-colour='#8f8a84']")
    page.locator(".colour input").fill("#445566")
    page.click("#go")
    visitor.see("#film video", FILM)
    assert "by 1 step and 1 of the decoder, from 2 photos" in visitor.see("#tuned .note").inner_text()
    assert not page.locator("#tune").is_visible(), "a tuned subject is taken as it is"
    (clip,) = (one for path in served.root.glob("visitors/*") for one in Library(served.root, path.name).clips()
               if one.settings["scheduler"] == "unipc" and one.settings["guidance_interval"] == [0, 0.5])  # fmt: skip
    assert (clip.settings["s1"], clip.settings["steps"], clip.settings["frames"]) == (3.0, 1, 4)
    assert (clip.settings["background"], clip.settings["background_colour"]) == ("plain", "#445566")

    page.locator("#photo .icon-button-wrapper button").first.click()
    visitor.see("#tune")
    assert page.locator(".more li").count() == 0, "they were of somebody else"


def test_a_film_goes_on_through_a_reload_and_is_cancelled_at_once(visit, example_photo):
    visitor = visit()
    page = visitor.page
    visitor.take(example_photo)
    visitor.advanced(Frames=120, Denoising_steps=50, Finetune_steps=1, Decoder_steps=1)
    page.click("#go")
    visitor.see("#stage .steps .now:has-text('of 120')", FILM)
    visitor.see("#stage .sample.live", FILM)
    page.reload()
    visitor.see("#stage .steps .now:has-text('of 120')", 20)
    assert not page.locator("#go").is_enabled()
    visitor.see("#photo img")

    pressed = time.monotonic()
    page.click("#cancel")
    visitor.see("#stage .ended.cancelled", 30)
    assert time.monotonic() - pressed < 10, "at once, but for a busy machine"
    assert page.locator("#go").is_enabled()

    page.click("#again")
    visitor.see("#stage .steps .now:has-text('of 120')", FILM)
    visitor.give_up()
    page.reload()
    visitor.see("#photo")
    assert not page.locator("#stage").is_visible(), "what was cancelled is not shown again"


def test_a_video_is_read_put_on_the_photo_corrected_and_followed(visit, served, driving_video, example_photo, tmp_path):
    visitor = visit()
    page = visitor.page
    page.click("button[data-source=own]")
    assert not page.locator(".motion:has(input[value=catwalk])").is_visible()
    visitor.take(example_photo)
    page.click("#go")
    visitor.see("#go-note .error:has-text('choose a motion first')")
    (tmp_path / "dance.mp4").write_text("This is no video at all.")
    visitor.upload(tmp_path / "dance.mp4", "#video")
    assert "not a video" in visitor.see("#read-note .error").inner_text()

    # the first frame at once, the part of it, and whom to follow
    visitor.upload(driving_video, "#video")
    visitor.see("#frame img").click()
    visitor.see("#frame .dot")
    place = page.locator("#frame .dot").get_attribute("style")
    page.locator("#frame .look").press("ArrowRight")
    assert page.locator("#frame .dot").get_attribute("style") != place
    page.locator("#frame .look").press("Delete")
    page.wait_for_selector("#frame .dot", state="hidden")
    page.locator("#frame img").click()
    visitor.see("#frame .dot")
    assert not page.locator("#read-note .error").is_visible()
    page.get_by_label("To second").fill("0.5")
    page.click("#read")
    assert "to and fro" in visitor.see("#stage .eyebrow").inner_text()
    visitor.see("#stage .steps .now:has-text('Reading the poses')")
    page.reload()
    visitor.see("#stage .bar", 20)
    assert not page.locator("#go").is_enabled()

    # the poses over the frames, and the motion in the visitor's own gallery
    visitor.see("#preview video", FILM)
    page.wait_for_function("document.querySelector('#preview video').videoWidth > 0")
    assert "6 frames, with sound" in visitor.text("#chosen .about")
    assert not page.locator("#stage").is_visible()
    assert page.locator(".motions.own .motion:has(input:checked)").count() == 1
    with page.expect_download() as download:
        page.click("#take-poses")
    assert len(PoseSequence.load(download.value.path().rename(tmp_path / "poses.npz"))) == 6
    visitor.take(example_photo)
    visitor.see("#fit .strip", FILM)
    assert page.locator("#fit .strip img").count() == 5
    assert not page.locator("#hand").is_visible(), "it lies on the person's own body"

    # charts alone, as other estimators give them, are corrected by hand
    (name,) = {path.parents[2].name for path in served.root.glob("visitors/*/motions/*/motion.json")} - {LOCAL}
    library = Library(served.root, name)
    (motion,) = library.motions()
    shutil.copytree(motion.folder, tmp_path / "charts")
    facts = {"title": "charts", "seconds": motion.seconds, "fps": motion.fps, "body": False}
    facts |= {"why": motion.why, "notes": motion.notes}
    charts = library.add_motion("charts", tmp_path / "charts", facts)
    page.reload()
    visitor.see("button[data-source=own]")  # the gallery may be put away already: what was read last is chosen again
    page.click("button[data-source=own]")
    page.evaluate(SLOW_ANSWER, "catwalk")
    page.click("button[data-source=gallery]")  # chooses catwalk, of which the server hears a second later
    page.click("button[data-source=own]")
    visitor.choose("charts")
    visitor.take(example_photo)  # in the same moment
    visitor.see("#hand", FILM)
    shown = page.locator("#fit .strip img >> nth=0")
    before = shown.get_attribute("src")
    page.get_by_label("number input for Size").fill("0.8")
    page.wait_for_function("src => document.querySelector('#fit .strip img').src !== src", arg=before)
    page.get_by_label("number input for To the side").fill("0.1")
    visitor.advanced(Denoising_steps=1, Finetune_steps=1, Decoder_steps=1)
    page.click("#go")
    visitor.see("#stage .eyebrow:has-text('charts')")
    visitor.see("#film video", FILM)
    (clip,) = library.clips()
    assert (clip.settings["extraction"], clip.settings["scale"], clip.settings["shift_x"]) == (charts.id, 0.8, 0.1)
    info = probe(clip.side_by_side)
    assert (info.frames, info.audio) == (6, True)

    # what is deleted is gone, and so is its preview
    for left in (1, 0):
        card = page.locator(".mine >> nth=0")
        card.hover()
        card.locator(".away").click()
        card.locator(".away.sure").click()
        page.wait_for_function(f"document.querySelectorAll('.mine').length === {left}")
    assert not page.locator("#chosen").is_visible() and library.motions() == []


@pytest.mark.skipif(
    not (find_profile("mini").folder / "model_index.json").exists(), reason="the model mini is not in this copy"
)
def test_the_shipped_model_makes_a_film_of_a_real_photo(visit, served):
    visitor = visit(served.mini)
    page = visitor.page
    page.locator(".example >> nth=0").click()
    visitor.see("#photo img")
    visitor.choose("catwalk")
    visitor.advanced(Frames=4, Denoising_steps=1, Finetune_steps=2, Decoder_steps=1)
    page.click("#go")
    visitor.see("#stage .working")
    visitor.see("#film video", FILM)
    page.wait_for_function("document.querySelector('#film video').videoWidth > 3 * 256")
