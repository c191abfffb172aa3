/** One card for each attempt: the newest in full, the earlier ones as a line that opens. */

import { byId, element } from './dom.js';
import { lightStack, strip } from './stack.js';
import { clock, duration, fromNow, httpAnswer, whatToDo } from './words.js';

const LIMIT = 6;
const FOREIGN = 'A foreign page learns nothing, not even why: it may act with the cookies of its visitor. A page of your own reads the reason instead.';
const VERDICTS = { trying: 'Trying', accepted: 'Accepted', refused: 'Refused', ended: 'Accepted', failed: 'No answer' };

export class Card {
  #name;
  #began = new Date();
  #details = element('details', { className: 'card' }, element('summary'));
  #ticking;
  #seen = []; // by the browser
  /** What is known of the attempt; `layer` is where it stopped or ended. */
  #outcome = { verdict: 'trying', layer: null, open: false, code: '', reason: '' };

  /** A card of a step before the one that matters goes among the earlier ones at once. */
  constructor(name, { isStep = false } = {}) {
    this.#name = name;
    this.#details.addEventListener('toggle', () => this.#details.open && this.#light());
    if (isStep) {
      addEarlier(this.#details);
    } else {
      const last = byId('latest').querySelector('.card');
      if (last) addEarlier(last);
      this.#details.open = true;
      byId('latest').replaceChildren(this.#details);
    }
    this.#render();
  }

  /** A word on what it waits for. */
  note(text) {
    this.#change({ note: text });
  }

  /** The handshake begins, maybe long after the click. */
  begins({ cookieDecides, foreign }) {
    this.#began = new Date();
    this.#change({ note: '', cookieDecides, foreign });
  }

  opened() {
    this.#see('open');
  }

  failed() {
    this.#see('error');
  }

  welcomed({ user, via, expires_at: end }, isStep) {
    this.#see('message welcome');
    const expiry = end === null ? null : new Date(end * 1000);
    this.#change({ verdict: isStep ? 'trying' : 'accepted', open: true, user, via, expiry, acceptedAt: new Date() });
    this.#ticking = setInterval(() => this.#render(), 1000);
  }

  /** The answer to a join, of which the handler decides. */
  answered({ type, channel, reason }) {
    this.#see(`message ${[type, reason].filter(Boolean).join(' ')}`);
    if (type === 'joined') this.#change({ verdict: 'accepted', channel });
    else this.#change({ verdict: 'refused', layer: 'handler', channel, reason });
  }

  closed({ code, reason, wasClean }) {
    clearInterval(this.#ticking);
    this.#see(`close ${code}\n${reason || '(no reason)'}\nwasClean: ${wasClean}`);
    const { verdict, foreign, acceptedAt } = this.#outcome;
    const closedAt = new Date();
    if (verdict === 'refused') this.#change({ open: false }); // the join was
    else if (acceptedAt) this.#change({ ...ending(code, reason), open: false, code, reason, closedAt });
    else if (foreign) this.#change({ verdict: 'refused', layer: 'origin', code, reason: 'origin_denied', closedAt });
    else if (reason) this.#change({ verdict: 'refused', layer: 'auth', code, reason, closedAt });
    else this.#change({ verdict: 'failed', code, closedAt });
  }

  /** Nothing to try: the server gave no credential. */
  gaveUp(text) {
    this.#change({ verdict: 'failed', note: text });
  }

  /** In words, for the log: `Refused at auth.` */
  get verdict() {
    const { verdict, layer } = this.#outcome;
    if (verdict === 'refused') return `Refused at ${layer}. `;
    return verdict === 'ended' ? `Ended by ${layer}. ` : '';
  }

  #see(line) {
    this.#seen.push(line);
    this.#render();
  }

  #change(known) {
    this.#outcome = { ...this.#outcome, ...known };
    this.#render();
  }

  #light() {
    lightStack(this.#outcome, this.#caption());
  }

  #caption() {
    const { verdict, layer, note } = this.#outcome;
    if (verdict === 'refused') return `${this.#name} – stopped at ${layer}.`;
    if (verdict === 'ended') return `${this.#name} – passed every layer, and ${layer ? `was ended by ${layer}` : 'broke'}.`;
    if (verdict === 'accepted') return `${this.#name} – passed every layer.`;
    return verdict === 'failed' ? `${this.#name} – no answer.` : `${this.#name} – ${note || 'trying'} …`;
  }

