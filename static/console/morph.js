/*
 * hx-ext="morph" hx-swap="morph": brings what is inside of the target into the shape of the new
 * HTML instead of replacing it, so that focus, selection, scroll, open details and half-typed text
 * stay where they are, nothing that is equal is touched, and what changed is known:
 *
 *   <li id="entry-41">      what comes, goes or moves among its siblings has an id
 *   <b data-figure>         has the class "changed" for a moment after its text changed
 *   <time data-age>         its text is a script's while its datetime stays
 *   <li tabindex="-1">      has the focus after a focused button inside of it has gone
 */
(() => {
  "use strict";

  const CHANGED_CLASS = "changed";
  const CHANGED_MS = 1_200;
  const HTMX_ATTRIBUTES = "[hx-get], [hx-post], [hx-trigger], [hx-boost], [sse-swap]";

  const reducedMotion = window.matchMedia("(prefers-reduced-motion: reduce)");
  /** The timers that take the class from figures that changed. */
  const changedTimers = new Map();

  window.htmx.defineExtension("morph", {
    isInlineSwap: (style) => style === "morph",
    handleSwap(style, target, wanted) {
      if (style !== "morph") return false;
      const focused = document.activeElement;
      const around = focusableAround(focused, target);
      const fresh = [];
      morphChildren(target, wanted, fresh);
      // An element that had to be moved lost the focus, one that went leaves it to what it stood in.
      if (focused !== document.activeElement) {
        const next = [focused, ...around].find((element) => element?.isConnected);
        next?.focus({ preventScroll: true });
      }
      return fresh.filter((element) => element.isConnected);
    },
  });

  /** What an element of the target stands in and what can take the focus, the nearest first. */
  function focusableAround(element, target) {
    const found = [];
    if (!target.contains(element)) return found;
    for (let each = element.parentElement; each && each !== target; each = each.parentElement) {
      if (each.hasAttribute("tabindex")) found.push(each);
    }
    return found;
  }

  /** Make an element equal to `wanted`; collect in `fresh` what htmx has to look at. */
  function morph(element, wanted, fresh) {
    if (element.isEqualNode(wanted)) return;
    const figure = figureOf(element);
    const isSameAge = element.hasAttribute("data-age") && element.dateTime === wanted.dateTime;
    if (morphAttributes(element, wanted) && element.matches(HTMX_ATTRIBUTES)) fresh.push(element);
    if (!isSameAge) morphChildren(element, wanted, fresh);
    if (figure !== null && figure !== figureOf(element)) showAsChanged(element);
  }

  /** Return whether an attribute changed. What the person opened stays open. */
  function morphAttributes(element, wanted) {
    const isPersons = (name) => name === "open" && element.tagName === "DETAILS";
    let isChanged = false;
    for (const { name } of [...element.attributes]) {
      if (wanted.hasAttribute(name) || isPersons(name)) continue;
      element.removeAttribute(name);
      isChanged = true;
    }
    for (const { name, value } of wanted.attributes) {
      if (element.getAttribute(name) === value || isPersons(name)) continue;
      element.setAttribute(name, value);
      isChanged = true;
    }
    if (changedTimers.has(element)) element.classList.add(CHANGED_CLASS);
    return isChanged;
  }

  /** Children with an id find each other by it, the others by their order and kind. */
  function morphChildren(element, wanted, fresh) {
    const kept = new Set();
    for (const child of wanted.children) if (child.id) kept.add(child.id);
    const byId = new Map();
    for (const child of [...element.children]) {
      if (!child.id) continue;
      if (kept.has(child.id)) byId.set(child.id, child);
      else child.remove();
    }
    let next = element.firstChild;
    for (const child of [...wanted.childNodes]) {
      const isElement = child.nodeType === Node.ELEMENT_NODE;
      const match = child.id ? byId.get(child.id) : likeFrom(next, child);
      if (match?.nodeName !== child.nodeName) {
        element.insertBefore(child, next);
        if (isElement) fresh.push(child);
        continue;
      }
      if (isBeforeAnyId(next, match)) next = removeUntil(next, match).nextSibling;
      else element.insertBefore(match, next);
      if (isElement) morph(match, child, fresh);
      else if (match.nodeValue !== child.nodeValue) match.nodeValue = child.nodeValue;
    }
    removeUntil(next, null);
  }

  /** Return the first node from `node` on that can become `wanted`, none if an id is in between. */
  function likeFrom(node, wanted) {
    for (; node && !node.id; node = node.nextSibling) {
      if (node.nodeName === wanted.nodeName) return node;
    }
    return null;
  }

  /** Say whether `end` follows from `node` on with nothing that has an id in between. What is
   * between then goes: an element that is moved instead would lose the focus. */
  function isBeforeAnyId(node, end) {
    while (node && node !== end && !node.id) node = node.nextSibling;
    return node === end;
  }

  function removeUntil(node, end) {
    while (node !== end) {
      const after = node.nextSibling;
      node.remove();
      node = after;
    }
    return end;
  }

  /** Return the text of a figure; null if it is none, or holds an age, which changes by itself. */
  function figureOf(element) {
    if (!element.hasAttribute("data-figure") || element.hasAttribute("data-age")) return null;
    return element.querySelector("[data-age]") ? null : element.textContent.trim();
  }

  function showAsChanged(element) {
    if (reducedMotion.matches) return;
    element.classList.add(CHANGED_CLASS);
    clearTimeout(changedTimers.get(element));
    const timer = setTimeout(() => {
      changedTimers.delete(element);
      element.classList.remove(CHANGED_CLASS);
    }, CHANGED_MS);
    changedTimers.set(element, timer);
  }
})();
