// What every page has beyond HTML: dialogs, toasts, showing a password, trying a theme.
// Nothing here is needed for anything to work.

const dialog = document.getElementById("dialog");

let opener = "";

function openDialog() {
  if (!dialog.open) {
    opener = document.activeElement?.id ?? "";
    dialog.showModal();
  }
  const wrong = dialog.querySelector('[aria-invalid="true"]');
  const first = wrong ?? dialog.querySelector("input:not([type=hidden]), select, textarea, #dialog-title");
  first?.focus();
}

function closeDialog() {
  dialog?.close();
}

if (dialog) {
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target !== dialog) return;
    dialog.querySelectorAll("input[type=password]").forEach(addReveal);
    openDialog();
  });
  // The server says so when what the dialog was for is done.
  document.addEventListener("dialog:done", closeDialog);
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-dialog-close]")) {
      event.preventDefault();
      closeDialog();
    }
  });
  dialog.addEventListener("close", () => {
    dialog.replaceChildren();
    // What opened it may have been swapped meanwhile: back to the one of that name, else to the page.
    if (document.activeElement === document.body) (document.getElementById(opener) ?? document.getElementById("main")).focus();
  });
}

// A request that failed is said, never silent.
const toasts = document.getElementById("toasts");
document.addEventListener("htmx:responseError", () => say(toasts.dataset.failed));
document.addEventListener("htmx:sendError", () => say(toasts.dataset.offline));

function say(text) {
  const item = document.createElement("div");
  item.className = "toast toast-error";
  const line = document.createElement("p");
  line.textContent = text;
  item.append(document.createElement("span"), line);
  toasts.append(item);
}

const PASSING_MS = 6000;

function dismiss(toast) {
  toast.dataset.leaving = "";
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  setTimeout(() => toast.remove(), calm ? 0 : 220);
}

function prepareToast(toast) {
  const close = toast.querySelector("[data-toast-close]");
  if (close) {
    close.hidden = false;
    close.addEventListener("click", () => dismiss(toast));
  }
  if (!("passing" in toast.dataset)) return;
  // It waits while someone points at it or has the focus inside it.
  const leave = () => {
    if (toast.matches(":hover, :focus-within")) setTimeout(leave, PASSING_MS);
    else dismiss(toast);
  };
  setTimeout(leave, PASSING_MS);
}

toasts?.querySelectorAll(".toast").forEach(prepareToast);
if (toasts) {
  new MutationObserver((changes) => {
    for (const change of changes) {
      for (const node of change.addedNodes) if (node.matches?.(".toast")) prepareToast(node);
    }
  }).observe(toasts, { childList: true });
}

// Passwords can be shown; the button's words come from the page, in its language.
function addReveal(input) {
  const box = document.createElement("div");
  box.className = "password";
  input.before(box);
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button button-ghost button-s";
  button.textContent = toasts.dataset.show;
  button.setAttribute("aria-controls", input.id);
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => {
    const shown = input.type === "text";
    input.type = shown ? "password" : "text";
    button.textContent = shown ? toasts.dataset.show : toasts.dataset.hide;
    button.setAttribute("aria-pressed", String(!shown));
  });
  box.append(input, button);
}

document.querySelectorAll("main input[type=password]").forEach(addReveal);

// The theme is seen at once; saving keeps it.
for (const choice of document.querySelectorAll("input[name=theme]")) {
  choice.addEventListener("change", () => {
    document.documentElement.dataset.theme = choice.value;
  });
}

// The time zone is guessed where none was chosen.
const zone = document.querySelector("select[data-guess-timezone]");
if (zone && !zone.value) {
  const guess = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if ([...zone.options].some((option) => option.value === guess)) zone.value = guess;
}

// A search clears with Escape; "/" goes to it.
document.addEventListener("keydown", (event) => {
  const search = document.querySelector("[data-search]");
  if (!search || event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable], dialog")) return;
  event.preventDefault();
  search.focus();
});
