/**
 * A WebSocket that reconnects, and that knows when not to. It needs nothing else: install it, or copy this file.
 *
 *     const socket = new ReconnectingSocket({
 *       url: async () => `wss://example.org/ws?token=${encodeURIComponent(token)}`, // asked before each attempt
 *       refresh: async (reason) => { token = await fetchToken(); }, // false: log in; a throw: not now, ask again
 *     });
 *     socket.connect();
 *
 * | close code (4000 + the HTTP status)                      | what happens                                      |
 * |----------------------------------------------------------|---------------------------------------------------|
 * | 1000                                                     | stop: ended on purpose                            |
 * | 4401 credentials_missing, session_invalid, session_ended | stop: log in                                      |
 * | 4401 token_not_yet_valid                                 | back off, the same credential again               |
 * | 4401 anything else                                       | refresh and reconnect; twice in a row: log in     |
 * | 4400, 4403, 4405, 4426, all other 44xx                   | stop: the next attempt would end the same way     |
 * | any code with message_malformed                          | stop: the same                                    |
 * | any code with too_many_connections                       | stop: the next attempt would end another one      |
 * | 1001 (going_away)                                        | back off, spread over `spread`                    |
 * | all others (1006, 1011, 4408, 4429, 4503, …)             | back off: exponential, full jitter, + retry_after |
 *
 * Events: `open` (refused browsers see it too: the first message is the proof), `message` with `data`, and with a
 * `detail`: `close` {code, reason, wasClean}, `waiting` {delay, code, reason}, `stopped` {code, reason, advice: 'done'
 * | 'log in' | 'not allowed' | 'fix the client'}. Code 0: no socket yet (`request_failed`, `invalid_address`).
 */
export class ReconnectingSocket extends EventTarget {
  #options;
  #run = null; // a new object for each connect(): whatever an earlier run still awaits is then ignored
  #ws = null;
  #silent;
  #timer;
  #since = { failures: 0, refreshed: false }; // since the last connection that proved stable
  #emit = (type, detail) => this.dispatchEvent(new CustomEvent(type, { detail }));

  constructor(options) {
    super();
    // An option without a value has its default: `undefined` would make the delays NaN.
    const given = Object.entries(options).filter(([, value]) => value !== undefined && value !== null);
    this.#options = { ...DEFAULTS, ...Object.fromEntries(given) };
  }

  /** As that of a WebSocket; 3 (closed) while there is none. */
  get readyState() {
    return this.#ws?.readyState ?? CLOSED;
  }

  /** The selected subprotocol; empty while there is no connection. */
  get protocol() {
    return this.#ws?.protocol ?? '';
  }

  /** How many bytes wait to be sent. */
  get bufferedAmount() {
    return this.#ws?.bufferedAmount ?? 0;
  }

  /** Whether it is connected, or will be without another call. */
  get running() {
    return this.#run !== null;
  }

