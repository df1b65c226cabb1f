// Hands this browser's chats, or a file's, to POST /api/migration, with the progress of the upload and a report.
// Without this module the form sends the file to the page itself.

const STORE = "wavelength-store";
const root = document.getElementById("import");
const part = (name) => root.querySelector(`[data-part="${name}"]`);
const words = root.dataset;

/** What a store or an API payload holds: the body to send and what to say about it. Throws on anything else. */
function read(text) {
  const value = JSON.parse(text);
  const inner = value?.state ?? value;
  if (!inner || typeof inner !== "object" || !Array.isArray(inner.chats)) throw new TypeError("chats");
  const chats = inner.chats;
  const config = inner.config ?? {};
  const secrets = [config, ...Object.values(config.providers ?? {})].map((holder) => holder?.apiKey);
  const keys = new Set(secrets.filter(Boolean)).size;
  const messages = chats.reduce((sum, chat) => sum + (chat?.messages?.length ?? 0), 0);
  const body = JSON.stringify({
    chats,
    config,
    anonymousId: String(inner.anonymousId ?? ""),
  });
  return { body, found: { chats: chats.length, messages, keys } };
}

const number = new Intl.NumberFormat(document.documentElement.lang);

function showFound(found) {
  for (const [name, figure] of Object.entries(found)) {
    part("found").querySelector(`[data-found="${name}"]`).textContent = number.format(figure);
  }
  part("found").hidden = false;
}

function refuse(sentence) {
  part("progress").hidden = true;
  part("problem").querySelector("p").textContent = sentence;
  part("problem").hidden = false;
}

function fillList(report, name, sentences) {
  const box = report.querySelector(`[data-report-list="${name}"]`);
  box.hidden = sentences.length === 0;
  box.querySelector("ul").replaceChildren(
    ...sentences.map((sentence) => {
      const item = document.createElement("li");
      const text = document.createElement("bdi");
      text.textContent = sentence;
      item.append(text);
      return item;
    }),
  );
}

function showReport(data) {
  const report = part("report-template").content.cloneNode(true);
  for (const [name, figure] of Object.entries({
    chats: data.migratedChats,
    messages: data.migratedMessages,
    keys: data.migratedApiKeys,
    skipped: data.skippedChats,
  })) {
    report.querySelector(`[data-report="${name}"]`).textContent = number.format(figure ?? 0);
  }
  fillList(report, "errors", data.errors ?? []);
  fillList(report, "warnings", data.warnings ?? []);
  const nothingNew = !data.migratedChats && !data.migratedMessages && !data.migratedApiKeys;
  const state = data.errors?.length ? "partial" : nothingNew ? "unchanged" : "complete";
  for (const title of report.querySelectorAll("[data-report-title]")) {
    title.hidden = title.dataset.reportTitle !== state;
  }
  part("progress").hidden = true;
  part("found").hidden = true;
  part("source").hidden = true;
  part("report").replaceChildren(report);
  part("report").hidden = false;
  part("report").querySelector("h2:not([hidden])").focus();
}

function send(body) {
  const bar = part("progress").querySelector("progress");
  const label = part("progress").querySelector("[data-label]");
  part("problem").hidden = true;
  part("progress").hidden = false;
  label.textContent = words.sending;
  bar.value = 0;
  for (const button of root.querySelectorAll("button")) button.disabled = true;

  const request = new XMLHttpRequest();
  request.open("POST", "/api/migration");
  request.setRequestHeader("Content-Type", "application/json");
  request.responseType = "json";
  request.upload.addEventListener("progress", (event) => {
    if (event.lengthComputable) bar.value = event.loaded / event.total;
  });
  request.upload.addEventListener("load", () => {
    label.textContent = words.storing;
    bar.removeAttribute("value");
  });
  request.addEventListener("loadend", () => {
    for (const button of root.querySelectorAll("button")) button.disabled = false;
    const answer = request.response;
    if (answer?.data) showReport(answer.data);
    else refuse(answer?.error ?? words.failed);
  });
  request.send(body);
}

let waiting = null;

function offer(text, unreadable) {
  part("problem").hidden = true;
  try {
    const { body, found } = read(text);
    waiting = body;
    showFound(found);
    return true;
  } catch {
    if (unreadable) refuse(unreadable);
    return false;
  }
}

function offerStore() {
  let text = null;
  try {
    text = localStorage.getItem(STORE);
  } catch {
    // Storage is blocked in this browser: a file still works.
  }
  const found = text !== null && offer(text, null);
  part("found-here").hidden = !found;
  part("nothing-here").hidden = found;
  if (!found) part("found").hidden = true;
}

async function offerFile(file) {
  if (!file) return;
  if (offer(await file.text(), words.unreadable)) {
    part("found-here").hidden = true;
    part("nothing-here").hidden = true;
    part("found-file").querySelector("bdi").textContent = file.name;
    part("found-file").hidden = false;
    part("found").scrollIntoView({ block: "nearest" });
    part("start").focus();
  }
}

part("start").addEventListener("click", () => waiting && send(waiting));

const drop = part("drop");
const input = drop.querySelector("input[type=file]");
part("submit").hidden = true;
input.addEventListener("change", () => offerFile(input.files[0]));
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
drop.addEventListener("drop", (event) => offerFile(event.dataTransfer.files[0]));

offerStore();
