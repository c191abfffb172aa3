import { ReconnectingSocket } from './reconnect.js';

const withKey = (path, key, getCredential) => async () => `${path}?${new URLSearchParams({ [key]: await getCredential() })}`;
const withCookie = (path, prepare) => async () => {
  await prepare();
  return path;
};

/** One row of buttons for each strategy. A case gets its credential, if any, and returns the path to connect to. */
const STRATEGIES = [
  {
    strategy: 'jwt',
    label: 'JWT',
    title: 'JWT in the query string',
    where: '/ws/jwt?token=…',
    cases: {
      valid: withKey('/ws/jwt', 'token', mintToken),
      expired: withKey('/ws/jwt', 'token', expiredToken),
      tampered: withKey('/ws/jwt', 'token', async () => tamper(await mintToken())),
      none: async () => '/ws/jwt',
    },
  },
  {
    strategy: 'session',
    label: 'Session',
    title: 'Signed session cookie',
    where: '/ws/session',
    cases: {
      valid: withCookie('/ws/session', loggedIn),
      tampered: withCookie('/ws/session', forgedCookie),
      none: withCookie('/ws/session', logout),
    },
  },
  {
    strategy: 'ticket',
    label: 'Ticket',
    title: 'Single-use ticket',
    where: '/ws/ticket?ticket=…',
    cases: {
      valid: withKey('/ws/ticket', 'ticket', mintTicket),
      replayed: withKey('/ws/ticket', 'ticket', usedTicket),
      tampered: withKey('/ws/ticket', 'ticket', async () => tamper(await mintTicket())),
      none: async () => '/ws/ticket',
    },
  },
  {
    strategy: 'any',
    label: 'Any',
    title: 'Any of them',
    where: '/ws/any: what is explicit decides, else the cookie',
    cases: {
      valid: withCookie('/ws/any', loggedIn),
      expired: withKey('/ws/any', 'token', expiredToken),
      replayed: withKey('/ws/any', 'ticket', usedTicket),
      tampered: withKey('/ws/any', 'token', async () => tamper(await mintToken())),
      none: withCookie('/ws/any', logout),
    },
  },
];

/** What a client should do when it reads this reason, else this code. */
const WHAT_TO_DO = {
  __proto__: null,
  credentials_missing: 'No credential was sent: log in.',
  credentials_malformed: 'The credential is malformed: stop, this is a bug in the client.',
  handshake_invalid: 'Not a valid handshake: stop, this is a bug in the client.',
  token_invalid: 'The token does not verify: get a new one once, then stop.',
  token_expired: 'The token has expired: get a new one and reconnect.',
  token_not_yet_valid: 'The token is not valid yet: wait, then try the same one again.',
  ticket_invalid: 'The ticket is unknown, used or expired: mint a new one.',
  session_invalid: 'There is no such session: log in.',
  session_ended: 'The session has ended: log in again.',
  origin_denied: 'This origin may not connect: stop.',
  forbidden: 'Known, but not allowed: stop.',
  revoked: 'The access was revoked: stop.',
  rate_limited: 'Too many attempts: back off, then try again.',
  unavailable: 'The server cannot decide now: back off, then try again.',
  1000: 'Ended on purpose: nothing to do.',
  1006: 'No close frame came, and a browser does not say why: back off, then try again.',
};

const byId = (id) => document.getElementById(id);

// The account: a login without a password, and what it can be changed into.

let user = null;

async function post(path, body) {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body), cache: 'no-store' });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response.status === 204 ? null : response.json();
}

async function login() {
  const name = byId('user').value;
  await post('/login', { user: name });
  user = name;
  byId('account').textContent = `logged in as ${user}`;
}

async function logout() {
  await post('/logout', {});
  user = null;
  byId('account').textContent = 'logged out';
}

async function loggedIn() {
  if (user === null) await login();
}

async function mintToken(ttl = 3600) {
  await loggedIn();
  return (await post('/token', { ttl })).token;
}

async function expiredToken() {
  const token = await mintToken(1);
  await new Promise((done) => setTimeout(done, 2100)); // a token expires at a whole second
  return token;
}

async function mintTicket() {
  await loggedIn();
  return (await post('/ticket', {})).ticket;
}

async function usedTicket() {
  const ticket = await mintTicket();
  const ws = new WebSocket(address(`/ws/ticket?${new URLSearchParams({ ticket })}`));
  await new Promise((done) => {
    ws.addEventListener('message', () => ws.close(1000));
    ws.addEventListener('close', done);
  });
  return ticket;
}

async function forgedCookie() {
  await logout();
  document.cookie = 'connect.sid=s%3Aforged.c2lnbmF0dXJl; path=/; samesite=lax';
}

/** Another character in the middle of the last part, so that it is still well written. */
function tamper(credential) {
  const at = credential.length - 10;
  return credential.slice(0, at) + (credential[at] === 'A' ? 'B' : 'A') + credential.slice(at + 1);
}

