// What the web client kept in this browser before anybody signed in: its id and its number of chats are told to the
// server, which carries them through signing up. The chats themselves stay here until they are brought in.

const form = document.getElementById("arrival");

function held() {
  try {
    const { state } = JSON.parse(localStorage.getItem("wavelength-store")) ?? {};
    const chats = Array.isArray(state?.chats) ? state.chats.length : 0;
    return { id: String(state?.anonymousId ?? "").slice(0, 200), chats };
  } catch {
    // Storage is blocked, or holds something else: then there is nothing to carry.
    return { id: "", chats: 0 };
  }
}

const { id, chats } = held();
if (form && chats) {
  form.hidden = false;
  form.elements.anonymous_id.value = id;
  form.elements.chats.value = String(chats);
  fetch(form.action, { method: "POST", body: new FormData(form), keepalive: true }).catch(() => {
    // Without it the chats can still be brought in by hand.
  });
}
