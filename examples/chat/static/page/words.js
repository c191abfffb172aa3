/** What codes, reasons and times mean to a reader. */

/** For each reason of a refusal: the HTTP status beside it, and what a client should do. */
const REASONS = {
  __proto__: null,
  credentials_missing: [401, 'No credential was sent: log in.'],
  credentials_malformed: [400, 'The credential is malformed: stop, this is a bug in the client.'],
  handshake_invalid: [400, 'Not a valid handshake: stop, this is a bug in the client.'],
  token_invalid: [401, 'The token does not verify: get a new one once, then stop.'],
  token_expired: [401, 'The token has expired: get a new one and reconnect.'],
  token_not_yet_valid: [401, 'The token is not valid yet: wait, then try the same one again.'],
  ticket_invalid: [401, 'The ticket is unknown, used or expired: mint a new one.'],
  session_invalid: [401, 'There is no such session: log in.'],
  session_ended: [401, 'The session has ended: log in again.'],
  message_malformed: [400, 'The first message is malformed: stop, this is a bug in the client.'],
  too_slow: [408, 'The messages were not read fast enough: back off, then try again.'],
  message_timeout: [408, 'No credential came in time: send it right after the handshake.'],
  origin_denied: [403, 'This origin may not connect: stop.'],
  forbidden: [403, 'Known, but not allowed: stop.'],
  revoked: [403, 'The access was revoked: stop.'],
  rate_limited: [429, 'Too many attempts: back off, then try again.'],
  too_many_connections: [429, 'A newer connection took the place of this one: stop.'],
  unavailable: [503, 'The server cannot decide now: back off, then try again.'],
  going_away: [503, 'The server shuts down: reconnect later.'],
};

const CODES = {
  __proto__: null,
  1000: 'Ended on purpose: nothing to do.',
  1001: 'The server shuts down: reconnect later.',
  1006: 'No close frame came, and a browser does not say why: back off, then try again.',
};

const STATUS_TEXTS = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  408: 'Request Timeout',
  429: 'Too Many Requests',
  503: 'Service Unavailable',
};

/** What a client should do about this close. */
export function whatToDo(code, reason) {
  const last = code >= 4400 && code <= 4499 ? 'Stop: another attempt would end the same way.' : 'Back off, then try again.';
  return REASONS[reason]?.[1] ?? CODES[code] ?? last;
}

/** Why the account did not change, by the HTTP status; a server that did not answer has none. */
export function whyNot(status) {
  if (status === 400) return 'this name cannot log in';
  if (status === 403) return 'the address of this page is no allowed --origin of the server';
  return 'the server did not answer: try again';
}

/** The answer to a program that sends no `Origin`: the status and the body. */
export function httpAnswer(reason, code) {
  const status = REASONS[reason]?.[0] ?? (code >= 4400 && code < 4600 ? code - 4000 : 400);
  return `${status} ${STATUS_TEXTS[status] ?? ''}\n${reason}`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const DAY_AND_CLOCK = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const RELATIVE = new Intl.RelativeTimeFormat('en');
const UNITS = [['day', 86_400], ['hour', 3600], ['minute', 60], ['second', 1]];

/** `14:02:07`, with the day unless it is today. */
export function clock(date) {
  const today = date.toDateString() === new Date().toDateString();
  return (today ? CLOCK : DAY_AND_CLOCK).format(date);
}

/** `in 59 minutes`, `5 seconds ago`: in the largest unit, rounded. */
export function fromNow(date, now = Date.now()) {
  return relative((date - now) / 1000);
}

/** `312 ms`, `5 seconds`. */
export function duration(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : relative(ms / 1000).replace('in ', '');
}

function relative(seconds) {
  const rounded = Math.round(seconds);
  // An hour that has just begun to run is still "in 1 hour".
  const [unit, size] = UNITS.find(([, size]) => Math.abs(rounded) >= size * 0.97) ?? UNITS.at(-1);
  return RELATIVE.format(Math.round(rounded / size), unit);
}