function address(path) {
  const url = new URL(path, location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  return url.href;
}

// The log. Nothing here ever sees a URL, so that no credential can end up on the screen.

const LOG_LIMIT = 300;

function log(source, data, text, hint) {
  const box = byId('log-box');
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  const item = document.createElement('li');
  Object.assign(item.dataset, data, { source });
  const now = new Date();
  const time = element('time', now.toTimeString().slice(0, 8));
  time.dateTime = now.toISOString();
  item.append(time, ' ', element('strong', source), ' ', element('span', text, 'what'));
  if (hint) item.append(' ', element('span', hint, 'hint'));
  const list = byId('log');
  list.append(item);
  if (list.children.length > LOG_LIMIT) list.firstElementChild.remove();
  if (atEnd) box.scrollTop = box.scrollHeight;
}

function element(name, text, className = '') {
  const node = document.createElement(name);
  node.textContent = text;
  if (className) node.className = className;
  return node;
}

function logMessage(source, data) {
  const text = typeof data === 'string' ? data : '(binary)';
  log(source, { event: 'message', text }, `message ${text}`);
}

function logClose(source, { code, reason, wasClean }) {
  const last = code >= 4400 && code <= 4499 ? 'Stop: another attempt would end the same way.' : 'Back off, then try again.';
  const hint = WHAT_TO_DO[reason] ?? WHAT_TO_DO[code] ?? last;
  const text = `close ${[code, reason].filter(Boolean).join(' ')} (wasClean: ${wasClean})`;
  log(source, { event: 'close', code, reason, clean: wasClean }, text, hint);
}

// Try a handshake: one plain WebSocket, and a click replaces the one before.

let current = null;

async function tryHandshake(source, getPath) {
  retire(current?.ws);
  const attempt = (current = {});
  let path;
  try {
    path = await getPath();
  } catch {
    return log(source, { event: 'error' }, 'error: this server gave no credential to try');
  }
  if (attempt !== current) return; // another button was faster

  const ws = new WebSocket(address(path), byId('offer-subprotocol').checked ? ['chat.v1'] : []);
  const eager = byId('eager').checked;
  let chatter;
  attempt.ws = ws;
  ws.addEventListener('open', () => {
    if (attempt !== current) ws.close(1000);
    log(source, { event: 'open', protocol: ws.protocol }, ws.protocol ? `open, subprotocol ${ws.protocol}` : 'open');
    if (eager) chatter = setInterval(say, 4, ws);
    if (eager) say(ws);
  });
  ws.addEventListener('message', ({ data }) => {
    if (parse(data).type === 'welcome') clearInterval(chatter);
    logMessage(source, data);
  });
  ws.addEventListener('error', () => log(source, { event: 'error' }, 'error: the connection failed'));
  ws.addEventListener('close', (event) => {
    clearInterval(chatter);
    logClose(source, event);
  });
}

/** A handshake under way is not aborted: the browser would print its URL, credential included. See `open`. */
function retire(ws) {
  if (ws?.readyState === WebSocket.OPEN) ws.close(1000);
}

function say(ws) {
  if (ws.readyState === WebSocket.OPEN) ws.send(message('say', { text: 'busy' }));
}

function message(type, more) {
  return JSON.stringify({ type, channel: byId('channel').value, ...more });
}

function parse(data) {
  try {
    return JSON.parse(data) ?? {};
  } catch {
    return {};
  }
}

for (const { strategy, label, title, where, cases } of STRATEGIES) {
  const row = document.createElement('fieldset');
  const buttons = element('div', '', 'buttons');
  row.append(element('legend', title), element('code', where), buttons);
  for (const [name, getPath] of Object.entries(cases)) {
    const button = element('button', name);
    const fullName = `${label}: ${name}`;
    button.type = 'button';
    button.setAttribute('aria-label', fullName);
    Object.assign(button.dataset, { strategy, case: name });
    button.addEventListener('click', () => tryHandshake(fullName, getPath));
    buttons.append(button);
  }
  byId('strategies').append(row);
}
byId('clear').addEventListener('click', () => byId('log').replaceChildren());

// The chat: one connection that lasts.

const chat = 'Chat';
const joined = new Set();
let token = null;

const socket = new ReconnectingSocket({
  protocols: ['chat.v1'],
  url: async () => {
    status('connecting');
    token ??= await mintToken();
    return address(`/ws/jwt?${new URLSearchParams({ token })}`);
  },
  refresh: async () => {
    status('connecting');
    user = null; // the session may have ended with it
    token = await mintToken();
  },
});

function status(text) {
  byId('status').textContent = text;
}

socket.addEventListener('open', () => log(chat, { event: 'open' }, 'open'));
socket.addEventListener('message', ({ data }) => {
  logMessage(chat, data);
  const { type, user, channel } = parse(data);
  if (type === 'joined') joined.add(channel);
  if (type === 'denied') joined.delete(channel);
  if (type !== 'welcome') return;
  status(`open as ${user}`);
  for (const channel of joined) socket.send(JSON.stringify({ type: 'join', channel }));
});
socket.addEventListener('close', ({ detail }) => logClose(chat, detail));
socket.addEventListener('waiting', ({ detail }) => {
  status(`waiting ${(detail.delay / 1000).toFixed(1)} s: ${detail.reason || detail.code}`);
});
socket.addEventListener('stopped', ({ detail }) => {
  joined.clear();
  const why = detail.code === 1000 ? 'ended on purpose' : `${detail.reason || detail.code} (${detail.advice})`;
  status(`stopped: ${why}`);
});

byId('login-form').addEventListener('submit', (event) => {
  event.preventDefault();
  token = null;
  login().catch(() => (byId('account').textContent = 'this name cannot log in'));
});
byId('logout').addEventListener('click', () => {
  token = null;
  logout().catch(() => (byId('account').textContent = 'the server did not answer'));
});
byId('stay').addEventListener('click', () => socket.connect());
byId('leave').addEventListener('click', () => socket.close());
byId('join-form').addEventListener('submit', (event) => {
  event.preventDefault();
  send(message('join'));
});
byId('say-form').addEventListener('submit', (event) => {
  event.preventDefault();
  if (send(message('say', { text: byId('text').value }))) byId('text').value = '';
});

function send(text) {
  const sent = socket.send(text);
  if (!sent) log(chat, { event: 'error' }, 'error: not connected, nothing was sent');
  return sent;
}