  /** Starts, also again after `stopped`. Does nothing while it is running. */
  connect() {
    if (this.#run) return;
    this.#run = {};
    this.#since = { failures: 0, refreshed: false };
    this.#attempt(null);
  }

  /** Ends it for good: no timer and no attempt is left behind. */
  close(code = 1000, reason = '') {
    if (!this.#run) return;
    // Aborting a handshake makes browsers print its URL, credential included: that one is closed in `open`.
    if (this.#ws && this.#ws.readyState !== CONNECTING) this.#ws.close(code, reason);
    this.#stop(code, reason, 'done');
  }

  /** Sends, or returns false when there is no open connection; nothing is queued. */
  send(data) {
    if (this.#ws?.readyState !== OPEN) return false;
    this.#ws.send(data);
    return true;
  }

  async #attempt(refreshFor) {
    const run = this.#run;
    try {
      const refreshed = refreshFor === null || (await this.#options.refresh(refreshFor));
      if (run !== this.#run) return;
      if (refreshed === false) return this.#stop(4401, refreshFor, 'log in');
      if (refreshFor !== null) this.#since.refreshed = true;
      refreshFor = null;
      const url = await this.#options.url();
      if (run !== this.#run) return;
      const firstMessage = await this.#options.firstMessage?.();
      if (run === this.#run) this.#open(url, firstMessage);
    } catch {
      if (run === this.#run) this.#backOff(0, 'request_failed', 0, refreshFor);
    }
  }

  #open(url, firstMessage) {
    const { WebSocket, protocols, binaryType, now, stableAfter, refresh, patience, setTimeout, clearTimeout } = this.#options;
    let ws;
    try {
      ws = this.#ws = new WebSocket(url, protocols);
    } catch {
      return this.#stop(0, 'invalid_address', 'fix the client');
    }
    if (binaryType) ws.binaryType = binaryType;
    let [openedAt, first, retryAfter, givenUp] = [Infinity, true, 0, false];
    // Some clients never say that a handshake has failed.
    const silent = this.#silent = setTimeout(() => {
      if (this.#ws !== ws) return;
      this.#ws = null;
      givenUp = true;
      ws.close(); // browsers print its URL; but a server that wakes up would serve it beside the next one
      this.#backOff(0, 'no_answer', 0, null);
    }, patience);
    ws.addEventListener('error', () => {}); // ws throws an error that nobody listens to; `close` tells of it
    ws.addEventListener('open', () => {
      clearTimeout(silent);
      if (this.#ws !== ws) return ws.close(1000);
      openedAt = now();
      if (firstMessage !== undefined) ws.send(firstMessage);
      this.dispatchEvent(new Event('open'));
    });
    ws.addEventListener('message', ({ data }) => {
      if (this.#ws !== ws) return;
      const rejected = first && parseRejected(data);
      first = false;
      if (rejected) retryAfter = rejected.retryAfter;
      else this.dispatchEvent(new MessageEvent('message', { data }));
    });
    ws.addEventListener('close', ({ code, reason, wasClean }) => {
      clearTimeout(silent);
      if (givenUp) return; // `waiting` has told of it, and another one may be open
      this.#emit('close', { code, reason, wasClean });
      if (this.#ws !== ws) return;
      this.#ws = null;
      // Only time proves a connection. Whoever resets in `open` comes back at full speed after every refusal.
      if (now() - openedAt >= stableAfter) this.#since = { failures: 0, refreshed: false };
      const next = decide(code, reason, refresh && !this.#since.refreshed);
      if (next === 'refresh') return this.#attempt(reason);
      if (next !== 'back off') return this.#stop(code, reason, next);
      // By a 4401, or by a server that let it in for a while.
      const judged = code === 4401 || (code < 4400 && openedAt !== Infinity);
      this.#backOff(code, reason, retryAfter, null, judged);
    });
  }

  #backOff(code, reason, retryAfter, refreshFor, judged = false) {
    // A fresh credential may expire in an outage. If nobody has judged it, the next refusal is not a second in a row.
    if (!judged) this.#since.refreshed = false;
    const { minBackoff, maxBackoff, spread, random, setTimeout } = this.#options;
    const ceiling = Math.min(maxBackoff, minBackoff * 2 ** this.#since.failures++);
    // All clients of a server that goes down are told at once, and must not return at once.
    // The jitter comes on top of retry_after, or all who were told the same would return together.
    const jitter = random() * (code === GOING_AWAY ? Math.max(spread, ceiling) : ceiling);
    const delay = Math.min(retryAfter * 1000 + jitter, 2 ** 31 - 1); // setTimeout fires at once beyond that
    this.#timer = setTimeout(() => this.#attempt(refreshFor), delay);
    this.#emit('waiting', { delay, code, reason });
  }

  #stop(code, reason, advice) {
    this.#run = this.#ws = null;
    this.#options.clearTimeout(this.#timer);
    this.#options.clearTimeout(this.#silent);
    this.#emit('stopped', { code, reason, advice });
  }
}

const [CONNECTING, OPEN, CLOSED, GOING_AWAY] = [0, 1, 3, 1001];
const LOG_IN = ['credentials_missing', 'session_invalid', 'session_ended'];
const DEFAULTS = {
  protocols: [],
  minBackoff: 500, maxBackoff: 30_000, // ms; the ceiling of the random delay doubles from one to the other
  spread: 10_000, // ms over which clients return after 1001
  patience: 30_000, // ms that a handshake may take
  stableAfter: 5_000, // ms that a connection must last to prove itself
  WebSocket: globalThis.WebSocket, now: () => performance.now(), random: Math.random, // these and the timers: for tests
  setTimeout: (callback, delay) => setTimeout(callback, delay), clearTimeout: (timer) => clearTimeout(timer),
};

function decide(code, reason, mayRefresh) {
  if (code === 1000) return 'done';
  // To come back would end the newer connection, which would come back too.
  if (code === 4403 || reason === 'too_many_connections') return 'not allowed';
  if (reason === 'message_malformed') return 'fix the client'; // also with 1002, 1003, 1007 and 1009
  if (code === 4408 || code === 4429 || (code === 4401 && reason === 'token_not_yet_valid')) return 'back off';
  if (code === 4401) return mayRefresh && !LOG_IN.includes(reason) ? 'refresh' : 'log in';
  return code >= 4400 && code <= 4499 ? 'fix the client' : 'back off';
}

/** The message that may precede a refusal's close frame: meant for us, not for the application. */
function parseRejected(data) {
  try {
    const { type, retry_after: seconds } = JSON.parse(data);
    return type === 'rejected' && { retryAfter: seconds > 0 ? Number(seconds) : 0 };
  } catch {
    return false; // not JSON: an application's own message
  }
}
