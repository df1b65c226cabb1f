// An open page follows its figures. A stream says that they moved, never what they are; the page then asks for its own
// part again and changes in place only what differs: focus, scroll and what was unfolded stay. Where no stream is to be
// had, it asks whether they moved. Hidden pages do neither.

const POLL_MS = 5000;
const SLOWEST_POLL_MS = 60_000;
const STREAM_AGAIN_MS = 60_000;
const REFRESH_MS = 1000;
const MOST_TRIES = 5;
// Attributes that scripts set: portal.js for the focus, charts.js on what it has drawn.
const THEIRS = new Set(["tabindex", "aria-busy", "data-drawn"]);

const mark = document.querySelector("[data-live]");
const [state, ending] = mark.querySelectorAll("p");
const { liveAddress: address, liveRegion: region } = mark.dataset;
const person = mark.dataset.live.split(".")[0];

let shown = mark.dataset.live;
let source = null;
let timer = 0;
let failures = 0;
let streamAgainAt = 0;
let ended = false;

/** `follows`, `asks` or `waits`. */
function say(how) {
  state.hidden = false;
  state.dataset.state = how;
  state.textContent = state.dataset[how];
}

function later(action, milliseconds) {
  clearTimeout(timer);
  timer = setTimeout(action, milliseconds);
}

function start() {
  if (ended || document.hidden) return;
  if (Date.now() >= streamAgainAt) stream();
  else poll();
}

function stop() {
  source?.close();
  source = null;
  clearTimeout(timer);
}

function end() {
  ended = true;
  stop();
  state.hidden = true;
  ending.replaceChildren(mark.querySelector("template").content.cloneNode(true));
}

function stream() {
  stop();
  let lived = false;
  source = new EventSource(address);
  source.onopen = () => {
    lived = true;
    failures = 0;
    say("follows");
  };
  source.addEventListener("version", (event) => moved(event.data));
  source.addEventListener("ended", end);
  source.addEventListener("again", () => {
    stop();
    later(start, 100 + 400 * Math.random());
  });
  source.onerror = () => {
    stop();
    // One that had begun was cut off: the server restarts, or the network changed. Else none is free.
    if (lived) {
      say("waits");
      later(start, 300 + 700 * Math.random());
    } else {
      streamAgainAt = Date.now() + STREAM_AGAIN_MS;
      poll();
    }
  };
}

async function poll() {
  stop();
  try {
    const answer = await fetch(`${address}?known=${encodeURIComponent(shown)}`, { headers: { Accept: "text/plain" } });
    if (answer.status === 401) return end();
    if (!answer.ok) throw new Error(String(answer.status));
    // Back after a failure: the server is a new one, perhaps with a stream free.
    if (failures) streamAgainAt = 0;
    failures = 0;
    say("asks");
    if (answer.status === 200) moved(await answer.text());
  } catch {
    failures += 1;
    say("waits");
  }
  if (ended || document.hidden) return;
  const pause = failures ? Math.min(1000 * 2 ** (failures - 1), SLOWEST_POLL_MS) : streamAgainAt ? POLL_MS : 0;
  later(start, pause * (0.9 + 0.2 * Math.random()));
}

// ── Showing it ──────────────────────────────────────────────────────────────────────────────────

let wanted = shown;
let refreshing = false;

function moved(version) {
  if (version.split(".")[0] !== person) return end(); // another person signed in with this browser
  wanted = version;
  if (!refreshing) refresh();
}

async function refresh() {
  refreshing = true;
  // What fails again and again waits for the next word of a change; until it is shown, there is one.
  for (let tries = 0; wanted !== shown && !ended && tries < MOST_TRIES; tries += 1) {
    const version = wanted;
    const asked = location.href;
    let done = false;
    try {
      const answer = await fetch(asked, { headers: { "HX-Request": "true" } });
      if (answer.redirected) return end();
      if (answer.ok) done = put(await answer.text(), asked);
    } catch {
      // Whether the server is there, the stream or the poll finds out.
    }
    if (done) {
      shown = version;
      tries = -1;
    }
    await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
    if (document.hidden) break;
  }
  refreshing = false;
}

/** Whether the page shows this part now: not while another one is on its way, or when it is another page's. */
function put(text, asked) {
  const here = document.getElementById(region);
  const there = new DOMParser().parseFromString(text, "text/html").getElementById(region);
  if (!there || !here || asked !== location.href || document.querySelector(".htmx-request")) return false;
  const focused = document.activeElement;
  morph(here, there);
  if (document.activeElement !== focused && focused?.id) document.getElementById(focused.id)?.focus({ preventScroll: true });
  window.htmx?.process(here);
  here.dispatchEvent(new CustomEvent("live:refreshed", { bubbles: true }));
  return true;
}

/** Makes one element like another, and touches only what differs. `data-live-keep`: what script made stays. */
function morph(here, there) {
  if (here.isEqualNode(there) || isKept(here)) return;
  for (const { name } of [...here.attributes]) {
    if (!there.hasAttribute(name) && !isTheirs(here, name)) here.removeAttribute(name);
  }
  for (const { name, value } of there.attributes) {
    if (here.getAttribute(name) !== value && !isTheirs(here, name)) here.setAttribute(name, value);
  }
  let place = here.firstChild;
  for (const child of [...there.childNodes]) {
    const match = like(child, place, here);
    if (!match) {
      here.insertBefore(child, place);
      continue;
    }
    if (match === place) place = place.nextSibling;
    else here.insertBefore(match, place);
    if (match.nodeType === Node.ELEMENT_NODE) morph(match, child);
    else if (match.data !== child.data) match.data = child.data;
  }
  while (place) {
    const next = place.nextSibling;
    if (!isKept(place)) place.remove();
    place = next;
  }
}

/** What the person or a script set, and no answer of the server knows. */
function isTheirs(element, name) {
  return (name === "open" && element.localName === "details") || THEIRS.has(name);
}

function isKept(node) {
  return node.dataset?.liveKeep !== undefined;
}

/** The child that becomes this one: the one of its name, else the next of its kind without a name. */
function like(child, place, parent) {
  if (child.id) return [...parent.children].find((other) => other.id === child.id);
  for (let other = place; other; other = other.nextSibling) {
    if (other.nodeName === child.nodeName && !other.id && !isKept(other)) return other;
    // Nothing with a name is stepped over: it has its own place.
    if (other.id) return null;
  }
  return null;
}

document.addEventListener("visibilitychange", () => (document.hidden ? stop() : start()));
addEventListener("pagehide", stop);
addEventListener("pageshow", (event) => event.persisted && start());
addEventListener("online", start);
start();
