/*
 * The theme: light, dark, or as the system has it ("auto"). Loaded before anything is painted, so
 * that a page never flashes in the other one. Also marks the document as scripted.
 */
(() => {
  "use strict";

  const KEY = "theme";
  const root = document.documentElement;

  function stored() {
    try {
      return localStorage.getItem(KEY) || "auto";
    } catch {
      return "auto";
    }
  }

  function apply(theme) {
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
  }

  root.classList.add("scripted");
  apply(stored());

  document.addEventListener("DOMContentLoaded", () => {
    const choice = document.querySelector("[data-theme-choice]");
    if (!choice) return;
    const current = choice.querySelector(`input[value="${CSS.escape(stored())}"]`);
    if (current) current.checked = true;
    choice.addEventListener("change", (event) => {
      const theme = event.target.value;
      apply(theme);
      try {
        localStorage.setItem(KEY, theme);
      } catch {
        // Without storage the choice lasts as long as the page.
      }
    });
  });

  // Another tab chose.
  window.addEventListener("storage", (event) => {
    if (event.key === KEY) apply(event.newValue || "auto");
  });
})();
