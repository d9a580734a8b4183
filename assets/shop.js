// What a page cannot do by itself: let the clock of a hold run, and say that it has not been refreshed.
(() => {
  // The server says how much was left when it answered; this clock counts from there, whatever the device believes the time is.
  const clock = document.querySelector("[data-left-ms]");
  if (clock) {
    const [page] = performance.getEntriesByType("navigation");
    const until = (page ? page.responseStart : performance.now()) + Number(clock.dataset.leftMs);
    const sentence = clock.textContent;
    const shown = sentence.match(/\d+:\d\d/);
    const tick = () => {
      const left = Math.max(0, Math.ceil((until - performance.now()) / 1000));
      const time = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
      const text = shown ? sentence.replace(shown[0], time) : sentence;
      if (clock.textContent !== text) clock.textContent = text;
      clock.classList.toggle("soon", left < 120);
      if (left > 0) return void setTimeout(tick, 250);
      // Nothing can be paid any more; the page says what became of it.
      for (const button of document.querySelectorAll(".pay button")) button.disabled = true;
      setTimeout(() => location.reload(), 1000);
    };
    tick();
  }

  // A form that asks for something once is sent once, unless nothing comes of it.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-once]")) return;
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "yes";
    setTimeout(() => { delete form.dataset.sent; }, 8000);
  });

  // A page from the browser's memory, or from before the device slept, is of another moment: it is asked for anew.
  let hiddenAt = 0;
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) hiddenAt = Date.now();
    else if (clock && Date.now() - hiddenAt > 30000) location.reload();
  });

  // What refreshes itself does so only where somebody looks, not sooner than the server wants, and says when it cannot.
  const stale = document.getElementById("stale");
  const say = (isStale) => { if (stale) stale.hidden = !isStale; };
  let notBefore = 0;
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden || Date.now() < notBefore) event.preventDefault();
  });
  for (const name of ["htmx:sendError", "htmx:timeout"]) document.addEventListener(name, () => say(true));
  document.addEventListener("htmx:responseError", (event) => {
    const wait = Number(event.detail.xhr.getResponseHeader("Retry-After")) || 5;
    notBefore = Date.now() + wait * 1000;
    say(true);
  });
  document.addEventListener("htmx:afterOnLoad", (event) => { if (event.detail.xhr.status < 400) say(false); });
})();
