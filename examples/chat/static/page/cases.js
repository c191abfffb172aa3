/** The rows of buttons. A case gets its credential, if any, and returns the plan of its handshake. */

import { doubtSession, ensureSession, forgeCookie, mintTicket, mintToken, withoutCookie } from './account.js';
import { useUp } from './attempt.js';

const withKey = (path, key, getCredential) => async (note) => ({
  path: `${path}?${new URLSearchParams({ [key]: await getCredential(note) })}`,
});
const withNothing = (path) => async () => ({ path });

const byMessage = (getCredential) => async (note) => ({
  path: '/ws/first',
  first: { type: 'auth', token: await getCredential(note) },
});

const byCookie = (path) => async () => {
  doubtSession();
  await ensureSession();
  return { path, cookieDecides: true };
};
const byForgedCookie = (path) => async () => ({ path, cookieDecides: true, sent: forgeCookie(path) });
const byNoCookie = (path, cookieDecides) => async () => ({ path, cookieDecides, sent: await withoutCookie() });

export const ROWS = [
  {
    label: 'JWT',
    title: 'JWT in the query string',
    where: '/ws/jwt?token=…',
    cases: {
      valid: validToken,
      expired: withKey('/ws/jwt', 'token', expiredToken),
      tampered: withKey('/ws/jwt', 'token', tamperedToken),
      none: withNothing('/ws/jwt'),
    },
  },
  {
    label: 'Session',
    title: 'Signed session cookie',
    where: '/ws/session',
    cases: {
      valid: byCookie('/ws/session'),
      tampered: byForgedCookie('/ws/session'),
      none: byNoCookie('/ws/session', true),
    },
  },
  {
    label: 'Ticket',
    title: 'Single-use ticket',
    where: '/ws/ticket?ticket=…',
    cases: {
      valid: withKey('/ws/ticket', 'ticket', () => mintTicket()),
      replayed: withKey('/ws/ticket', 'ticket', usedTicket),
      tampered: withKey('/ws/ticket', 'ticket', async () => tamper(await mintTicket())),
      none: withNothing('/ws/ticket'),
    },
  },
  {
    label: 'Any',
    title: 'Any of them',
    where: '/ws/any',
    cases: {
      valid: byCookie('/ws/any'),
      expired: withKey('/ws/any', 'token', expiredToken),
      replayed: withKey('/ws/any', 'ticket', usedTicket),
      tampered: withKey('/ws/any', 'token', tamperedToken),
      none: byNoCookie('/ws/any', false),
    },
  },
  {
    label: 'First message',
    title: 'Token in the first message',
    where: '/ws/first',
    cases: {
      valid: byMessage(() => mintToken()),
      ticket: byMessage(() => mintTicket()),
      expired: byMessage(expiredToken),
      tampered: byMessage(tamperedToken),
      none: byMessage(async () => undefined),
      silent: async () => ({ path: '/ws/first', first: null }),
    },
  },
  {
    label: 'Lease',
    title: 'A token that ends',
    what: 'Its connection ends with it, live.',
    cases: { 'token of 5 s': withKey('/ws/jwt', 'token', () => mintToken(5)) },
  },
  {
    label: 'Renewal',
    title: 'A token that is renewed',
    what: 'A token of 5 s opens the connection, and a fresh one of 30 s keeps it open.',
    cases: { 'fresh token': renewed },
  },
  {
    label: 'Revocation',
    title: 'Access that is taken back',
    what: 'Connect here. Then revoke in a second tab, and look at this one again.',
    cases: { connect: validToken },
    secondTab: true,
  },
  {
    label: 'Origin',
    title: 'A foreign page',
    what: 'A page of another origin tries a valid token.',
    cases: { 'foreign page': fromAForeignPage },
  },
  {
    label: 'Channel',
    title: 'Ticket for one channel',
    what: 'Opens a socket, then joins ticket-backstage.',
    cases: { valid: joinWith(channelTicket), replayed: joinWith(usedChannelTicket), none: joinWith(async () => undefined) },
  },
];

async function validToken() {
  return withKey('/ws/jwt', 'token', () => mintToken())();
}

async function renewed() {
  const plan = await withKey('/ws/jwt', 'token', () => mintToken(5))();
  return { ...plan, renew: () => mintToken(30) };
}

async function expiredToken(note) {
  const token = await mintToken(1);
  note('Waiting until the token has expired');
  await new Promise((done) => setTimeout(done, 2100)); // a token expires at a whole second
  return token;
}

async function tamperedToken() {
  return tamper(await mintToken());
}

async function usedTicket() {
  const ticket = await mintTicket();
  await useUp('Ticket: first use', await withKey('/ws/ticket', 'ticket', async () => ticket)());
  return ticket;
}

/** Another character in the middle of the last part, so that it is still well written. */
function tamper(credential) {
  const at = credential.length - 10;
  return credential.slice(0, at) + (credential[at] === 'A' ? 'B' : 'A') + credential.slice(at + 1);
}

/** The token travels as a subprotocol: browsers print the URL of a failed connection on their console. */
async function fromAForeignPage() {
  const token = await mintToken();
  const encoded = btoa(token).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  return { path: '/ws/jwt', protocols: ['chat.v1', `base64url.bearer.phx.${encoded}`], foreign: true };
}

const CHANNEL = 'ticket-backstage';

function joinWith(getTicket) {
  return async () => {
    const join = { channel: CHANNEL, auth: await getTicket() };
    return { ...(await validToken()), join };
  };
}

function channelTicket() {
  return mintTicket(CHANNEL);
}

async function usedChannelTicket() {
  const ticket = await channelTicket();
  await useUp('Channel: first use', await joinWith(async () => ticket)());
  return ticket;
}
