/** One card for each attempt: the newest in full, the earlier ones as a line that opens. */

import { byId, element } from './dom.js';
import { lightStack, strip } from './stack.js';
import * as story from './story.js';
import { clock } from './words.js';

const LIMIT = 6;

export class Card {
  #details = element('details', { className: 'card' }, element('summary'));
  #facts = element('p', { className: 'facts' });
  #outcome;
  #seen = []; // by the browser
  #ticking;

  /** A card of a step before the one that matters goes among the earlier ones at once. */
  constructor(name, { isStep = false } = {}) {
    this.#outcome = { name, began: new Date(), verdict: 'trying', layer: null, open: false, code: '', reason: '' };
    this.#details.addEventListener('toggle', () => this.#light());
    if (isStep) {
      addEarlier(this.#details);
    } else {
      const last = byId('latest').querySelector('.card');
      if (last) addEarlier(last);
      this.#details.open = true;
      byId('latest').replaceChildren(this.#details);
    }
    this.#change({});
  }

  /** In words, for the log. */
  get verdict() {
    return story.inShort(this.#outcome);
  }

  /** A word on what it waits for. */
  note(text) {
    this.#change({ note: text });
  }

  /** The handshake begins, maybe long after the click. */
  begins({ cookieDecides, foreign, first }) {
    this.#change({ began: new Date(), note: '', cookieDecides, foreign, byMessage: first !== undefined });
  }

  opened() {
    this.#see('open');
  }

  failed() {
    this.#see('error');
  }

  /** The first message. If a join follows, its answer decides. */
  welcomed({ user, via, expires_at: end }, joins) {
    const expiry = end === null ? null : new Date(end * 1000);
    const verdict = joins ? 'trying' : 'accepted';
    this.#see('message welcome', { verdict, open: true, user, via, expiry, acceptedAt: new Date() });
    // The rest of the card stays as it is, with what is selected and focused in it.
    this.#ticking = setInterval(() => (this.#facts.textContent = story.facts(this.#outcome)), 1000);
  }

  /** The handler's answer to a join. */
  answered({ type, channel, reason }) {
    if (type === 'joined') this.#see('message joined', { verdict: 'accepted', channel });
    else this.#see(`message denied ${reason}`, { verdict: 'refused', layer: 'handler', channel, reason });
  }

  renewed(expiry) {
    this.#see('POST /ws/renew: 204', { expiry });
  }

  closed({ code, reason, wasClean }) {
    clearInterval(this.#ticking);
    const outcome = story.closed(this.#outcome, code, reason, new Date());
    this.#see(`close ${code}\n${reason || '(no reason)'}\nwasClean: ${wasClean}`, outcome);
  }

  /** There was nothing to try. */
  gaveUp(text) {
    this.#change({ verdict: 'failed', note: text });
  }

  #see(line, known = {}) {
    this.#seen.push(line);
    this.#change(known);
  }

  #change(known) {
    this.#outcome = { ...this.#outcome, ...known };
    this.#render();
    this.#light();
  }

  #light() {
    if (this.#details.open) lightStack(this.#outcome, story.caption(this.#outcome));
  }

  #render() {
    const { name, verdict, layer, code, reason } = this.#outcome;
    Object.assign(this.#details.dataset, { name, verdict, layer: layer ?? '', code, reason });
    this.#facts.textContent = story.facts(this.#outcome);
    this.#summarize();
    while (this.#details.children.length > 1) this.#details.lastElementChild.remove();
    this.#details.append(strip(this.#outcome), this.#facts);
    if (verdict !== 'trying' && this.#seen.length > 0) this.#details.append(this.#sides(), this.#advice());
  }

  /** The summary itself stays: it may have the focus. */
  #summarize() {
    const { name, began, verdict } = this.#outcome;
    const time = element('time', { dateTime: began.toISOString() }, clock(began));
    this.#details.firstElementChild.replaceChildren(
      element('strong', { className: 'verdict' }, story.VERDICTS[verdict]),
      ' ',
      element('code', { className: 'why' }, story.why(this.#outcome)),
      ' ',
      element('span', { className: 'name' }, `${name}, `, time),
    );
  }

  #sides() {
    const side = (title, className, text) =>
      element('div', {}, element('h3', {}, title), element('pre', { className }, text));
    return element(
      'div',
      { className: 'sides' },
      side('What curl sees', 'curl', story.curlSees(this.#outcome)),
      side('What the browser sees', 'browser', this.#seen.join('\n')),
    );
  }

  #advice() {
    return element('p', { className: 'todo' }, story.advice(this.#outcome));
  }
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
