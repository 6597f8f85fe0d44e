/* In a frame of the gallery nothing leads away: links and buttons look as they do, and do nothing. */
(() => {
  "use strict";

  document.addEventListener("htmx:beforeRequest", (event) => event.preventDefault());
  document.addEventListener("submit", (event) => event.preventDefault(), true);
  document.addEventListener(
    "click",
    (event) => {
      const link = event.target.closest("a[href]");
      if (link && !link.getAttribute("href").startsWith("#")) event.preventDefault();
    },
    true,
  );
})();
