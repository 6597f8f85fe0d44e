/*
 * Reading a chart of minutes: by pointer, or by arrow keys once it has the focus. All charts of a
 * group show the same minute; their figures come from the table that says the same in words.
 *
 *   <div data-plots="minutes-values">                 the id of the table, newest minute first
 *     <figure data-plot="rate|time|count">
 *       <span data-column="…"><span data-name>…</span> <b data-value>newest</b></span>
 *       <line data-cursor>  <div role="slider" data-slider>  <span data-when>chosen</span>
 */
(() => {
  "use strict";

  /** The minute that is read, by its time, so that it stays the same as minutes pass. */
  let chosen = "";
  /** The table's cells, by minute and column, while its rows are the same. */
  let table = null;

  function minutesOf(group) {
    const element = document.getElementById(group.dataset.plots);
    if (!element) return null;
    const first = element.tBodies[0].rows[0]?.querySelector("time")?.dateTime;
    if (table?.element !== element || table.first !== first) {
      const columns = [...element.tHead.rows[0].cells].map((cell) => cell.dataset.column);
      table = { element, first, columns, rows: [...element.tBodies[0].rows].reverse() };
    }
    return table;
  }

  const timeOf = (row) => row.querySelector("time");

  function show(group) {
    const minutes = minutesOf(group);
    if (!minutes) return;
    const last = minutes.rows.length - 1;
    const at = minutes.rows.findIndex((row) => timeOf(row).dateTime === chosen);
    for (const plot of group.querySelectorAll("[data-plot]")) {
      const canvas = plot.querySelector("svg[viewBox][role=img]");
      const width = canvas.viewBox.baseVal.width;
      const share = plot.dataset.plot === "count" ? (at + 0.5) / (last + 1) : at / last;
      const x = String(Math.max(share, 0) * width);
      const cursor = plot.querySelector("[data-cursor]");
      cursor.setAttribute("visibility", at < 0 ? "hidden" : "visible");
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
      const row = minutes.rows[at < 0 ? last : at];
      const words = [];
      for (const key of plot.querySelectorAll("[data-column]")) {
        const text = row.cells[minutes.columns.indexOf(key.dataset.column)].textContent;
        const value = key.querySelector("[data-value]");
        if (value.textContent !== text) value.textContent = text;
        words.push(`${key.querySelector("[data-name]")?.textContent.trim() ?? ""} ${text}`.trim());
      }
      const when = plot.querySelector("[data-when]");
      when.textContent = at < 0 ? "" : timeOf(row).textContent;
      const slider = plot.querySelector("[data-slider]");
      slider.setAttribute("aria-valuenow", String(at < 0 ? last : at));
      slider.setAttribute("aria-valuetext", `${timeOf(row).textContent}: ${words.join(", ")}`);
    }
  }

  function choose(group, index) {
    const minutes = minutesOf(group);
    if (!minutes) return;
    const last = minutes.rows.length - 1;
    const row = minutes.rows[Math.min(Math.max(index, 0), last)];
    chosen = index === null || !row ? "" : timeOf(row).dateTime;
    show(group);
  }

  function indexAt(slider, clientX) {
    const box = slider.getBoundingClientRect();
    const count = Number(slider.getAttribute("aria-valuemax")) + 1;
    return Math.floor(((clientX - box.left) / box.width) * count);
  }

  const sliderOf = (event) => event.target.closest?.("[data-slider]");
  const groupOf = (slider) => slider.closest("[data-plots]");

  document.addEventListener("pointermove", (event) => {
    const slider = sliderOf(event);
    if (slider) choose(groupOf(slider), indexAt(slider, event.clientX));
  });

  document.addEventListener("pointerout", (event) => {
    const slider = sliderOf(event);
    if (slider && document.activeElement !== slider) choose(groupOf(slider), null);
  });

  document.addEventListener("focusin", (event) => {
    const slider = sliderOf(event);
    if (slider && !chosen) choose(groupOf(slider), Number(slider.getAttribute("aria-valuemax")));
  });

  document.addEventListener("focusout", (event) => {
    const slider = sliderOf(event);
    if (slider && !event.relatedTarget?.matches?.("[data-slider]")) choose(groupOf(slider), null);
  });

  const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };

  document.addEventListener("keydown", (event) => {
    const slider = sliderOf(event);
    if (!slider) return;
    const group = groupOf(slider);
    const at = Number(slider.getAttribute("aria-valuenow"));
    if (event.key in STEPS) choose(group, at + STEPS[event.key]);
    else if (event.key === "Home") choose(group, 0);
    else if (event.key === "End") choose(group, Number(slider.getAttribute("aria-valuemax")));
    else if (event.key === "Escape") slider.blur();
    else return;
    event.preventDefault();
  });

  // New minutes came: what was read is read on.
  document.addEventListener("htmx:afterSwap", () => {
    for (const group of document.querySelectorAll("[data-plots]")) show(group);
  });
  for (const group of document.querySelectorAll("[data-plots]")) show(group);
})();
