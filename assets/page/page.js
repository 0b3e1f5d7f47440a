// Turns the values that the page's HTML components are given into markup. Everything that comes from outside
// goes through esc(). Nothing here talks to the server: clicks become events of the component they happen in.
window.studio = (() => {
  const esc = (text) => String(text ?? "").replace(/[&<>"'`]/g, (c) => `&#${c.charCodeAt(0)};`);

  const ICONS = {
    close: '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M4 4l8 8M12 4l-8 8"/></svg>',
    play: '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M6 4.5v7l5.5-3.5z" fill="currentColor"/></svg>',
    check: '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M3.5 8.5l3 3 6-7"/></svg>',
  };

  // "2 min 5 s" from seconds, in steps a person cares about
  function duration(seconds) {
    const whole = Math.max(1, Math.round(seconds < 20 ? seconds : seconds / 5) * (seconds < 20 ? 1 : 5));
    if (whole < 60) return `${whole} s`;
    const minutes = Math.floor(whole / 60);
    const rest = whole % 60;
    return minutes >= 10 || rest === 0 ? `${Math.round(whole / 60)} min` : `${minutes} min ${rest} s`;
  }

  // the gallery [{name, title, about, picture, still}], and one's own [{name, title, about, picture}]
  function motions(list, own) {
    const card = (m) => `
      <label class="motion" title="${esc(m.about)}">
        <input type="radio" name="motion" value="${esc(m.name)}">
        <span class="frame"><picture>${m.still ? `
          <source media="(prefers-reduced-motion: reduce)" srcset="${esc(m.still)}">` : ""}<img src="${esc(m.picture)}" alt="" draggable="false"></picture></span>
        <span class="caption">${esc(m.title)}</span>
      </label>`;
    const mine = (m) => `<div class="mine">${card(m)}
      <button type="button" class="away" data-do="drop" data-id="${esc(m.name)}" data-sure="Delete?"
        aria-label="Delete ${esc(m.title)}">${ICONS.close}</button></div>`;
    const columns = `--columns: ${list.length === 8 ? 4 : 5}`;
    const tab = (name, title) => `<button type="button" data-source="${name}">${title}</button>`;
    return `<div class="title"><i>2</i><h2>The motion</h2>
        <div class="switch">${tab("gallery", "From the gallery")}${tab("own", "Your own video")}</div></div>
      <div class="motions gallery" style="${columns}" role="radiogroup" aria-label="Motion">${list.map(card).join("")}</div>
      ${own.length ? `<div class="motions own" style="${columns}" role="radiogroup" aria-label="Your motions">${own.map(mine).join("")}</div>` : ""}`;
  }

  // {picture, title, detail}: where a video begins
  function frame(shown) {
    if (!shown) return "";
    return `<figure class="first"><div class="look" tabindex="0" role="group"
      aria-label="The first frame: the arrow keys put a mark on the person to follow, Delete takes it away"><img src="${esc(shown.picture)}" alt="" draggable="false"><i class="dot" hidden></i></div>
      <figcaption><b>${esc(shown.title)}</b> <span>${esc(shown.detail)}</span>
      <span class="hint">Several people? Click on the one to follow, or use the arrow keys.</span></figcaption></figure>`;
  }

  // {title, detail, why, notes}: what was read
  function about(motion) {
    if (!motion) return "";
    return `<div class="about"><h3>${esc(motion.title)}</h3><p>${esc(motion.detail)}</p>${motion.why ? `<p>${esc(motion.why)}</p>` : ""}
      ${motion.notes.map((text) => note({ kind: "", text })).join("")}</div>`;
  }

  // {pictures, body, warnings}: moments of a motion on the photo; or a note
  function fit(found) {
    if (!found) return "";
    if (found.kind) return note(found);
    const line = found.body
      ? "The motion, put on the body of the person in your photo."
      : "The poses, put on your photo. Correct their size and place if they do not lie on the person.";
    const moment = (picture, i) => `<img src="${esc(picture)}" alt="Moment ${i + 1} of the motion on the photo">`;
    return `<figure class="strip"><figcaption>${line}</figcaption><div>${found.pictures.map(moment).join("")}</div></figure>
      ${found.warnings.map((text) => note({ kind: "error", text })).join("")}`;
  }

  // [{picture, title}]: further photos of the same person
  function photos(list) {
    const one = (photo, i) => `<li><img src="${esc(photo.picture)}" alt="${esc(photo.title)}" draggable="false">
      <button type="button" class="away" data-do="drop" data-id="${i}" aria-label="Remove ${esc(photo.title)}">${ICONS.close}</button></li>`;
    return list?.length ? `<ul class="more">${list.map(one).join("")}</ul>` : "";
  }

  // the colours to choose from, and one's own
  function colours(value, list) {
    const one = (colour) => `<button type="button" class="colour" data-colour="${esc(colour)}" style="--colour: ${esc(colour)}"
      aria-label="${esc(colour)}" aria-pressed="${colour === value}"></button>`;
    const own = list.includes(value) ? "" : " chosen";
    return `<div class="colours" role="group" aria-label="Colour of the background">${list.map(one).join("")}
      <label class="colour own${own}" style="--colour: ${esc(value)}" title="Another colour"><input type="color" value="${esc(value)}" aria-label="Another colour"></label></div>`;
  }

  // [{picture, title}]
  function examples(list) {
    if (!list.length) return "";
    const thumb = (e, i) =>
      `<button type="button" class="example" data-do="pick" data-id="${i}" aria-label="Use example ${i + 1}: ${esc(e.title)}">
        <img src="${esc(e.picture)}" alt="" draggable="false"></button>`;
    return `<div class="examples"><span class="hint">Or try one of ours</span>${list.map(thumb).join("")}</div>`;
  }

  // {kind: "error" | "busy" | "good" | "", text}
  function note(value) {
    if (!value || !value.text) return "";
    return `<p class="note ${esc(value.kind)}" role="${value.kind === "error" ? "alert" : "status"}">${esc(value.text)}</p>`;
  }

  // the loss over the steps of one stage as a small curve: [[step, loss], ...]
  function curve(points) {
    if (points.length < 3) return "";
    let level = points[0][1];
    const smooth = points.map(([step, loss]) => [step, (level += 0.25 * (loss - level))]);
    const steps = points.map((p) => p[0]);
    const losses = points.map((p) => p[1]);
    const [x0, x1] = [Math.min(...steps), Math.max(...steps)];
    const [y0, y1] = [Math.min(...losses), Math.max(...losses)];
    const place = ([x, y]) =>
      `${((100 * (x - x0)) / (x1 - x0 || 1)).toFixed(2)},${(36 - (32 * (y - y0)) / (y1 - y0 || 1)).toFixed(2)}`;
    return `<figure class="loss">
      <svg viewBox="0 0 100 40" preserveAspectRatio="none" role="img" aria-label="Training loss over the steps">
        <polyline class="raw" points="${points.map(place).join(" ")}"/>
        <polyline class="smooth" points="${smooth.map(place).join(" ")}"/>
      </svg>
      <figcaption><span>Loss</span><b>${smooth[smooth.length - 1][1].toPrecision(3)}</b></figcaption></figure>`;
  }

  function step(stage) {
    const mark = stage.state === "done" ? ICONS.check : "";
    const side = { now: stage.total > 1 ? `${stage.step} of ${stage.total}` : "", skipped: "not needed" }[stage.state];
    return `<li class="${esc(stage.state)}"${stage.state === "now" ? ' aria-current="step"' : ""}>
      <i>${mark}</i><span>${esc(stage.title)}</span><em>${esc(side)}</em></li>`;
  }

  // The photo or video of a job as it stood on the page when the job was first seen: another may be chosen meanwhile.
  let first = {};
  function handedIn(job) {
    const place = job.kind === "animate" ? "#photo img" : "#frame img";
    if (first.job !== job.job || !first.picture) first = { job: job.job, picture: document.querySelector(place)?.src };
    return first.picture;
  }

  // {kind, state, title, ahead, stages: [{name, title, state, step, total}], fraction, seconds_left, losses, preview, seen, photo,
  //  message, error}
  function progress(job) {
    if (!job || !job.state) return "";
    if (job.state === "failed" || job.state === "cancelled") {
      const begun = job.stages.some((stage) => stage.state !== "waiting");
      const kept = job.kind === "animate"
        ? "What was done so far is kept." : "The video is kept, and is read from the start if you try again.";
      const line = job.state === "failed" ? job.error : begun ? kept : "It had not begun.";
      return `<section class="ended ${esc(job.state)}" role="${job.state === "failed" ? "alert" : "status"}">
        <p class="eyebrow">${esc(job.title)}</p><h2>${job.state === "failed" ? "That did not work" : "Stopped"}</h2><p>${esc(line)}</p></section>`;
    }
    const now = job.stages.find((s) => s.state === "now");
    const waiting = job.state === "queued";
    const head = waiting ? (job.ahead ? "In line" : "Getting ready") : now ? now.title : "Getting ready";
    const line = waiting && job.ahead
      ? `${job.ahead} ${job.ahead === 1 ? "job" : "jobs"} before yours`
      : job.seconds_left != null && !waiting ? `About ${duration(job.seconds_left)} left` : "This takes a moment";
    const now_doing = waiting || !job.message || job.message === head ? "" : ` <span>${esc(job.message)}</span>`;
    const percent = Math.round(100 * (job.fraction || 0));
    const film = job.kind === "animate";
    const picture = job.preview || job.photo || handedIn(job);
    return `<section class="working">
      <figure class="sample ${job.preview ? "live" : "waiting"}">${picture ? `<img src="${esc(picture)}" alt="">` : ""}
        <figcaption>${esc(job.preview ? job.seen : film ? "Your photo" : "Your video")}</figcaption></figure>
      <div class="telling">
        <p class="eyebrow">${esc(job.title)}</p>
        <h2 aria-live="polite">${esc(head)}</h2>
        <p class="left">${esc(line)}${now_doing}</p>
        <div class="bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow="${percent}"
          aria-label="${film ? "The whole film" : "The whole video"}"><i style="width: ${percent}%"></i></div>
        <div class="detail"><ol class="steps">${job.stages.map(step).join("")}</ol>${curve(job.losses)}</div>
      </div></section>`;
  }

  // {id, title, detail, readouts: [{title, value, words, meaning}]}
  function heading(clip) {
    if (!clip) return "";
    return `<div class="made"><h2>${esc(clip.title)}</h2><p>${esc(clip.detail)}</p>
      <ul class="readouts">${clip.readouts.map((one) => `<li title="${esc(one.meaning)}"><b>${esc(one.title)} ${one.value}</b>
        <span>${esc(one.words)}</span></li>`).join("")}</ul></div>`;
  }

  function link(token) {
    if (!token) return "";
    const address = `${location.origin}${location.pathname}?clip=${encodeURIComponent(token)}`;
    return `<div class="link"><input readonly value="${esc(address)}" aria-label="Link to this film" onfocus="this.select()">
      <button type="button" class="quiet" data-copy>Copy</button>
      <span>Whoever has this link, and can reach this page, sees this one film and nothing else.</span></div>`;
  }

  // Where a page is not served by https, this is the only way to the clipboard that a browser leaves it.
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (!button) return;
    button.parentElement.querySelector("input").select();
    if (document.execCommand("copy")) button.textContent = "Copied";
  });

  function card(entry, kind, chosen) {
    const film = kind === "film";
    const act = film ? "open" : "pick";
    return `<li class="card ${kind}${chosen ? " chosen" : ""}">
      <button type="button" class="face" data-do="${act}" data-id="${esc(entry.id)}"
        aria-label="${film ? "Play" : "Use"} ${esc(entry.title)}"${chosen ? ' aria-pressed="true"' : ""}>
        <img src="${esc(entry.picture)}" alt="" draggable="false">${film ? `<span class="badge">${ICONS.play}</span>` : ""}
        <span class="caption"><b>${esc(entry.title)}</b><small>${esc(entry.detail)}</small></span></button>
      <button type="button" class="away" data-do="${film ? "erase" : "remove"}" data-id="${esc(entry.id)}"
        data-sure="Delete?" aria-label="Delete ${esc(entry.title)}">${ICONS.close}</button></li>`;
  }

  // {subjects: [{id, title, detail, picture}], films: [...], chosen}
  function library(shelf) {
    if (!shelf) return "";
    if (!shelf.subjects.length && !shelf.films.length) return "";
    const row = (title, hint, entries, kind) =>
      entries.length
        ? `<div class="row"><header><h3>${title}</h3><p>${hint}</p></header>
            <ul>${entries.map((e) => card(e, kind, kind === "subject" && e.id === shelf.chosen)).join("")}</ul></div>`
        : "";
    return `<section class="library">
      ${row("Subjects", "Tuned already: choose one, and only the film is made anew.", shelf.subjects, "subject")}
      ${row("Films", "Choose one to watch or download it again.", shelf.films, "film")}</section>`;
  }

  // One listener for all buttons of a component. A button with data-sure asks once more before it acts.
  function act(element, trigger, _events) {
    element.addEventListener("click", (event) => {
      const button = event.target.closest("[data-do]");
      if (!button) return;
      if (button.dataset.sure && !button.classList.contains("sure")) {
        const before = button.innerHTML;
        button.classList.add("sure");
        button.textContent = button.dataset.sure;
        setTimeout(() => { button.classList.remove("sure"); button.innerHTML = before; button.disabled = false; }, 3000);
        return;
      }
      if (button.dataset.sure) button.disabled = true; // what is deleted is deleted once
      trigger(button.dataset.do, { id: button.dataset.id });
    });
  }

  // The chosen motion is the value of the component: a click changes it, and a value from the server checks its card.
  // The switch between the gallery and one's own remembers what was chosen at either place.
  function choose(element, props, watch, trigger, events) {
    const chosen = {};
    const show = () => {
      element.closest("#motion-side").dataset.source = props.source;
      element.querySelectorAll("[data-source]").forEach((tab) => tab.setAttribute("aria-pressed", tab.dataset.source === props.source));
      element.querySelectorAll("input").forEach((input) => { input.checked = input.value === props.value; });
    };
    element.addEventListener("change", (event) => {
      props.value = event.target.value;
      trigger("pick");
    });
    element.addEventListener("click", (event) => {
      const tab = event.target.closest("[data-source]");
      if (!tab || tab.dataset.source === props.source) return;
      const there = [...element.querySelectorAll(`.motions.${tab.dataset.source} input`)].map((input) => input.value);
      chosen[props.source] = props.value;
      props.source = tab.dataset.source;
      props.value = there.includes(chosen[props.source]) ? chosen[props.source] : there[0] ?? "";
      show();
      trigger("pick");
    });
    act(element, trigger, events);
    watch(["value", "own", "source"], show);
    show();
  }

  // The choices wait for what this visitor has left here, which would take the place of what is chosen before; but not
  // for longer than a slow network needs: whoever cannot be told what is left may still make a film.
  function enter(element, props, watch, trigger, events) {
    act(element, trigger, events);
    const choices = document.querySelector("#composer");
    if (!choices || props.value) return; // the library is put up again while a film is on show
    choices.inert = true;
    const open = () => { choices.inert = false; };
    watch("value", open);
    setTimeout(open, 5000);
  }

  // A click on the first frame says whom to follow: the value is [x, y] in 0..1 of the picture, or null.
  function point(element, props, watch) {
    const show = () => {
      const dot = element.querySelector(".dot");
      if (!dot) return;
      dot.hidden = !props.value;
      if (props.value) Object.assign(dot.style, { left: `${100 * props.value[0]}%`, top: `${100 * props.value[1]}%` });
    };
    element.addEventListener("click", (event) => {
      const look = event.target.closest(".look");
      if (!look) return;
      const box = look.getBoundingClientRect();
      const at = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
      props.value = event.target.closest(".dot") ? null : at.map((part) => Math.min(1, Math.max(0, part)));
      show();
    });
    element.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      const gone = ["Delete", "Backspace", "Escape"].includes(event.key);
      if (!event.target.closest(".look") || !(gone || event.key in steps)) return;
      event.preventDefault();
      const move = (part, i) => Math.min(1, Math.max(0, part + steps[event.key][i] * (event.shiftKey ? 0.1 : 0.02)));
      props.value = gone ? null : (props.value ?? [0.5, 0.5]).map(move);
      show();
    });
    watch(["value", "shown"], show);
    show();
  }

  // The colour is the value of the component, as #rrggbb.
  function tint(element, props) {
    element.addEventListener("click", (event) => {
      const button = event.target.closest("[data-colour]");
      if (button) props.value = button.dataset.colour;
    });
    element.addEventListener("change", (event) => { props.value = event.target.value; });
  }

  // A film is heard once: neither its copy nor a preview has a sound of its own.
  document.addEventListener("play", (event) => {
    if (event.target.closest?.("#alone, #preview")) event.target.muted = true;
  }, true);

  // A job that begins, or a film that is shown, is worth looking at: it stands at the top of the page. Who works with
  // the keyboard is taken there too, since the button that was pressed can do nothing now and has lost the focus.
  function arrive(element, props, watch) {
    let before = {};
    const look = () => {
      const now = { what: props.value?.id || props.value?.job || "", state: props.value?.state };
      if (now.what && now.what !== before.what) window.scrollTo({ top: 0, behavior: "smooth" });
      if (now.what && (now.what !== before.what || now.state !== before.state)) setTimeout(lead, 100); // drawn by then
      before = now;
    };
    const lead = () => {
      if (document.activeElement && document.activeElement !== document.body) return;
      element.tabIndex = -1;
      element.focus({ preventScroll: true });
    };
    watch("value", look);
    look(); // it is put up together with its first value
  }

  return { esc, duration, ICONS, arrive, motions, frame, about, fit, photos, colours, tint, examples, note, progress, heading, link, library, act, choose, enter, point };
})();
