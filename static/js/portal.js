// What every page has beyond HTML: dialogs, toasts, waiting, the connection, copying, showing a password.
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
    dialog.querySelectorAll(".password").forEach(addReveal);
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

// What is under way: the page says so once it takes long enough to be noticed, and what is about to be replaced is busy.
let underway = 0;

function count(change) {
  underway = Math.max(0, underway + change);
  document.documentElement.toggleAttribute("data-underway", underway > 0);
}

document.addEventListener("htmx:beforeRequest", (event) => {
  if (quiet(event)) return;
  count(1);
  event.detail.target?.setAttribute("aria-busy", "true");
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (quiet(event)) return;
  count(-1);
  event.detail.target?.removeAttribute("aria-busy");
});

/** Whether nobody asked for this request: a page that refreshes itself does so without a word. */
function quiet(event) {
  return Boolean(event.detail.elt?.closest("[data-quiet]"));
}

// A form that leaves the page is sent once, and its button says that it is on its way.
document.addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  const leaves = form.method === "post" && !form.target && !("download" in form.dataset);
  if (event.defaultPrevented || !leaves || form.matches("[hx-post], [data-hx-post]")) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "true";
  submitter?.setAttribute("aria-busy", "true");
});
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    form.querySelector("[aria-busy]")?.removeAttribute("aria-busy");
  }
});

// After a swap the focus is where it was, by the name of the element; where that is gone, at the start of what came,
// and never at the top of the page.
let lost = null;
document.addEventListener("htmx:beforeSwap", ({ detail: { shouldSwap, target } }) => {
  lost = target !== dialog && target?.contains(document.activeElement) ? target.id : null;
  // What came stands above what goes for a moment: the browser would scroll along with the latter.
  if (shouldSwap) document.documentElement.dataset.swapping = "";
});
document.addEventListener("htmx:afterSettle", () => {
  delete document.documentElement.dataset.swapping;
  const place = lost && document.getElementById(lost);
  lost = null;
  if (!place || (document.activeElement && document.activeElement !== document.body)) return;
  const start = place.querySelector("[data-focus], [autofocus], h1, h2, h3") ?? place;
  if (start.tabIndex < 0) start.setAttribute("tabindex", "-1");
  start.focus({ preventScroll: true });
});

// What a menu asks for takes the menu's place; the focus goes back to the button that opened it.
document.addEventListener("htmx:beforeRequest", (event) => {
  const menu = event.target.closest?.(".menu[popover]");
  if (!menu?.matches(":popover-open")) return;
  menu.hidePopover();
  document.querySelector(`[popovertarget="${menu.id}"]`)?.focus();
});

// A request that failed is said, never silent.
const toasts = document.getElementById("toasts");
document.addEventListener("htmx:responseError", (event) => {
  if (!quiet(event)) say(event.detail.xhr.status === 429 ? toasts.dataset.often : toasts.dataset.failed);
});
document.addEventListener("htmx:sendError", (event) => {
  if (!quiet(event)) say(toasts.dataset.offline);
});

function say(text) {
  if ([...toasts.querySelectorAll(".toast-error p")].some((line) => line.textContent === text)) return;
  const item = document.createElement("div");
  item.className = "toast toast-error";
  const line = document.createElement("p");
  line.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "button button-ghost button-s";
  close.dataset.toastClose = "";
  close.textContent = toasts.dataset.dismiss;
  item.append(line, close);
  toasts.append(item);
}

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
  toast.querySelector("[data-toast-action]")?.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful) dismiss(toast);
  });
  const seconds = Number(toast.dataset.passing);
  if (!seconds) return;
  // It waits while someone points at it or has the focus inside it.
  const leave = () => {
    if (toast.matches(":hover, :focus-within")) setTimeout(leave, seconds * 1000);
    else dismiss(toast);
  };
  setTimeout(leave, seconds * 1000);
}

toasts?.querySelectorAll(".toast").forEach(prepareToast);
if (toasts) {
  new MutationObserver((changes) => {
    for (const change of changes) {
      for (const node of change.addedNodes) if (node.matches?.(".toast")) prepareToast(node);
    }
  }).observe(toasts, { childList: true });
}

// Whether there is a connection at all.
const offline = document.getElementById("offline");
function showConnection() {
  if (offline) offline.hidden = navigator.onLine;
}
addEventListener("online", showConnection);
addEventListener("offline", showConnection);
showConnection();

// Copying: the field beside the button can be selected where there is no script.
function prepareCopy(button) {
  // What is said stands outside the button, so that its name stays what it does.
  const words = button.querySelector("[data-words]");
  const status = button.nextElementSibling;
  const copy = words.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const field = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      // The browser refuses (no https, no permission): selected, it can be copied by hand.
      field.select();
      return;
    }
    words.textContent = status.textContent = button.dataset.copied;
    setTimeout(() => {
      words.textContent = copy;
      status.textContent = "";
    }, 2000);
  });
}

/** Gives what came into the page what it has with script only. */
function prepare(root) {
  root.querySelectorAll("[data-copy][hidden]").forEach(prepareCopy);
}

prepare(document);
document.addEventListener("htmx:load", (event) => prepare(event.detail.elt));

// Passwords can be shown; the button's words come from the page, in its language. The field stays where it is:
// somebody may be typing into it while this script arrives, and what is moved loses the focus.
function addReveal(box) {
  const input = box.querySelector("input");
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
  box.append(button);
}

document.querySelectorAll("main .password").forEach(addReveal);

// A search clears with Escape; "/" goes to it.
document.addEventListener("keydown", (event) => {
  const search = document.querySelector("[data-search]");
  if (!search || event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable], dialog")) return;
  event.preventDefault();
  search.focus();
});

// One page is kept for when there is no connection. Not on the sign-in pages, which a web client may serve as its own.
if (document.querySelector(".shell-portal") && !location.pathname.startsWith("/accounts/")) {
  navigator.serviceWorker?.register("/service-worker.js").catch(() => {
    // Without https, or where the browser forbids it: then it shows its own page.
  });
}
