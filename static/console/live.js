/*
 * Keeps a page live: by its stream, by polling while there is no stream, and honestly stale when
 * neither works. What it expects of a page:
 *
 *   <div hx-ext="sse" sse-connect="{stream}">           at most one stream on a page
 *     <div data-fragment sse-swap="pumps" hx-get="{poll}" hx-trigger="poll" hx-swap="morph">
 *       <section id="pumps">…</section>                 a fragment, as streamed and polled
 *   <time datetime="…" data-age>14:03</time>            becomes "5s ago" and ticks;
 *                                                       data-age="duration": "5 sec",
 *                                                       data-age="clock": "14:03";
 *                                                       data-age="moment": by the page's clock
 *   <p data-zone="Asia/Kathmandu">                      the page's clock; empty: the reader's
 *     <span data-zone-words>Asia/Kathmandu</span></p>   says which that is
 *   <p id="live-mark" data-state data-rendered-at data-text-still data-text-streaming data-text-polling
 *      data-text-stale="Stale since {time}"><span data-live-words></span></p>
 *
 * The words of the mark are the template's, so that they can be translated; without its text a
 * state shows none.
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
  const RELOAD_AT_MOST_EVERY_MS = 10_000;

  // --- The mark ----------------------------------------------------------------------------

  const language = document.documentElement.lang || undefined;

  /** The page's zone: its site's, or undefined where that is the reader's own. */
  const pageZone = document.querySelector("[data-zone]")?.dataset.zone || undefined;

  // As the pages write times: 28 Nov, 14:03, whatever the language's own habit.
  function clockOf(parts) {
    return new Intl.DateTimeFormat(language === "en" ? "en-GB" : language, {
      ...parts,
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
      timeZone: pageZone,
    });
  }

  const clockTime = clockOf({});
  const clockDay = new Intl.DateTimeFormat("en", { timeZone: pageZone });
  const clockDate = clockOf({ day: "numeric", month: "short" });
  const clockWhole = clockOf({
    day: "numeric",
    month: "short",
    year: "numeric",
    second: "2-digit",
  });
  const clockNamed = clockOf({
    day: "numeric",
    month: "short",
    year: "numeric",
    second: "2-digit",
    timeZoneName: "short",
  });
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

  document.addEventListener("htmx:sseMessage", (event) => {
    heard();
    etags.delete(event.target);
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

  /** Ask for the page anew, though never in a tight circle, and not where half-typed text would be
   * lost over it (forms.js objects): then return false. */
  function reload() {
    if (!document.dispatchEvent(new CustomEvent("page:reload", { cancelable: true }))) return false;
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
    if (!request) return;
    const { xhr } = event.detail;
    // The session is over: the page itself asks to sign in.
    if (xhr.status === 401) reload();
    if (!event.detail.shouldSwap) return;
    // A stream that came back meanwhile has brought what is newer.
    if (isStreaming) event.detail.shouldSwap = false;
    else if (isSamePiece(request.elt, xhr.responseText)) {
      etags.set(request.elt, xhr.getResponseHeader("ETag"));
    } else {
      // Another piece than was asked for: the page is another one by now.
      event.detail.shouldSwap = false;
      event.detail.isError = true;
      reload();
    }
  });

  /** Say whether the HTML is that of the element which the fragment holds. */
  function isSamePiece(fragment, html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    return template.content.firstElementChild?.id === fragment.firstElementChild?.id;
  }

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
  // As short as it stays plain: in German, narrow minutes would read like metres.
  const style = language.startsWith("en") ? "narrow" : "short";
  const ago = new Intl.RelativeTimeFormat(language, { numeric: "auto", style });
  const durations = new Map(
    UNITS.map(([unit]) => [
      unit,
      new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short" }),
    ]),
  );

  function tickAges(root) {
    const now = Date.now() + clockAheadMs;
    for (const time of root.querySelectorAll("time[data-age]")) {
      const at = Date.parse(time.dateTime);
      const seconds = Math.max(0, (now - at) / 1_000);
      if (Number.isNaN(seconds)) continue;
      if (time.dataset.age.startsWith("moment")) continue;
      if (time.dataset.age === "clock") {
        const isToday = clockDay.format(at) === clockDay.format(now);
        const clock = (isToday ? clockTime : clockDate).format(at);
        if (time.textContent !== clock) time.textContent = clock;
        continue;
      }
      const [unit, size] = UNITS.find(([, size]) => seconds >= size) || UNITS.at(-1);
      const count = Math.floor(seconds / size);
      const text =
        time.dataset.age === "duration"
          ? durations.get(unit).format(count)
          : ago.format(-count, unit);
      if (time.textContent !== text) time.textContent = text;
    }
  }

  /** Show the times of a page over sites, and what it says of them, by the reader's own clock. */
  function showReadersClock(root) {
    if (pageZone) return;
    for (const time of root.querySelectorAll("time[data-age]")) {
      const at = Date.parse(time.dateTime);
      if (Number.isNaN(at)) continue;
      if (time.title) time.title = clockNamed.format(at);
      if (time.dataset.age === "moment") time.textContent = clockWhole.format(at);
      if (time.dataset.age === "moment-short") time.textContent = clockDate.format(at);
    }
  }

  /** Say whose clock it is, and by it when the page was made. */
  function sayReadersClock() {
    if (pageZone) return;
    for (const words of document.querySelectorAll("[data-zone-words]")) {
      words.textContent = clockTime.resolvedOptions().timeZone;
    }
    const mark = document.getElementById("live-mark");
    const words = mark?.querySelector("[data-live-words]");
    const at = Date.parse(mark?.dataset.renderedAt);
    if (!words || mark.dataset.state !== "still" || Number.isNaN(at)) return;
    words.textContent = mark.dataset.textStill.replace("{time}", clockTime.format(at));
  }

  document.addEventListener("htmx:afterSwap", (event) => {
    tickAges(event.target);
    showReadersClock(event.target);
  });
  setInterval(() => {
    if (!document.hidden) tickAges(document);
  }, 1_000);
  // The script is deferred, so the page is parsed by now.
  tickAges(document);
  showReadersClock(document);
  sayReadersClock();
})();
