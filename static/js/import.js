// Sends what this browser holds, or a file, as it is: first to be looked through, then to be brought in.
// The server reads and checks it; here is only how much was sent, and then how far the server says it is. Without this
// module the form sends the file by itself.

const STORE = "wavelength-store";
const POLL_MS = 1000;
const MOST_BYTES = 100 * 1024 * 1024;
const root = document.getElementById("import");
const part = (name) => root.querySelector(`[data-part="${name}"]`);
const words = root.dataset;
const number = new Intl.NumberFormat(document.documentElement.lang);

let source = null; // a Blob: what is looked at, or was last sent
let sending = false;

/** A name for a hand-over, by which it can be followed; random also where there is no crypto.randomUUID. */
function newReference() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** How many chats, messages and keys a store seems to hold; null for what is none. The server looks closely. */
function summary(text) {
  try {
    const value = JSON.parse(text);
    const inner = value?.state ?? value;
    if (!Array.isArray(inner?.chats)) return null;
    const config = inner.config ?? {};
    const secrets = [config, ...Object.values(config.providers ?? {})].map((holder) => holder?.apiKey);
    return {
      chats: inner.chats.length,
      messages: inner.chats.reduce((sum, chat) => sum + (chat?.messages?.length ?? 0), 0),
      keys: new Set(secrets.filter(Boolean)).size,
    };
  } catch {
    return null;
  }
}

function show(...names) {
  for (const name of ["progress", "problem", "again"]) part(name).hidden = !names.includes(name);
}

function refuse(sentence) {
  show("problem");
  part("problem").querySelector("p").textContent = sentence || words.failed;
}

/** Sends a body and tells of its way. Answers the request once it ended, with status 0 when the connection broke. */
function post(url, body, { label, arrived, onArrived }) {
  show("progress");
  part("preview").replaceChildren();
  part("server").replaceChildren();
  part("said").textContent = "";
  const bar = root.querySelector("#progress");
  bar.closest(".meter").hidden = false;
  bar.value = 0;
  part("label").textContent = label;
  part("bytes").textContent = "";
  const request = new XMLHttpRequest();
  request.open("POST", url);
  request.setRequestHeader("Content-Type", "application/json");
  request.setRequestHeader("X-CSRFToken", root.querySelector("[name=csrfmiddlewaretoken]").value);
  request.upload.addEventListener("progress", ({ loaded, total }) => {
    bar.value = total ? loaded / total : 0;
    part("bytes").textContent = `${number.format(Math.round(bar.value * 100))} %`;
  });
  request.upload.addEventListener("load", () => {
    bar.removeAttribute("value");
    part("bytes").textContent = "";
    part("label").textContent = arrived;
    part("said").textContent = arrived;
    onArrived?.();
  });
  sending = true;
  for (const button of root.querySelectorAll("button")) button.disabled = true;
  return new Promise((resolve) => {
    request.addEventListener("loadend", () => {
      sending = false;
      for (const button of root.querySelectorAll("button")) button.disabled = false;
      resolve(request);
    });
    request.send(body);
  });
}

function problemOf(request) {
  try {
    return JSON.parse(request.responseText).problem;
  } catch {
    return "";
  }
}

async function look(blob) {
  source = blob;
  const request = await post(words.preview, blob, { label: words.sending, arrived: words.looking });
  if (request.status !== 200) return refuse(request.status ? problemOf(request) : words.broken);
  if (request.getResponseHeader("Content-Type").startsWith("application/json")) return refuse(problemOf(request));
  show();
  part("preview").innerHTML = request.responseText;
  part("preview").querySelector("h2").focus();
}

/** What the server says of a hand-over, as the markup of its page; null while it knows of none or cannot be reached. */
async function stateOf(reference) {
  try {
    const answer = await fetch(`${words.import}${reference}/`, { headers: { "HX-Request": "true" } });
    return answer.status === 200 && !answer.redirected ? await answer.text() : null;
  } catch {
    return null;
  }
}

async function bring() {
  const reference = newReference();
  const url = `${words.import}${reference}/`;
  let over = false;
  const follow = async () => {
    while (!over) {
      const state = await stateOf(reference);
      if (over) return;
      if (state !== null) {
        root.querySelector("#progress").closest(".meter").hidden = true;
        part("server").innerHTML = state;
        const now = part("server").firstElementChild.dataset.state;
        part("server").querySelector("[data-part=go-on]")?.remove();
        if (now !== "under way" && now !== "stopped") {
          over = true;
          location.assign(url);
        }
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  };
  const request = await post(`${words.import}?reference=${reference}`, source, {
    label: words.sending,
    arrived: words.storing,
    onArrived: follow,
  });
  if (request.status === 200) {
    over = true;
    location.assign(JSON.parse(request.responseText).url);
  } else if (request.status === 0 || request.status >= 500) {
    // Whatever arrived is kept, and may still be worked on: its state is followed while one decides.
    root.querySelector("#progress").closest(".meter").hidden = true;
    part("said").textContent = words.broken;
    show("progress", "again");
    part("resume").focus();
    part("resume").onclick = () => {
      over = true;
      bring();
    };
  } else {
    over = true;
    refuse(problemOf(request));
  }
}

root.addEventListener("click", ({ target }) => {
  const pressed = target.closest("[data-part]")?.dataset.part;
  if (pressed === "start") bring();
  if (pressed === "cancel") part("preview").replaceChildren();
});

// While bytes are on their way, leaving the page would stop them; what has arrived goes on.
addEventListener("beforeunload", (event) => {
  if (sending && root.querySelector("#progress").hasAttribute("value")) event.preventDefault();
});

const drop = part("drop");
const input = drop.querySelector("input[type=file]");

function take(file) {
  if (!file || sending) return;
  if (file.size > MOST_BYTES) refuse(words.large);
  else look(file);
}

part("submit").hidden = true;
input.addEventListener("change", () => {
  take(input.files[0]);
  // So that the same file can be chosen again.
  input.value = "";
});
for (const name of ["dragenter", "dragover"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.dataset.over = "";
  });
}
for (const name of ["dragleave", "drop"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    delete drop.dataset.over;
  });
}
drop.addEventListener("drop", (event) => take(event.dataTransfer.files[0]));

function lookHere() {
  let text = null;
  try {
    text = localStorage.getItem(STORE);
  } catch {
    // Storage is blocked in this browser: a file still works.
  }
  const found = text === null ? null : summary(text);
  part("here").hidden = found === null;
  part("nothing-here").hidden = found !== null;
  if (found === null) return;
  for (const [name, figure] of Object.entries(found)) {
    part("here").querySelector(`[data-found="${name}"]`).textContent = number.format(figure);
  }
  part("look").addEventListener("click", () => look(new Blob([text])));
}

lookHere();
