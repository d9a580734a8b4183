// What a page cannot do by itself: let the clock of a hold run, and say that it has not been refreshed.
(() => {
  // The server says how much is left; this clock only counts from there, whatever the device believes the time is.
  const clock = document.querySelector("[data-left-ms]");
  if (clock) {
    const until = performance.now() + Number(clock.dataset.leftMs);
    const form = clock.textContent;
    const shown = form.match(/\d+:\d\d/);
    const tick = () => {
      const left = Math.max(0, Math.ceil((until - performance.now()) / 1000));
      const text = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
      if (shown) clock.textContent = form.replace(shown[0], text);
      clock.classList.toggle("soon", left < 120);
      if (left > 0) setTimeout(tick, 250);
    };
    tick();
  }

  // A form that asks for something once is sent once.
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-once]")) return;
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "yes";
  });
  // A page from the browser's memory is of another moment: it is asked for anew.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  // What refreshes itself says when it cannot.
  const stale = document.getElementById("stale");
  const say = (isStale) => { if (stale) stale.hidden = !isStale; };
  for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
    document.addEventListener(name, () => say(true));
  }
  document.addEventListener("htmx:afterOnLoad", (event) => { if (event.detail.xhr.status < 400) say(false); });
})();
