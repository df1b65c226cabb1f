// Says when a passkey could not be used: allauth's own script only tells the console.

document.addEventListener("allauth.error", (event) => {
  const failed = document.querySelector("[data-passkey-failed]");
  if (!failed) return;
  event.preventDefault();
  failed.hidden = false;
});
