// Two films beside each other, or one over the other with a divider. Both are the halves of one video, which is drawn
// onto two canvases, so that no clock of one film can run away from that of the other.
Object.assign(window.studio, (() => {
  const { esc, duration, ICONS, act } = window.studio;
  const WIDE = "(min-width: 701px)";
  const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
  const PAUSE = '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M5 4.5h2v7H5zM9 4.5h2v7H9z" fill="currentColor"/></svg>';
  const ARROWS = '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M6 4.5L2.5 8 6 11.5M10 4.5L13.5 8 10 11.5"/></svg>';

  // What is shown is of the film on show, beside the one that was asked for last: the answer to an earlier wish may come
  // when another one was opened or asked for meanwhile.
  let [kept, wish] = [null, null];
  function current(value) {
    if (!value?.asked) wish = null;
    if (!value?.asked || (value.film === kept?.film && value.chosen === (wish ?? value.chosen))) kept = value;
    return kept;
  }

  function choice(value) {
    if (!value.others.length) return "";
    const option = (one) => `<option value="${esc(one.id)}"${one.id === value.chosen ? " selected" : ""}>${esc(one.title)}</option>`;
    const group = (title, list) => list.length ? `<optgroup label="${title}">${list.map(option).join("")}</optgroup>` : "";
    return `<label class="with"><span>Compare with</span><select>
      ${group("The same motion", value.others.filter((one) => one.same))}
      ${group("Other motions", value.others.filter((one) => !one.same))}</select></label>`;
  }

  function makes(value) {
    const one = (make) => `<button type="button" class="quiet make" data-do="make" data-id="${esc(make.switch)}"
      aria-label="Make the same film ${esc(make.words)}">${esc(make.words[0].toUpperCase() + make.words.slice(1))}</button>`;
    if (value.makes.length) {
      const seconds = Math.max(...value.makes.map((make) => make.seconds ?? 0));
      const time = seconds ? ` <small>up to ${duration(seconds)}</small>` : "";
      return `<div class="makes"><span>To compare, make this film:${time}</span>${value.makes.map(one).join("")}</div>`;
    }
    return value.why_not && !value.others.length ? `<p class="hint">${esc(value.why_not)}</p>` : "";
  }

  function pair(open) {
    const film = (one, side) => `<figure class="screen ${side}"><canvas role="img" aria-label="The film ${esc(one.label)}"></canvas>
      <figcaption>${esc(one.label)}</figcaption></figure>`;
    const [width, height] = open.shape;
    return `<div class="pair" style="--ratio: ${width / height}">
      <video src="${esc(open.address)}" muted loop playsinline preload="auto" tabindex="-1" aria-hidden="true"></video>
      <div class="screens">${film(open.films[0], "left")}${film(open.films[1], "right")}
        <div class="parting" role="slider" tabindex="0" aria-orientation="horizontal" aria-valuemin="0" aria-valuemax="100"
          aria-label="Divider between the two films"><i>${ARROWS}</i></div></div>
      <div class="player"><button type="button" class="play" aria-label="Play both">${ICONS.play}</button>
        <input type="range" class="moment" min="0" max="1" step="1" value="0" aria-label="Moment of both films"
          title="The arrow keys go frame by frame">
        <span class="told"></span>
        <div class="switch" role="group" aria-label="How to compare"><button type="button" data-mode="beside">Side by side</button>
          <button type="button" data-mode="wipe">Wipe</button></div></div></div>`;
  }

  function figures(open) {
    const cell = (value, other) => `<td${open.alike && value > other + 1 ? ' class="better"' : ""}>${value}</td>`;
    const row = (one) => `<tr title="${esc(one.meaning)}"><th scope="row">${esc(one.title)}</th>
      ${cell(one.values[0], one.values[1])}${cell(one.values[1], one.values[0])}</tr>`;
    const head = open.films.map((film) => `<th scope="col">${esc(film.label)}</th>`).join("");
    const table = open.readouts.length ? `<table><thead><tr><td></td>${head}</tr></thead>
      <tbody>${open.readouts.map(row).join("")}</tbody></table>` : "";
    const line = (text) => `<p>${esc(text)}</p>`;
    return `${table}<div class="said">${open.said.map(line).join("")}</div>
      <div class="hints">${open.notes.map(line).join("")}</div>`;
  }

  // {fraction}: the video of both that is being made
  function both(value) {
    if (!value) return "";
    const percent = Math.round(100 * value.fraction);
    return `<div class="composing" role="status"><p>Putting both films into one video</p>
      <div class="bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow="${percent}"
        aria-label="The video of both"><i style="width: ${percent}%"></i></div></div>`;
  }

  // {film, others: [{id, title, same}], chosen, makes: [{switch, words, seconds}], why_not, wrong, asked,
  //  open: null | {address, fps, shape, films: [{label}] * 2, readouts: [{title, meaning, values}], alike, said, notes}}
  function compare(told) {
    const value = current(told);
    if (!value) return "";
    const { open } = value;
    if (!open) {
      const go = value.others.length ? '<button type="button" class="quiet" data-open>Compare</button>' : "";
      const inside = choice(value) + go + makes(value) + (value.wrong ? `<p class="note error" role="alert">${esc(value.wrong)}</p>` : "");
      return inside ? `<section class="compare closed">${inside}</section>` : "";
    }
    return `<section class="compare open" aria-label="Two films compared">${pair(open)}
      <div class="apart">${choice(value)}${figures(open)}${makes(value)}
        <div class="ways"><button type="button" class="quiet close">Back to the film</button>
          <a class="quiet both" href="${esc(open.address)}" download="comparison.mp4">Both as a video</a></div></div></section>`;
  }

  // Where the divider stands and how the films are shown stay as they were when others are compared.
  function comparing(element, props, watch, trigger, events) {
    const sheet = document.createElement("canvas");
    let [mode, at, wanted, drawn] = [matchMedia(WIDE).matches ? "beside" : "wipe", 50, "", -1];
    let [asked, busy, making, ticking] = [false, false, false, false];
    const one = (selector) => element.querySelector(selector);
    const rate = () => props.value.open.fps;
    const frames = (video) => Math.max(1, Math.round((video.duration || 0) * rate()));
    const index = (video) => Math.min(frames(video) - 1, Math.floor(video.currentTime * rate() + 0.01));

    function draw() {
      const video = one("video");
      if (!video || video.readyState < 2 || !video.videoWidth) return;
      const [width, height] = [video.videoWidth / 2, video.videoHeight];
      if (sheet.width !== 2 * width || sheet.height !== height) Object.assign(sheet, { width: 2 * width, height });
      sheet.getContext("2d").drawImage(video, 0, 0); // both halves come from this one picture
      element.querySelectorAll("canvas").forEach((canvas, side) => {
        if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
        canvas.getContext("2d").drawImage(sheet, side * width, 0, width, height, 0, 0, width, height);
      });
      drawn = video.currentTime;
      const [now, all] = [index(video), frames(video)];
      const moment = one(".moment");
      Object.assign(moment, { max: all - 1, value: now });
      const told = `${(now / rate()).toFixed(1)} of ${(all / rate()).toFixed(1)} s`;
      moment.setAttribute("aria-valuetext", told);
      moment.style.setProperty("--done", `${(100 * now) / Math.max(1, all - 1)}%`);
      one(".told").textContent = told;
    }

    function tick() {
      const video = one("video");
      ticking = Boolean(video && !video.paused && element.isConnected);
      if (!ticking) return;
      if (video.currentTime !== drawn) draw();
      requestAnimationFrame(tick);
    }

    function button() {
      const [video, play] = [one("video"), one(".play")];
      if (!video) return;
      play.innerHTML = video.paused ? ICONS.play : PAUSE;
      play.setAttribute("aria-label", video.paused ? "Play both" : "Pause both");
      if (!video.paused && !ticking) tick();
    }

    function put(percent) {
      at = Math.min(100, Math.max(0, percent));
      element.style.setProperty("--at", at);
      const divider = one(".parting");
      if (!divider) return;
      const [left, right] = props.value.open.films.map((film) => film.label);
      divider.setAttribute("aria-valuenow", Math.round(at));
      divider.setAttribute("aria-valuetext", `${Math.round(at)} % ${left}, ${100 - Math.round(at)} % ${right}`);
    }

    function show() {
      busy = false;
      element.dataset.mode = mode;
      delete element.dataset.busy;
      const value = current(props.value);
      if (value !== props.value) props.value = value;
      const select = one("select");
      if (select) select.value = value.chosen;
      const open = value?.open;
      if (!open) {
        if (wanted && !still()) document.querySelector("#film video")?.play().catch(() => {});
        wanted = "";
        return;
      }
      element.querySelectorAll("[data-mode]").forEach((tab) => tab.setAttribute("aria-pressed", tab.dataset.mode === mode));
      put(at);
      const video = one("video");
      video.muted = true;
      if (open.address !== wanted) {
        wanted = open.address;
        document.querySelectorAll("#film video, #alone video").forEach((film) => film.pause());
        if (!still()) video.play().catch(() => {});
        const { top } = one(".pair").getBoundingClientRect();
        if (top < 0) window.scrollBy({ top: top - 60, behavior: still() ? "auto" : "smooth" });
      }
      button();
      draw();
      if (asked) one(".play").focus({ preventScroll: true });
      asked = false;
    }

    function ask(id) {
      busy = asked = true;
      wish = id;
      element.dataset.busy = "";
      setTimeout(() => { busy = false; delete element.dataset.busy; }, 3000); // making the video of both may take longer
      trigger("pick", { id });
    }

    function seek(frame) {
      const video = one("video");
      video.pause();
      video.currentTime = (Math.min(frames(video) - 1, Math.max(0, frame)) + 0.5) / rate();
    }

    element.addEventListener("click", (event) => {
      const [video, target] = [one("video"), event.target];
      if (target.closest("[data-open]") && !busy) ask(one("select").value);
      else if (target.closest(".play") || (mode === "beside" && target.closest(".screen"))) {
        if (video.paused) video.play().catch(() => {});
        else video.pause();
      } else if (target.closest("button[data-mode]")) {
        mode = target.closest("button").dataset.mode;
        show();
      } else if (target.closest(".close")) {
        props.value = { ...props.value, open: null };
        queueMicrotask(() => {
          show();
          one("[data-open]")?.focus();
        });
      }
    });
    element.addEventListener("change", (event) => {
      if (!event.target.matches("select")) return;
      props.value.chosen = event.target.value;
      if (props.value.open) ask(event.target.value);
    });
    element.addEventListener("input", (event) => {
      if (event.target.matches(".moment")) seek(Number(event.target.value));
    });
    for (const name of ["loadeddata", "seeked"]) element.addEventListener(name, draw, true);
    for (const name of ["play", "pause"]) element.addEventListener(name, button, true);

    // the divider: dragged from anywhere on the pictures, or by its keys
    let before = at;
    const drag = (event) => {
      const box = one(".screens").getBoundingClientRect();
      put((100 * (event.clientX - box.left)) / box.width);
    };
    element.addEventListener("pointerdown", (event) => {
      const screens = event.target.closest(".screens");
      if (mode !== "wipe" || !screens || event.button) return;
      screens.setPointerCapture(event.pointerId);
      one(".parting").focus({ preventScroll: true });
      event.preventDefault();
      before = at;
      if (event.pointerType !== "touch") drag(event); // a finger may be about to scroll the page
    });
    element.addEventListener("pointercancel", () => put(before)); // it did
    for (const name of ["pointermove", "pointerup"]) {
      element.addEventListener(name, (event) => {
        if (mode === "wipe" && one(".screens")?.hasPointerCapture(event.pointerId)) drag(event);
      });
    }
    element.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: -2, ArrowDown: -2, ArrowRight: 2, ArrowUp: 2, PageDown: -10, PageUp: 10, Home: -100, End: 100 };
      if (event.target.matches(".parting") && event.key in steps) {
        event.preventDefault();
        put(at + steps[event.key] * (event.shiftKey ? 5 : 1));
      } else if (event.key === " " && event.target.matches(".parting, .moment")) {
        event.preventDefault();
        one(".play").click();
      }
    });
    act(element, (name, data) => {
      if (making) return;
      making = true; // one press makes one film
      setTimeout(() => { making = false; }, 4000);
      trigger(name, data);
    }, events);
    watch("value", show);
    show();
  }

  // While two films are compared the one above them, which is not to be seen, does not play.
  document.addEventListener("play", (event) => {
    if (event.target.closest?.("#film, #alone") && document.querySelector("#compare .pair")) event.target.pause();
  }, true);

  return { compare, both, comparing };
})());
