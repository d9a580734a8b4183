// Shortcuts of the keyboard. Every page works without this file.
"use strict";

const isTyping = (element) => element.matches("input:not([type=checkbox]), textarea, select");
const rows = () => [...document.querySelectorAll("table.rows tbody tr a.row")];

function step(by) {
  const links = rows();
  if (links.length === 0) return;
  const now = links.indexOf(document.activeElement);
  const next = now < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(Math.max(now + by, 0), links.length - 1);
  links[next].focus();
}

let goes = false;

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (goes) {
    goes = false;
    const link = document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`);
    if (link) link.click();
    return;
  }
  if (event.key === "g") goes = true;
  else if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
  else if (event.key === "/") {
    const field = document.querySelector("form.search input:not([type=hidden])");
    if (field) {
      event.preventDefault();
      field.focus();
    }
  }
});

// A box in the head of a table ticks all of its rows.
document.addEventListener("change", (event) => {
  if (!event.target.matches("input[data-ticks]")) return;
  const table = event.target.closest("table");
  for (const box of table.querySelectorAll("tbody input[type=checkbox]")) box.checked = event.target.checked;
});

// Nobody looks at a page in the background: it does not ask for news.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.detail.elt.matches("[data-live]")) event.preventDefault();
});
