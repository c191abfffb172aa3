/** The chat: one connection that lasts. */

import { doubtSession, loginCount, mintToken } from './account.js';
import { address, byId, parse } from './dom.js';
import { log, logClose, logMessage } from './log.js';
import { ReconnectingSocket } from '../reconnect.js';

const NAME = 'Chat';
const joined = new Set();
let token = null;
let login = 0; // of the token

const socket = new ReconnectingSocket({
  protocols: ['chat.v1'],
  url: async () => {
    status('connecting');
    if (token === null) await renew();
    return address(`/ws/jwt?${new URLSearchParams({ token })}`);
  },
  refresh: async () => {
    status('connecting');
    await renew();
  },
});

async function renew() {
  token = await mintToken();
  login = loginCount();
}

function status(text) {
  byId('status').textContent = text;
}

socket.addEventListener('open', () => log(NAME, { event: 'open' }, 'open'));
socket.addEventListener('message', ({ data }) => {
  logMessage(NAME, data);
  const { type, user, channel } = parse(data);
  if (type === 'joined') joined.add(channel);
  if (type === 'denied') joined.delete(channel);
  if (type !== 'welcome') return;
  status(`open as ${user}`);
  for (const channel of joined) socket.send(JSON.stringify({ type: 'join', channel }));
});
socket.addEventListener('close', ({ detail }) => {
  if (detail.code !== 1000) doubtSession();
  logClose(NAME, detail);
});
socket.addEventListener('waiting', ({ detail }) => {
  status(`waiting ${(detail.delay / 1000).toFixed(1)} s: ${detail.reason || detail.code}`);
});
socket.addEventListener('stopped', ({ detail }) => {
  joined.clear();
  const why = detail.code === 1000 ? 'ended on purpose' : `${detail.reason || detail.code} (${detail.advice})`;
  status(`stopped: ${why}`);
});

/** The next connection is the new user's. */
export function forgetToken() {
  token = null;
}

/** A logout ends the connections of its session; one of an earlier login is closed here. */
export function loggedOut() {
  if (token !== null && login !== loginCount()) socket.close();
  token = null;
}

export function startChat() {
  byId('stay').addEventListener('click', () => socket.connect());
  byId('leave').addEventListener('click', () => socket.close());
  onSubmit('join-form', () => send({ type: 'join', channel: byId('channel').value }));
  onSubmit('say-form', () => {
    const text = byId('text');
    if (send({ type: 'say', channel: byId('channel').value, text: text.value })) text.value = '';
  });
}

function onSubmit(form, action) {
  byId(form).addEventListener('submit', (event) => {
    event.preventDefault();
    action();
  });
}

function send(message) {
  const sent = socket.send(JSON.stringify(message));
  if (!sent) log(NAME, { event: 'error' }, 'error: not connected, nothing was sent');
  return sent;
}
