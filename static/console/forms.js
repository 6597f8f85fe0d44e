/*
 * Forms: the focus goes to what is wrong, its links lead into the fields, and what did not get
 * through says so. All of it works on what the server sends; without scripts the page is whole.
 *
 *   <div data-error-summary tabindex="-1">…<a href="#id_code">   in the page or swapped into it
 *   <form>…<p data-failed hidden>                                shown while a request has failed
 */
(() => {
  "use strict";

  const focusErrors = (root) => root?.querySelector("[data-error-summary]")?.focus();

  // --- What is wrong -------------------------------------------------------------------------

  focusErrors(document);

  document.addEventListener("htmx:afterSwap", (event) => {
    // The target itself may have been replaced by what came.
    const { target, xhr } = event.detail;
    if (xhr?.status === 422) focusErrors(document.getElementById(target.id) || target);
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("[data-error-summary] a[href^='#']");
    const field = link && document.getElementById(link.hash.slice(1));
    if (!field) return;
    event.preventDefault();
    field.focus({ preventScroll: true });
    // With its label, which stands above it.
    (field.closest(".field") || field).scrollIntoView({ block: "center" });
  });

  // --- What was asked of the server and did not get through -----------------------------------

  function failureOf(event) {
    return event.target.closest?.("form")?.querySelector("[data-failed]");
  }

  document.addEventListener("htmx:beforeRequest", (event) => {
    const failure = failureOf(event);
    if (failure) failure.hidden = true;
  });

  for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(name, (event) => {
      const failure = failureOf(event);
      if (failure) failure.hidden = false;
    });
  }
})();
