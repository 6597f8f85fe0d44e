/*
 * Keeps a page live: by its stream, by polling while there is no stream, and honestly stale when
 * neither works. What it expects of a page:
 *
 *   <div hx-ext="sse" sse-connect="{stream}" data-poll="{poll}">      at most one on a page
 *     <div data-fragment="pumps" sse-swap="pumps" hx-swap="morph">
 *       <section id="pumps">…</section>                 a fragment, as streamed and polled
 *   <time datetime="…" data-age>14:03</time>            becomes "5s ago" and ticks;
 *                                                       data-age="duration": "5 sec",
 *                                                       data-age="clock": "14:03";
 *                                                       data-age="moment": by the page's clock
 *   <p data-zone="Asia/Kathmandu">                      the page's clock; empty: the reader's
 *     <span data-zone-words>Asia/Kathmandu</span></p>   says which that is
 *   <p id="live-mark" data-state data-rendered-at data-text-still="As of {time}"
 *      data-text-streaming data-text-polling data-text-crowded data-text-stale="Stale since {time}"
 *      ><span data-live-words></span></p>
 *
 * The words of the mark are the template's, so that they can be translated; without its text a
 * state shows none.
 *
 * A browser has six connections a host over HTTP/1.1, for all of its tabs. So only a page that is
 * looked at streams, and only a few windows that are looked at side by side do: the others poll.
 */
