// Copying code and messages. Without script both can be selected.

const COPIED_MS = 2000;

function offer(template, text, place) {
  const item = document.getElementById(template).content.firstElementChild.cloneNode(true);
  const [button, status] = item.children;
  const words = button.firstElementChild;
  const copy = words.textContent;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
    } catch {
      return; // The browser refuses (no https, no permission): it can be selected by hand.
    }
    words.textContent = status.textContent = button.dataset.copied;
    setTimeout(() => {
      words.textContent = copy;
      status.textContent = "";
    }, COPIED_MS);
  });
  place.append(item);
}

for (const message of document.querySelectorAll("[data-copyable] .message")) {
  const body = message.querySelector(".message-body");
  // Its words alone: not those of the buttons within.
  const text = () => {
    const selection = getSelection();
    selection.selectAllChildren(body);
    const words = selection.toString();
    selection.removeAllRanges();
    return words;
  };
  offer("copy-message", text, message.querySelector(".message-head"));
}
for (const code of document.querySelectorAll("[data-copyable] .code")) {
  offer("copy-code", () => code.querySelector("code").textContent, code);
}
