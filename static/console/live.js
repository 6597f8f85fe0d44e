/*
 * Keeps a page live: by its stream, by polling while there is no stream, and honestly stale when
 * neither works. What it expects of a page:
 *
 *   <main hx-ext="sse" sse-connect="{stream}">          at most one stream on a page
 *     <div data-fragment sse-swap="pumps" hx-get="{poll}" hx-trigger="poll">
 *       <section id="pumps">…</section>                 a fragment, as streamed and polled
 *         <b data-figure>12.31</b>                        fades when its text changes
 *       <li id="entry-41">                              what moves in a list has an id
 *       <time datetime="…" data-age>14:03</time>        becomes "5 s ago" and ticks;
 *                                                       data-age="duration": "5 s"
 *   <p id="live-mark" data-state data-text-streaming data-text-polling
 *      data-text-stale="Stale since {time}"><span data-live-words></span></p>
 *
 * A fragment is not swapped but brought into the shape of the new HTML (`reshape`), so that
 * focus, selection, scroll, open details and half-typed text stay where they are.
 */
(() => {
  "use strict";

  const POLL_EVERY_MS = 5_000;
  const POLL_TIMEOUT_MS = 4_000;
  /** A stream that brought nothing at all after this long may never do so. */
  const OPEN_MAX_MS = 10_000;
  /** The server sends something at least every 15 s; after three of these the stream is dead. */
  const SILENCE_MAX_MS = 45_000;
  /** A page that nobody looks at gives its stream back: a browser has few connections a host. */
  const HIDDEN_MAX_MS = 60_000;
  const CHANGED_MS = 1_200;
  const CHANGED_CLASS = "changed";
  const RELOAD_AT_MOST_EVERY_MS = 10_000;

  // --- Reshaping a fragment ----------------------------------------------------------------

  const reducedMotion = window.matchMedia("(prefers-reduced-motion: reduce)");
  const changedTimers = new WeakMap();

  /** Bring a fragment into the shape of its new HTML: the element itself, or the one inside of it,
   * whichever has the id. False if the HTML is of another element. */
  function reshapeFragment(fragment, html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    const wanted = template.content.firstElementChild;
    if (!wanted) return false;
    const element = fragment.id === wanted.id ? fragment : fragment.firstElementChild;
    if (element?.id !== wanted.id || element.tagName !== wanted.tagName) return false;
    const focused = document.activeElement;
    const fresh = [];
    reshape(element, wanted, fresh);
    for (const element of fresh) if (element.isConnected) window.htmx.process(element);
    if (focused && focused !== document.activeElement && focused.isConnected) {
      focused.focus({ preventScroll: true });
    }
    tickAges(fragment);
    fragment.dispatchEvent(new CustomEvent("live:updated", { bubbles: true }));
    return true;
  }

  /** Make `element` equal to `wanted`; collect in `fresh` what htmx has to look at again. */
  function reshape(element, wanted, fresh) {
    if (element.isEqualNode(wanted)) return;
    const figure = figureOf(element);
    if (reshapeAttributes(element, wanted) && !element.hasAttribute("data-fragment")) {
      if (element.matches("[hx-get], [hx-post], [hx-trigger]")) fresh.push(element);
    }
    reshapeChildren(element, wanted, fresh);
    if (figure !== null && figure !== figureOf(element)) showAsChanged(element);
  }

  /** Return the text of a figure; null if it is none, or one that changes by itself. */
  function figureOf(element) {
    const isFigure = element.hasAttribute("data-figure") && !element.querySelector("[data-age]");
    return isFigure && !element.hasAttribute("data-age") ? element.textContent.trim() : null;
  }

  /** Return whether an attribute changed. What the person or this script set stays. */
  function reshapeAttributes(element, wanted) {
    let isChanged = false;
    for (const { name } of [...element.attributes]) {
      if (wanted.hasAttribute(name)) continue;
      if (name === "open" && element.tagName === "DETAILS") continue;
      element.removeAttribute(name);
      isChanged = true;
    }
    for (const { name, value } of wanted.attributes) {
      if (element.getAttribute(name) === value) continue;
      if (name === "open" && element.tagName === "DETAILS") continue;
      element.setAttribute(name, value);
      isChanged = true;
    }
    if (changedTimers.has(element)) element.classList.add(CHANGED_CLASS);
    return isChanged;
  }

  /** Children with an id find each other by it, the others by their order and kind. */
  function reshapeChildren(element, wanted, fresh) {
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
      const match = child.id ? byId.get(child.id) : likeFrom(next, child);
      if (!match || match.nodeName !== child.nodeName) {
        element.insertBefore(child, next);
        if (child.nodeType === Node.ELEMENT_NODE) fresh.push(child);
        continue;
      }
      if (isBeforeAnyId(next, match)) next = removeUntil(next, match).nextSibling;
      else element.insertBefore(match, next);
      if (child.nodeType === Node.ELEMENT_NODE) reshape(match, child, fresh);
      else if (match.nodeValue !== child.nodeValue) match.nodeValue = child.nodeValue;
    }
    while (next) {
      const after = next.nextSibling;
      next.remove();
      next = after;
    }
  }

  /** Return the first node from `node` on that can become `wanted`, none if an id is in between. */
  function likeFrom(node, wanted) {
    for (; node && !node.id; node = node.nextSibling) {
      if (node.nodeName === wanted.nodeName) return node;
    }
    return null;
  }

  /** Say whether `end` comes from `node` on with nothing before it that has an id: only to move
   * an element would make it lose focus, so what is before it goes instead. */
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

  function showAsChanged(element) {
    if (reducedMotion.matches) return;
    element.classList.add(CHANGED_CLASS);
    clearTimeout(changedTimers.get(element));
    const remove = () => {
      changedTimers.delete(element);
      element.classList.remove(CHANGED_CLASS);
    };
    changedTimers.set(element, setTimeout(remove, CHANGED_MS));
  }

  // --- The mark ----------------------------------------------------------------------------

  const language = document.documentElement.lang || undefined;
  const clockTime = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" });
  let lastHeardAt = Date.now();

  function showState(state) {
    const mark = document.getElementById("live-mark");
    if (!mark || mark.dataset.state === state) return;
    mark.dataset.state = state;
    const words = mark.querySelector("[data-live-words]") || mark;
    const text = mark.getAttribute(`data-text-${state}`) || "";
    words.textContent = text.replace("{time}", clockTime.format(lastHeardAt));
  }

  // --- The stream --------------------------------------------------------------------------

  /** The browser's own object, made by htmx's extension when the page has a stream. */
  let source = null;
  /** Something came through it, and lately. That it is open is not enough: a proxy may hold back
   * what it is sent. */
  let isStreaming = false;
  let silenceTimer = 0;
  let hiddenTimer = 0;
  /** What the server's clock is ahead of this machine's. */
  let clockAheadMs = 0;

  function heard() {
    isStreaming = true;
    lastHeardAt = Date.now();
    clearTimeout(silenceTimer);
    silenceTimer = setTimeout(reconnect, SILENCE_MAX_MS);
    stopPolling();
    showState("streaming");
  }

  function closeStream() {
    isStreaming = false;
    clearTimeout(silenceTimer);
    if (source !== null) source.close();
  }

  /** Tell htmx's extension that the stream is lost for good: it then makes a new one. */
  function reconnect() {
    closeStream();
    if (source !== null) source.dispatchEvent(new Event("error"));
  }

  window.htmx.createEventSource = (url) => {
    closeStream();
    source = new EventSource(url, { withCredentials: true });
    silenceTimer = setTimeout(startPolling, OPEN_MAX_MS);
    source.addEventListener("beat", (event) => {
      clockAheadMs = Number(event.data) - Date.now();
      heard();
    });
    // The server has nothing more for this person: the page itself says why.
    source.addEventListener("end", () => {
      closeStream();
      if (!reload()) startPolling();
    });
    return source;
  };

  document.addEventListener("htmx:sseError", () => {
    isStreaming = false;
    startPolling();
  });

  document.addEventListener("htmx:sseBeforeMessage", (event) => {
    heard();
    const fragment = event.target;
    if (!fragment.hasAttribute("data-fragment")) return;
    event.preventDefault();
    etags.delete(fragment);
    reshapeFragment(fragment, event.detail.data);
  });

  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiddenTimer);
    if (document.hidden) {
      hiddenTimer = setTimeout(() => {
        stopPolling();
        closeStream();
      }, HIDDEN_MAX_MS);
    } else if (!isStreaming) {
      reconnect();
    }
  });

  // A page in the back and forward cache keeps no connection.
  window.addEventListener("pagehide", () => {
    stopPolling();
    closeStream();
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) reconnect();
  });

  /** Ask for the page anew, though never in a tight circle: then return false. */
  function reload() {
    const key = "live-reloaded-at";
    const before = Number(sessionStorage.getItem(key));
    if (Date.now() - before < RELOAD_AT_MOST_EVERY_MS) return false;
    sessionStorage.setItem(key, String(Date.now()));
    window.location.reload();
    return true;
  }

  // --- Polling -----------------------------------------------------------------------------

  /** The ETag of each fragment's HTML that the last poll brought. */
  const etags = new WeakMap();
  let pollTimer = 0;
  let pollsWaiting = 0;
  let pollsSucceeded = 0;

  function startPolling() {
    if (pollTimer || document.hidden) return;
    pollTimer = setInterval(poll, POLL_EVERY_MS);
    poll();
  }

  function stopPolling() {
    clearInterval(pollTimer);
    pollTimer = 0;
  }

  function poll() {
    const fragments = document.querySelectorAll("[data-fragment]");
    pollsWaiting = fragments.length;
    pollsSucceeded = 0;
    for (const fragment of fragments) window.htmx.trigger(fragment, "poll");
  }

  /** Return what htmx asks the server for, if it is a poll of this script. */
  function pollOf(event) {
    const request = event.detail.requestConfig || event.detail;
    const isPoll = request.triggeringEvent?.type === "poll";
    return isPoll && request.elt.hasAttribute("data-fragment") ? request : null;
  }

  document.addEventListener("htmx:configRequest", (event) => {
    const request = pollOf(event);
    if (!request) return;
    request.timeout = POLL_TIMEOUT_MS;
    const etag = etags.get(request.elt);
    if (etag) request.headers["If-None-Match"] = etag;
  });

  document.addEventListener("htmx:beforeSwap", (event) => {
    const request = pollOf(event);
    if (!request || !event.detail.shouldSwap) return;
    event.detail.shouldSwap = false;
    // A stream that came back meanwhile has brought what is newer.
    if (isStreaming) return;
    const { xhr } = event.detail;
    if (reshapeFragment(request.elt, xhr.responseText)) {
      etags.set(request.elt, xhr.getResponseHeader("ETag"));
    } else {
      // Another element than was asked for is a sign-in page: the session is over.
      event.detail.isError = true;
      reload();
    }
  });

  document.addEventListener("htmx:afterRequest", (event) => {
    if (!pollOf(event) || isStreaming) return;
    pollsWaiting -= 1;
    if (event.detail.successful) {
      pollsSucceeded += 1;
      lastHeardAt = Date.now();
      showState("polling");
    } else if (pollsWaiting === 0 && pollsSucceeded === 0) {
      showState("stale");
    }
  });

  // --- Ages --------------------------------------------------------------------------------

  const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];
  const ago = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "narrow" });
  const durations = new Map(
    UNITS.map(([unit]) => [
      unit,
      new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short" }),
    ]),
  );

  function tickAges(root) {
    const now = Date.now() + clockAheadMs;
    for (const time of root.querySelectorAll("time[data-age]")) {
      const seconds = Math.max(0, (now - Date.parse(time.dateTime)) / 1_000);
      if (Number.isNaN(seconds)) continue;
      const [unit, size] = UNITS.find(([, size]) => seconds >= size) || UNITS.at(-1);
      const count = Math.floor(seconds / size);
      const text =
        time.dataset.age === "duration"
          ? durations.get(unit).format(count)
          : ago.format(-count, unit);
      if (time.textContent !== text) time.textContent = text;
    }
  }

  setInterval(() => {
    if (!document.hidden) tickAges(document);
  }, 1_000);
  // The script is deferred, so the page is parsed by now.
  tickAges(document);
})();
