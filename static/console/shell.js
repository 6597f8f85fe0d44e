/*
 * The shell: the site switcher (a combobox over options that the server renders), menus that
 * close with Esc or a click elsewhere, "/" for search, lists that one walks through with the arrow
 * keys, and folds that stay as they were left.
 */
(() => {
  "use strict";

  // --- The site switcher ---------------------------------------------------------------------

  const switcher = document.querySelector("[data-switcher]");
  const input = switcher?.querySelector("[role=combobox]");
  const list = switcher?.querySelector("[role=listbox]");

  const options = () => [...list.querySelectorAll("a[role=option]")];
  const selected = () => list.querySelector("[aria-selected=true]");

  function open() {
    if (!list.firstElementChild) return;
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
  }

  function close() {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    select(null);
  }

  function select(option) {
    selected()?.setAttribute("aria-selected", "false");
    if (!option) {
      input.removeAttribute("aria-activedescendant");
      return;
    }
    option.setAttribute("aria-selected", "true");
    input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  function move(step) {
    open();
    const all = options();
    if (!all.length) return;
    const at = all.indexOf(selected());
    const next = at < 0 && step < 0 ? all.length - 1 : (at + step + all.length) % all.length;
    select(all[next]);
  }

  function onKey(event) {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      move(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Escape") {
      if (list.hidden) input.value = "";
      close();
    } else if (event.key === "Enter" && !list.hidden) {
      // What is chosen, else the only match; else the form finds what was typed.
      const option = selected() || (options().length === 1 ? options()[0] : null);
      if (option) {
        event.preventDefault();
        option.click();
      }
    }
  }

  if (switcher) {
    input.addEventListener("keydown", onKey);
    input.addEventListener("focus", open);
    list.addEventListener("htmx:afterSwap", () => {
      select(null);
      if (document.activeElement === input) open();
    });
    switcher.addEventListener("focusout", (event) => {
      if (!switcher.contains(event.relatedTarget)) close();
    });
    // A press on an option must not take the focus, or the list would close under it.
    list.addEventListener("mousedown", (event) => event.preventDefault());
  }

  // --- Menus ---------------------------------------------------------------------------------

  const openMenus = () => document.querySelectorAll("details[data-menu][open]");

  document.addEventListener("click", (event) => {
    for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      for (const menu of openMenus()) {
        menu.open = false;
        menu.querySelector("summary").focus();
      }
    }
    const isTyping = event.target.closest?.("input, select, textarea, [contenteditable]");
    const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (event.key === "/" && isPlain && !isTyping && input) {
      event.preventDefault();
      input.focus();
      input.select();
    }
  });

  // --- Folds: what a person opened or closed stays so, on this device -------------------------

  const isNarrow = window.matchMedia("(width < 64rem)").matches;
  for (const fold of document.querySelectorAll("details[data-fold]")) {
    const key = `fold-${fold.dataset.fold}`;
    let kept = null;
    try {
      kept = localStorage.getItem(key);
    } catch {
      // Without storage each page begins as it is made.
    }
    if (kept !== null) fold.open = kept === "open";
    else if (isNarrow) fold.open = false;
    fold.querySelector("summary").addEventListener("click", () => {
      try {
        localStorage.setItem(key, fold.open ? "closed" : "open");
      } catch {
        // As above.
      }
    });
  }

  // --- Lists that one walks through with the arrow keys --------------------------------------

  document.addEventListener("keydown", (event) => {
    const item = event.target.closest?.("[data-arrows] > [tabindex]");
    if (!item) return;
    const items = [...item.parentElement.children];
    const places = { ArrowLeft: -1, ArrowRight: 1, Home: -items.length, End: items.length };
    if (!(event.key in places)) return;
    event.preventDefault();
    const at = items.indexOf(item) + places[event.key];
    items[Math.min(Math.max(at, 0), items.length - 1)].focus();
  });

  // Lines of links, one below the other: down and up go to the same link of the next line.
  const LINES = { ArrowUp: -1, ArrowDown: 1 };

  document.addEventListener("keydown", (event) => {
    const link = event.target.closest?.("[data-walk] a[href]");
    const step = LINES[event.key];
    if (!link || !step || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const linksOf = (line) => [...line.querySelectorAll("a[href]")];
    const lines = [...link.closest("[data-walk]").children];
    const at = lines.findIndex((line) => line.contains(link));
    const column = linksOf(lines[at]).indexOf(link);
    let next = at + step;
    while (lines[next] && !linksOf(lines[next]).length) next += step;
    if (!lines[next]) return;
    event.preventDefault();
    const links = linksOf(lines[next]);
    links[Math.min(column, links.length - 1)].focus();
  });
})();
