// The profile page: a theme that is seen at once, a picture before it is sent, a guessed time zone.
// Nothing here is needed for anything to work.

// Listened for on the page, because a saved section is swapped for a new one.
document.addEventListener("change", ({ target }) => {
  if (target.name === "theme") document.documentElement.dataset.theme = target.value;
  if (target.type === "file" && target.closest("[data-picture]")) preview(target);
});

function preview(input) {
  const section = input.closest("[data-picture]");
  const shown = section.querySelector("[data-preview]");
  const [file] = input.files;
  shown.hidden = !file;
  section.querySelector("[data-current]").hidden = Boolean(file);
  if (!file) return;
  const reader = new FileReader();
  // An address of the page's own memory would be another kind of source for the security policy.
  reader.addEventListener("load", () => {
    shown.src = reader.result;
  });
  reader.readAsDataURL(file);
}

// What cannot be shown (no picture) is not: the server says why when it is sent.
document.addEventListener(
  "error",
  ({ target }) => {
    if (target.matches?.("[data-preview]")) {
      target.hidden = true;
      target.closest("[data-picture]").querySelector("[data-current]").hidden = false;
    }
  },
  true,
);

function guessZone() {
  const field = document.querySelector("[data-guess-timezone]");
  const hint = document.querySelector("[data-guessed]");
  if (!field || field.value || !hint) return;
  const guess = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!guess || !field.list?.querySelector(`option[value="${CSS.escape(guess)}"]`)) return;
  field.value = guess;
  hint.hidden = false;
}

guessZone();
