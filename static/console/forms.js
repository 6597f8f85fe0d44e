/*
 * Forms: what is sent is answered in view, with the focus, however far down the button was; the
 * links of what is wrong lead into the fields, and what did not get through says so. All of it
 * works on what the server sends; without scripts the page is whole.
 *
 *   <div data-error-summary tabindex="-1">…<a href="#id_code">   in the page or swapped into it
 *   <section data-answer tabindex="-1">                          swapped in: any other answer
 *   <form>…<p data-failed hidden>                                shown while a request has failed,
 *     <span data-failed-as="locked" hidden>                      in the words for that failure
 *   <form>…<p data-signed-out hidden>                            shown when the session has ended
 *
 * Whose session ended loses nothing: a form that htmx may no longer send is sent the plain way,
 * and the server's answer, a form to sign in, carries along what was typed (console/typed.py). A
 * page that would be loaded anew (live.js asks: "page:reload") stays while something is typed.
 */
(() => {
  "use strict";

  /** The status that says: not signed in, or not with this page. */
  const SIGN_IN_FIRST = 401;

  // --- What the server answers -----------------------------------------------------------------

  const ERRORS = "[data-error-summary]";
  const ANSWERS = `${ERRORS}, [data-answer]`;
  const reducedMotion = window.matchMedia("(prefers-reduced-motion: reduce)");

  /** Give an answer the focus and bring it into view, unless all of it is. */
  function reveal(answer) {
    if (!answer) return;
    answer.focus({ preventScroll: true });
    const { top, bottom } = answer.getBoundingClientRect();
    if (top >= 0 && bottom <= lowestSeen()) return;
    const behavior = reducedMotion.matches ? "instant" : "smooth";
    answer.scrollIntoView({ block: "start", behavior });
  }

  /** Where the view ends: a phone's bar covers what is below it. */
  function lowestSeen() {
    const bar = document.querySelector(".bar");
    const isFixed = bar && getComputedStyle(bar).position === "fixed";
    return isFixed ? bar.getBoundingClientRect().top : window.innerHeight;
  }

  reveal(document.querySelector(ERRORS));

  document.addEventListener("htmx:afterSettle", (event) => {
    // Pieces that are streamed, polled or checked alone are no answers.
    const { target, xhr, requestConfig } = event.detail;
    if (!xhr || requestConfig?.verb !== "post") return;
    // The target itself may have been replaced by what came, under a name of its own.
    const named = target.id ? document.getElementById(target.id) : null;
    const root = named || (target.isConnected ? target : document.getElementById("main"));
    reveal(root?.querySelector(ANSWERS));
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

  /** Where a request says that it failed: in its form; a link to another page of a list in the form
   * that asks for the list, too. */
  function failureOf(event) {
    const { target, detail } = event;
    const form = target.matches?.("a[href]")
      ? document.querySelector(`form[hx-target="#${CSS.escape(detail.target?.id || "")}"]`)
      : target.closest?.("form");
    return form?.querySelector("[data-failed]");
  }

  document.addEventListener("htmx:beforeRequest", (event) => {
    const failure = failureOf(event);
    if (failure) failure.hidden = true;
  });

  for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(name, (event) => {
      const { xhr } = event.detail;
      if (xhr?.status === SIGN_IN_FIRST) return signedOut(event);
      const failure = failureOf(event);
      if (!failure) return;
      showFailure(failure, xhr?.getResponseHeader("X-Failure") || "");
      // Whose list did not come types on, perhaps.
      if (event.detail.requestConfig.verb === "get") failure.scrollIntoView({ block: "nearest" });
      else reveal(failure);
    });
  }

  /** Say what kind of failure it was (console/unavailable.py). */
  function showFailure(failure, kind) {
    const words = [...failure.querySelectorAll("[data-failed-as]")];
    const known = words.some((each) => each.dataset.failedAs === kind);
    for (const each of words) each.hidden = each.dataset.failedAs !== (known ? kind : "");
    failure.hidden = false;
  }

  // --- Who is signed out by now ------------------------------------------------------------------

  const STORING = "form[method=post]";
  /** Whether the person typed something that was not sent; what came back filled in is that too. */
  let isTyped = new URLSearchParams(location.search).has("typed");

  document.addEventListener("input", (event) => {
    if (event.target.closest?.(STORING)) isTyped = true;
  });

  function signedOut(event) {
    const { elt, requestConfig } = event.detail;
    // Pieces of a live page are the business of live.js.
    if (elt.hasAttribute("data-fragment")) return;
    if (requestConfig.verb === "post" && elt.matches("form[action]")) {
      // As the browser itself does: a field may be called "submit".
      HTMLFormElement.prototype.submit.call(elt);
    } else if (mayReload()) {
      location.reload();
    }
  }

  function mayReload() {
    return document.dispatchEvent(new CustomEvent("page:reload", { cancelable: true }));
  }

  document.addEventListener("page:reload", (event) => {
    if (!isTyped) return;
    event.preventDefault();
    for (const note of document.querySelectorAll("[data-signed-out]")) note.hidden = false;
  });
})();
