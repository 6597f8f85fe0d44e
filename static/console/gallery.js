/*
 * The gallery: finds while one types, fits each frame to what is in it, and in development shows
 * the page anew as soon as a template, fixture, style or script was saved.
 */
(() => {
  "use strict";

  const LOOK_EVERY_MS = 1_000;

  // --- Find ----------------------------------------------------------------------------------

  const search = document.querySelector("[data-gallery-search]");
  const found = document.querySelector("[data-gallery-found]");
  const items = [...document.querySelectorAll("[data-gallery-item]")];

  function find() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const item of items) {
      const text = item.textContent.toLowerCase();
      item.hidden = !words.every((word) => text.includes(word));
      if (!item.hidden) count += 1;
    }
    for (const group of document.querySelectorAll("[data-gallery-group]")) {
      group.hidden = !group.querySelector("[data-gallery-item]:not([hidden])");
    }
    // The words stay the template's own; only the figure changes.
    if (found) found.textContent = found.textContent.replace(/\d+/, String(count));
  }

  search?.addEventListener("input", find);

  // --- Frames --------------------------------------------------------------------------------

  function fit(frame) {
    const inside = frame.contentDocument?.getElementById("main");
    if (!inside) return;
    const measure = () => {
      frame.style.height = `${Math.ceil(inside.getBoundingClientRect().height)}px`;
    };
    new frame.contentWindow.ResizeObserver(measure).observe(inside);
    measure();
  }

  for (const frame of document.querySelectorAll("[data-gallery-frame]")) {
    frame.addEventListener("load", () => fit(frame));
    if (frame.contentDocument?.readyState === "complete") fit(frame);
  }

  // --- Anew after each change ------------------------------------------------------------------

  const address = document.querySelector("[data-reloads]")?.dataset.reloads;
  let known = null;

  async function look() {
    if (document.hidden) return;
    try {
      const answer = await fetch(address, { headers: { Accept: "text/plain" } });
      if (!answer.ok) return;
      const state = await answer.text();
      if (known !== null && state !== known) location.reload();
      known = state;
    } catch {
      // The server is being started anew; the next look tells.
    }
  }

  if (address) {
    look();
    setInterval(look, LOOK_EVERY_MS);
  }
})();