(() => {
  "use strict";

  const POLL_EVERY_MS = 5_000;
  const POLL_TIMEOUT_MS = 4_000;
  /** Streams of all windows of this browser: half of its connections stay free for all else. */
  const STREAMS_PER_BROWSER_MAX = 3;
  /** A stream that brought nothing at all after this long may never do so. */
  const OPEN_MAX_MS = 10_000;
  /** The server sends something at least every 15 s; after three of these the stream is dead. */
  const SILENCE_MAX_MS = 45_000;
  /** A stream that the server refused is asked for again after this long, then twice as long... */
  const RETRY_FIRST_MS = 1_000;
  const RETRY_MAX_MS = 60_000;
  const RELOAD_AT_MOST_EVERY_MS = 10_000;

  // --- The mark ----------------------------------------------------------------------------

  const language = document.documentElement.lang || undefined;

  /** The page's zone: its site's, or undefined where that is the reader's own. */
  const pageZone = document.querySelector("[data-zone]")?.dataset.zone || undefined;

  /** A browser older than a zone's name does not know it. Then the times of the page stay as the
   * server wrote them, and the mark, which goes by the reader's clock, says which that is. */
  const isZoneKnown = knowsZone(pageZone);

  function knowsZone(name) {
    try {
      return Boolean(new Intl.DateTimeFormat("en", { timeZone: name }));
    } catch {
      return false;
    }
  }

  // As the pages write times: 28 Nov, 14:03, whatever the language's own habit.
  function clockOf(parts) {
    return new Intl.DateTimeFormat(language === "en" ? "en-GB" : language, {
      ...parts,
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
      ...(isZoneKnown ? { timeZone: pageZone } : { timeZoneName: "short" }),
    });
  }

  const clockTime = clockOf({});
  const clockDay = new Intl.DateTimeFormat("en", isZoneKnown ? { timeZone: pageZone } : {});
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

  /** `name` is that of the words, where a state has several. */
  function showState(state, name = state) {
    const mark = document.getElementById("live-mark");
    if (!mark || (mark.dataset.state === state && mark.dataset.words === name)) return;
    mark.dataset.state = state;
    mark.dataset.words = name;
    const words = mark.querySelector("[data-live-words]") || mark;
    const text = mark.getAttribute(`data-text-${name}`) || "";
    words.textContent = text.replace("{time}", clockTime.format(lastHeardAt));
  }

  // --- The stream --------------------------------------------------------------------------

  /** What htmx's extension holds for the page's stream, if the page has one. */
  let live = null;
  /** The browser's own object while there is a stream, and how to give its place back. */
  let source = null;
  let releasePlace = null;
  /** Something came through it, and lately. That it is open is not enough: a proxy may hold back
   * what it is sent. */
  let isStreaming = false;
  let isConnecting = false;
  /** The server has nothing more for this person. */
  let isOver = false;
  /** Other windows of this browser have all places. */
  let isCrowded = false;
  let silenceTimer = 0;
  let retryTimer = 0;
  let retryMs = RETRY_FIRST_MS;
  /** What the server's clock is ahead of this machine's. */
  let clockAheadMs = 0;

  /** Stands for the stream as long as the page does, while connections come and go behind it. */
  class Stream extends EventTarget {
    constructor(url) {
      super();
      this.url = url;
      this.names = new Set();
      this.readyState = EventSource.OPEN;
    }

    addEventListener(name, ...rest) {
      super.addEventListener(name, ...rest);
      if (this.names.has(name)) return;
      this.names.add(name);
      if (source) this.forward(name);
    }

    forward(name) {
      source.addEventListener(name, (event) => {
        this.dispatchEvent(new MessageEvent(name, { data: event.data }));
      });
    }

    close() {
      if (live !== this) return;
      live = null;
      disconnect();
    }
  }

  window.htmx.createEventSource = (url) => {
    live?.close();
    live = new Stream(url);
    connect();
    return live;
  };

  /** Take one of the browser's places for streams, and return how to give it back; null if other
   * windows have them all. They go back by themselves with the page. */
  async function takePlace() {
    // Only secure pages know each other's. Elsewhere it is at least only those that are looked at.
    if (!navigator.locks) return () => {};
    for (let place = 0; place < STREAMS_PER_BROWSER_MAX; place += 1) {
      const release = await new Promise((resolve) => {
        const taken = (lock) => {
          if (lock) return new Promise((giveBack) => resolve(giveBack));
          resolve(null);
          return null;
        };
        const asked = navigator.locks.request(`stream-${place}`, { ifAvailable: true }, taken);
        asked.catch(() => resolve(null));
      });
      if (release) return release;
    }
    return null;
  }

  async function connect() {
    if (!live || source || isConnecting || isOver || document.hidden) return;
    isConnecting = true;
    const release = await takePlace();
    isConnecting = false;
    isCrowded = !release;
    if (isCrowded) {
      startPolling();
      return;
    }
    // Meanwhile somebody may have looked elsewhere.
    if (!live || isOver || document.hidden) {
      release();
      return;
    }
    releasePlace = release;
    source = new EventSource(live.url, { withCredentials: true });
    silenceTimer = setTimeout(startPolling, OPEN_MAX_MS);
    source.addEventListener("beat", (event) => {
      clockAheadMs = Number(event.data) - Date.now();
      heard();
    });
    // The page itself says why there is no more.
    source.addEventListener("end", () => {
      isOver = true;
      disconnect();
      if (!reload()) startPolling();
    });
    source.addEventListener("error", lost);
    for (const name of live.names) live.forward(name);
  }

  /** The browser comes back by itself, unless the server refused. */
  function lost() {
    isStreaming = false;
    startPolling();
    if (source?.readyState !== EventSource.CLOSED) return;
    disconnect();
    retryTimer = setTimeout(connect, retryMs);
    retryMs = Math.min(2 * retryMs, RETRY_MAX_MS);
  }

  function heard() {
    isStreaming = true;
    retryMs = RETRY_FIRST_MS;
    lastHeardAt = Date.now();
    clearTimeout(silenceTimer);
    silenceTimer = setTimeout(reconnect, SILENCE_MAX_MS);
    stopPolling();
    showState("streaming");
  }

  function disconnect() {
    isStreaming = false;
    clearTimeout(silenceTimer);
    clearTimeout(retryTimer);
    source?.close();
    source = null;
    releasePlace?.();
    releasePlace = null;
  }

  function reconnect() {
    disconnect();
    connect();
  }

  document.addEventListener("htmx:sseMessage", (event) => {
    heard();
    etags.delete(event.target);
  });

  /** Keep nothing open behind a page that nobody looks at. */
  function rest() {
    stopPolling();
    disconnect();
    if (live) showState("still");
  }

  document.addEventListener("visibilitychange", () => {
    isOver = false;
    if (document.hidden) rest();
    else connect();
  });

  window.addEventListener("pagehide", rest);
  // From the cache for back and forward comes what was seen before, perhaps by somebody else.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted && !reload()) connect();
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

  const POLLED_SWAP = { swapStyle: "morph", swapDelay: 0, settleDelay: 0 };
  /** The ETag of each fragment's HTML that the last poll brought. */
  const etags = new WeakMap();
  let pollTimer = 0;
  let isPolling = false;

  function startPolling() {
    if (pollTimer || document.hidden) return;
    pollTimer = setInterval(poll, POLL_EVERY_MS);
    poll();
  }

  function stopPolling() {
    clearInterval(pollTimer);
    pollTimer = 0;
  }

  /** Ask for all pieces of the page at once: those come that are not as they were. */
  async function poll() {
    if (isCrowded) connect();
    const address = document.querySelector("[data-poll]")?.dataset.poll;
    if (!address || isPolling) return;
    isPolling = true;
    try {
      const fragments = [...document.querySelectorAll("[data-fragment]")];
      const answer = await askFor(address, fragments);
      const pieces = answer.status === 200 ? (await answer.json()).pieces : [];
      // A stream that came back meanwhile has brought what is newer.
      if (!pollTimer || isStreaming) return;
      if (answer.ok) {
        show(fragments, pieces);
        lastHeardAt = Date.now();
        showState("polling", isCrowded ? "crowded" : "polling");
      } else {
        showState("stale");
        // The session is over, or the page is another one by now: it says so itself.
        if (answer.status === 401 || answer.status === 404) reload();
      }
    } catch {
      if (pollTimer && !isStreaming) showState("stale");
    } finally {
      isPolling = false;
    }
  }

  function askFor(address, fragments) {
    const names = fragments.map((fragment) => fragment.dataset.fragment);
    const known = fragments.map((fragment) => etags.get(fragment)).filter(Boolean);
    const headers = { "HX-Request": "true" };
    if (known.length) headers["If-None-Match"] = known.join(", ");
    return fetch(`${address}?${new URLSearchParams({ pieces: names.join(",") })}`, {
      headers,
      redirect: "error",
      signal: AbortSignal.timeout(POLL_TIMEOUT_MS),
    });
  }

  function show(fragments, pieces) {
    for (const { name, etag, html } of pieces) {
      const fragment = fragments.find((each) => each.dataset.fragment === name);
      if (!fragment?.isConnected) continue;
      window.htmx.swap(fragment, html, POLLED_SWAP, { contextElement: fragment });
      etags.set(fragment, etag);
    }
  }

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
      if (time.dataset.age === "clock" && !isZoneKnown) continue;
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
