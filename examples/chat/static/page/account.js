/** The account: a login without a password, and what it can be changed into. */

import { address, parse } from './dom.js';

/** Where the tabs of this origin tell each other who is logged in; the cookie itself is hidden from scripts. */
const STORED = 'user';

let user = null;
/** When the session of this user was last known to be there; a restarted server has forgotten it. */
let provenAt = -Infinity;
const TRUSTED_FOR = 5000; // ms
/** Whether the cookie was taken away, so that there is no need to ask. */
let isCookieGone = false;
let logins = 0;
let wantedName = () => 'ada';
let show = () => {};

/** Says where the name for a login comes from, and who shows the account. */
export async function startAccount(getName, onChange) {
  wantedName = getName;
  show = onChange;
  addEventListener('storage', ({ key, newValue }) => {
    if (key === STORED && newValue !== user) remember(newValue);
  });
  const stored = localStorage.getItem(STORED);
  if (stored !== null) proven(await sessionsUser());
}

export async function login(name = wantedName()) {
  await post('/login', { user: name });
  logins += 1;
  proven(name);
}

/** Tells one login of this page from the next. */
export function loginCount() {
  return logins;
}

export async function logout() {
  await post('/logout', {});
  remember(null);
}

/** Ends every connection of the user, and makes all credentials void that were issued before. */
export async function revoke() {
  await ensureSession();
  const revoked = user;
  await post('/revoke', { user: revoked });
  remember(null);
  return revoked;
}

/** Asks the server before the next use: for a connection that ended in a way that the session may not have survived. */
export function doubtSession() {
  provenAt = -Infinity;
}

/** Logs in only if nobody is: a login ends the session before it, and the connections of that session. */
export function ensureSession() {
  return alone(async () => {
    if (user !== null && performance.now() - provenAt < TRUSTED_FOR) return;
    const found = user === null || isCookieGone ? null : await sessionsUser();
    if (found === null) await login(user ?? wantedName());
    else proven(found);
  });
}

let queue = Promise.resolve();

/** One at a time, in all tabs: each would end the session of the other. */
function alone(work) {
  const locked = () => navigator.locks?.request('session', work) ?? work();
  return (queue = queue.then(locked, locked));
}

/** A token of the session's user, for so many seconds. */
export async function mintToken(ttl = 3600) {
  return (await mint('/token', { ttl })).token;
}

/** A ticket for a socket, or for the join of a channel. */
export async function mintTicket(channel) {
  return (await mint('/ticket', channel === undefined ? {} : { channel })).ticket;
}

async function mint(path, body) {
  await ensureSession();
  try {
    return await post(path, body);
  } catch (error) {
    if (error.status !== 401) throw error;
    doubtSession();
    await ensureSession();
    return post(path, body);
  }
}

/**
 * Takes the session's cookie away for one handshake; the function it returns brings a login back. The session stays:
 * beside a forged cookie, the server removes the cookie and knows of no session to end.
 */
export async function withoutCookie() {
  const remove = forgeCookie('/logout');
  await post('/logout', {}).finally(remove);
  isCookieGone = true;
  doubtSession();
  return () => user !== null && ensureSession().catch(doubtSession);
}

/** Sends a forged cookie to this path; the function it returns removes it. The real one comes second and stays. */
export function forgeCookie(path) {
  const rest = `path=${path}; samesite=lax`;
  document.cookie = `connect.sid=s%3Aforged.c2lnbmF0dXJl; max-age=30; ${rest}`;
  return () => (document.cookie = `connect.sid=; max-age=0; ${rest}`);
}

/** A handshake tells who is logged in. A refused request over HTTP would leave an error on the console. */
function sessionsUser() {
  const ws = new WebSocket(address('/ws/session'));
  return new Promise((resolve, reject) => {
    ws.addEventListener('message', ({ data }) => {
      const { type, user } = parse(data);
      if (type !== 'welcome') return;
      resolve(user);
      ws.close(1000);
    });
    ws.addEventListener('close', ({ code }) => {
      if (code === 1006) reject(new Error('the server does not answer'));
      else resolve(null);
    });
  });
}

/** Gives an open connection a fresh token, whose end it then has. */
export async function renewConnection(connection, token) {
  await post('/ws/renew', { connection }, { authorization: `Bearer ${token}` });
  const claims = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
  return new Date(JSON.parse(atob(claims)).exp * 1000);
}

async function post(path, body, credential = {}) {
  const headers = { 'content-type': 'application/json', ...credential };
  const response = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body), cache: 'no-store' });
  if (!response.ok) throw Object.assign(new Error(`HTTP ${response.status}`), { status: response.status });
  return response.status === 204 ? null : response.json();
}

function proven(name) {
  remember(name);
  provenAt = performance.now();
  isCookieGone = false;
}

function remember(name) {
  user = name;
  provenAt = -Infinity;
  if (name === null) localStorage.removeItem(STORED);
  else localStorage.setItem(STORED, name);
  show(user);
}
