"use strict";
// Draws the charts, and updates <main> while a run writes.
(() => {
  const EVERY = 3000; // milliseconds between requests
  const READING = 100; // the same while the server reads a long run

  const drawAll = () => {
    if (window.Plotly) for (const box of document.querySelectorAll(".chart")) draw(box, false);
  };

  const take = (fresh) => {
    const live = document.getElementById("live");
    const old = [...live.querySelectorAll(".chart > script")];
    const next = [...fresh.querySelectorAll(".chart > script")];
    const open = [...live.querySelectorAll("details")].map((details) => details.open);
    const chosen = new Set([...live.querySelectorAll("input:checked")].map((input) => input.value));
    if (old.length && old.length === next.length) {
      // Charts stay in place, so that a zoom or a hover is not lost; only their data changes.
      old.forEach((script, place) => (script.textContent = next[place].textContent));
      const boxes = [...live.querySelectorAll(":scope > section:not(:has(.chart))")];
      const others = [...fresh.querySelectorAll(":scope > section:not(:has(.chart))")];
      boxes.forEach((box, place) => others[place] && box.replaceWith(others[place]));
    } else {
      live.replaceChildren(...fresh.childNodes);
    }
    for (const input of live.querySelectorAll("input[type=checkbox]")) input.checked = chosen.has(input.value);
    live.querySelectorAll("details").forEach((details, place) => (details.open = open[place] ?? details.open));
    drawAll();
  };

  let seen = null;
  const look = async () => {
    const live = document.getElementById("live");
    const reading = live.querySelector("[data-reading]");
    const focused = document.activeElement;
    const busy = (live.contains(focused) && !focused.closest(".chart-tools")) || String(getSelection());
    if (!document.hidden && (reading || !busy)) {
      try {
        const answer = await fetch(location.href, { cache: "no-cache" });
        const tag = answer.headers.get("ETag");
        if (answer.ok && tag !== seen) {
          take(new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live"));
        }
        if (answer.ok) seen = tag;
        document.documentElement.classList.remove("offline");
      } catch {
        document.documentElement.classList.add("offline"); // the server has stopped; the page stays as it is
      }
    }
    setTimeout(look, live.querySelector("[data-reading]") ? READING : EVERY);
  };

  drawAll();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  setTimeout(look, document.querySelector("[data-reading]") ? READING : EVERY);
})();