  #render() {
    const { verdict, layer, code, reason } = this.#outcome;
    Object.assign(this.#details.dataset, { verdict, name: this.#name, layer: layer ?? '', code, reason });
    const why = this.#why();
    this.#details.firstElementChild.replaceChildren(
      element('strong', { className: 'verdict' }, VERDICTS[verdict]),
      ...(why ? [' ', element('code', { className: 'why' }, why)] : []),
      ' ',
      element('span', { className: 'name' }, `${this.#name}, `, element('time', { dateTime: this.#began.toISOString() }, clock(this.#began))),
    );
    while (this.#details.children.length > 1) this.#details.lastElementChild.remove();
    this.#details.append(strip(this.#outcome), element('p', { className: 'facts' }, this.#facts()));
    if (verdict !== 'trying' && this.#seen.length > 0) this.#details.append(this.#sides(), this.#advice());
    if (this.#details.open) this.#light();
  }

  #why() {
    const { verdict, code, reason, channel, foreign } = this.#outcome;
    if (verdict === 'accepted') return channel ? `joined ${channel}` : '101';
    if (verdict === 'ended') return `then ${code} ${reason}`.trim();
    if (verdict === 'refused') return channel ? `denied ${reason}` : foreign ? `${code}` : `${code} ${reason}`;
    return code ? `${code}` : '';
  }

  #facts() {
    const { verdict, layer, note, user, via, expiry, open, acceptedAt, closedAt, channel, foreign } = this.#outcome;
    if (verdict === 'trying') return `${note || 'Waiting for the answer'} …`;
    if (verdict === 'failed') return note || 'The server is away, or this page may not connect: a browser cannot tell which.';
    if (verdict === 'refused') {
      if (channel) return `The chat did not let ${user} into ${channel}. The socket itself stays open.`;
      if (foreign) return 'Stopped at origin. The page cannot read that: this one knows because it opened the foreign page.';
      return `Stopped at ${layer} after ${duration(closedAt - this.#began)}.`;
    }
    const who = `${user}, by a ${via === 'jwt' ? 'JWT' : via}.`;
    const how = layer === null ? 'The connection broke' : `Ended by ${layer}`;
    if (verdict === 'ended') return `${who} ${how} after ${duration(closedAt - acceptedAt)}.`;
    if (!open) return `${who} Closed by this page after ${duration(closedAt - acceptedAt)}.`;
    return expiry ? `${who} Open until ${clock(expiry)}, ${fromNow(expiry)}.` : `${who} Open.`;
  }

  #sides() {
    return element(
      'div',
      { className: 'sides' },
      element('div', {}, element('h3', {}, 'What curl sees'), element('pre', { className: 'curl' }, this.#curl())),
      element('div', {}, element('h3', {}, 'What the browser sees'), element('pre', { className: 'browser' }, this.#seen.join('\n'))),
    );
  }

  /** The same request without `Origin`, which a program leaves out and a browser never does. */
  #curl() {
    const { verdict, code, reason, cookieDecides, channel, foreign } = this.#outcome;
    if (foreign) return `${httpAnswer('origin_denied')}\n\n(with that page's Origin)`;
    if (verdict === 'failed') return 'the same silence, or the reason: a program may ask without Origin';
    if (cookieDecides) return `${httpAnswer('origin_denied')}\n\n(no Origin: a cookie counts for pages only)`;
    if (verdict === 'refused' && !channel) return httpAnswer(reason, code);
    const more = channel ? '\n\n(a join is a message on the open socket)' : verdict === 'ended' ? '\n\n(and the same close frame)' : '';
    return `101 Switching Protocols${more}`;
  }

  #advice() {
    const { verdict, code, reason, foreign, open } = this.#outcome;
    if (foreign) return element('p', { className: 'todo' }, FOREIGN);
    if (verdict === 'accepted' && open) return element('p', { className: 'todo' }, 'The first message proves it; open alone does not.');
    return element('p', { className: 'todo' }, whatToDo(code, reason));
  }
}

/** The layer that ended an open connection, or none if the client did. */
function ending(code, reason) {
  if (code === 1000 || code === 1005) return { verdict: 'accepted' };
  const byTheChat = code === 4408 || code === 1002;
  return { verdict: 'ended', layer: byTheChat ? 'handler' : reason ? 'lease' : null };
}

function addEarlier(card) {
  card.open = false;
  const list = byId('cards');
  list.prepend(element('li', {}, card));
  if (list.children.length > LIMIT) list.lastElementChild.remove();
  byId('earlier').hidden = false;
}

export function forgetEarlier() {
  byId('cards').replaceChildren();
  byId('earlier').hidden = true;
}
