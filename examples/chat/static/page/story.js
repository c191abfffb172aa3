/** What a card says about the outcome of an attempt. No function here touches the page. */

import { clock, duration, fromNow, httpAnswer, whatToDo } from './words.js';

/**
 * An outcome has a `name`, when it `began`, and a `verdict`: `trying`, `accepted`, `refused`, `ended` (accepted first),
 * or `failed` (no answer). `layer` is where it stopped or ended; `open` says whether the connection is.
 */
export const VERDICTS = { trying: 'Trying', accepted: 'Accepted', refused: 'Refused', ended: 'Accepted', failed: 'No answer' };

const AWAY = 'The server is away, or this page may not connect: a browser cannot tell which.';
const FOREIGN =
  'A foreign page learns nothing, not even why: it may act with the cookies of its visitor. A page of your own reads the reason instead.';

/** What the close of an attempt's connection makes of its outcome. */
export function closed({ verdict, acceptedAt, foreign }, code, reason, closedAt) {
  if (verdict === 'refused') return { open: false }; // a join was refused before
  if (acceptedAt) return { ...ended(code, reason), open: false, code, reason, closedAt };
  if (code === 1000) return { verdict: 'failed', code, note: 'Given up for the next attempt.' };
  if (foreign) return { verdict: 'refused', layer: 'origin', code, reason: 'origin_denied', closedAt };
  if (reason) return { verdict: 'refused', layer: 'auth', code, reason, closedAt };
  return { verdict: 'failed', code, note: AWAY };
}

function ended(code, reason) {
  if (code === 1000 || code === 1005) return {}; // by this page
  const byTheChat = code === 4408 || code === 1002;
  return { verdict: 'ended', layer: byTheChat ? 'handler' : reason ? 'lease' : null };
}

/** Code and reason, right after the verdict. */
export function why({ verdict, code, reason, channel, foreign }) {
  if (verdict === 'accepted') return channel ? `joined ${channel}` : '101';
  if (verdict === 'ended') return `then ${code} ${reason}`.trim();
  if (verdict === 'refused' && channel) return `denied ${reason}`;
  if (verdict === 'refused' && !foreign) return `${code} ${reason}`;
  return code ? `${code}` : '';
}

/** One line, for the row of layers. */
export function caption({ name, verdict, layer, note }) {
  switch (verdict) {
    case 'trying': return `${name} – ${note || 'trying'} …`;
    case 'accepted': return `${name} – passed every layer.`;
    case 'refused': return `${name} – stopped at ${layer}.`;
    case 'ended': return `${name} – passed every layer, and ${layer ? `was ended by ${layer}` : 'broke'}.`;
    default: return `${name} – no answer.`;
  }
}

/** In words for the log: `Refused at auth. ` */
export function inShort({ verdict, layer }) {
  if (verdict === 'refused') return `Refused at ${layer}. `;
  return verdict === 'ended' && layer ? `Ended by ${layer}. ` : '';
}

export function facts(outcome) {
  const { verdict, layer, note, user, began, closedAt, channel, foreign } = outcome;
  if (verdict === 'trying') return `${note || 'Waiting for the answer'} …`;
  if (verdict === 'failed') return note;
  if (verdict !== 'refused') return life(outcome);
  if (channel) return `The chat did not let ${user} into ${channel}. The socket itself stays open.`;
  if (foreign) return 'Stopped at origin. The page cannot read that: this one knows because it opened the foreign page.';
  return `Stopped at ${layer} after ${duration(closedAt - began)}.`;
}

/** Who it is, and how long. */
function life({ verdict, layer, user, via, expiry, open, acceptedAt, closedAt }) {
  const who = `${user}, by a ${via === 'jwt' ? 'JWT' : via}.`;
  if (open) return expiry ? `${who} Open until ${clock(expiry)}, ${fromNow(expiry)}.` : `${who} Open.`;
  const lasted = duration(closedAt - acceptedAt);
  if (verdict === 'accepted') return `${who} Closed by this page after ${lasted}.`;
  return layer ? `${who} Ended by ${layer} after ${lasted}.` : `${who} The connection broke after ${lasted}.`;
}

/** The answer to the same request without `Origin`: a program leaves it out, a browser never does. */
export function curlSees({ verdict, code, reason, cookieDecides, byMessage, channel, foreign }) {
  if (verdict === 'failed') return 'no answer either, or the reason: a program may ask without Origin';
  if (verdict === 'refused' && foreign) return `${httpAnswer('origin_denied')}\n\n(with that page's Origin)`;
  if (byMessage) return '101 Switching Protocols\n\n(the credential is a message on the open socket)';
  if (cookieDecides) return `${httpAnswer('origin_denied')}\n\n(no Origin: a cookie counts for pages only)`;
  if (channel) return '101 Switching Protocols\n\n(a join is a message on the open socket)';
  if (verdict === 'refused') return httpAnswer(reason, code);
  return verdict === 'ended' ? '101 Switching Protocols\n\n(and the same close frame)' : '101 Switching Protocols';
}

export function advice({ verdict, code, reason, foreign, open }) {
  if (verdict === 'refused' && foreign) return FOREIGN;
  if (verdict === 'accepted' && open) return 'The first message proves it; open alone does not.';
  return whatToDo(code, reason);
}
