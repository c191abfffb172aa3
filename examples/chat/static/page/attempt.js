/** Tries a handshake: one plain WebSocket, and a click replaces the one before. */

import { doubtSession, renewConnection } from './account.js';
import { Card } from './cards.js';
import { address, byId, parse } from './dom.js';
import { ForeignSocket } from './foreign_socket.js';
import { log, logClose, logMessage } from './log.js';

let current = null;

/** Gets the credential by `prepare`, then tries it. */
export async function tryHandshake(name, prepare) {
  retire(current?.ws);
  const attempt = (current = { card: new Card(name) });
  let plan;
  try {
    plan = await prepare((note) => attempt.card.note(note));
  } catch (error) {
    attempt.card.gaveUp(`No credential to try: ${error.message}.`);
    return log(name, { event: 'error' }, 'error: this server gave no credential to try');
  }
  if (attempt !== current) return plan.sent?.(); // another button was faster

  attempt.ws = run(name, attempt.card, plan, () => attempt === current);
}

/** Uses a credential up, as a step before the attempt that shows it; resolves when its socket is closed. */
export function useUp(name, plan) {
  return new Promise((done) => {
    const ws = run(name, new Card(name, { isStep: true }), plan, () => true);
    ws.addEventListener('message', ({ data }) => {
      const last = plan.join ? 'joined' : 'welcome';
      if (parse(data).type === last) ws.close(1000);
    });
    ws.addEventListener('close', done);
  });
}

/**
 * A plan has a `path`, maybe `protocols`, `foreign` for a foreign page, `cookieDecides`, the `first` message (`null` for
 * none) where it holds the credential, the message of a `join`, `renew` to get a fresh token, and `sent` to call when
 * the request is out.
 */
function run(name, card, plan, isWanted) {
  const offered = byId('offer-subprotocol').checked ? ['chat.v1'] : [];
  const Socket = plan.foreign ? ForeignSocket : WebSocket;
  const ws = new Socket(address(plan.path), plan.protocols ?? offered);
  const eager = byId('eager').checked;
  let chatter;
  card.begins(plan);
  ws.addEventListener('open', () => {
    plan.sent?.();
    if (!isWanted()) ws.close(1000);
    if (plan.first) ws.send(JSON.stringify(plan.first));
    card.opened();
    log(name, { event: 'open', protocol: ws.protocol }, ws.protocol ? `open, subprotocol ${ws.protocol}` : 'open');
    if (eager) chatter = setInterval(say, 4, ws);
    if (eager) say(ws);
  });
  ws.addEventListener('message', ({ data }) => {
    const message = parse(data);
    if (message.type === 'welcome') {
      clearInterval(chatter);
      card.welcomed(message, plan.join !== undefined);
      if (plan.renew) renew(name, card, plan, message.connection);
      if (plan.join) ws.send(JSON.stringify({ type: 'join', ...plan.join }));
    }
    if (message.type === 'joined' || message.type === 'denied') card.answered(message);
    logMessage(name, data);
  });
  ws.addEventListener('error', () => {
    card.failed();
    log(name, { event: 'error' }, 'error: the connection failed');
  });
  ws.addEventListener('close', (event) => {
    clearInterval(chatter);
    if (event.code !== 1000) doubtSession();
    card.closed(event);
    logClose(name, event, card.verdict);
    plan.sent?.();
  });
  return ws;
}

async function renew(name, card, plan, connection) {
  try {
    const expiry = await renewConnection(connection, await plan.renew());
    card.renewed(expiry);
    log(name, { event: 'renewed' }, 'renewed by a fresh token');
  } catch (error) {
    log(name, { event: 'error' }, `error: not renewed: ${error.message}`);
  }
}

/** A handshake under way is not aborted: the browser would print its URL, credential included. See `open`. */
function retire(ws) {
  if (ws?.readyState === WebSocket.OPEN) ws.close(1000);
}

function say(ws) {
  if (ws.readyState === WebSocket.OPEN) ws.send(JSON.stringify({ type: 'say', channel: byId('channel').value, text: 'busy' }));
}
