/** The row of layers: it lights up as far as a handshake came. */

import { byId, element } from './dom.js';

export const LAYERS = [
  ['redact', 'RedactLayer', 'keeps the credential out of every log'],
  ['origin', 'OriginLayer', 'is this page allowed to connect?'],
  ['auth', 'AuthLayer', 'is the credential good, and whose is it?'],
  ['lease', 'LeaseLayer', 'ends the connection when the credential ends'],
  ['handler', 'your handler', 'here a chat: it meets known users only'],
];

const WORDS = {
  idle: '',
  passed: 'passed',
  stopped: 'stopped here',
  ended: 'ended here',
  open: 'open',
  unreached: 'not reached',
};

/** The state of each layer for an outcome: `trying`, `failed`, `accepted`, `refused` or `ended`, at a layer. */
export function layerStates({ verdict, layer, open }) {
  const at = LAYERS.findIndex(([name]) => name === layer);
  return LAYERS.map(([name], index) => {
    if (verdict === 'trying' || verdict === 'failed') return 'idle';
    if (index === at) return verdict === 'ended' ? 'ended' : 'stopped';
    if (verdict === 'refused' && index > at) return 'unreached';
    return name === 'handler' && open ? 'open' : 'passed';
  });
}

/** Draws the row at the top of the page. */
export function drawStack() {
  byId('layers').append(
    ...LAYERS.map(([name, type, what]) =>
      element(
        'li',
        { data: { layer: name, state: 'idle' } },
        element('strong', {}, name),
        element('code', {}, type),
        element('span', { className: 'what' }, what),
        element('span', { className: 'state' }),
      ),
    ),
  );
}

export function lightStack(outcome, caption) {
  const states = layerStates(outcome);
  [...byId('layers').children].forEach((item, index) => {
    item.dataset.state = states[index];
    item.querySelector('.state').textContent = WORDS[states[index]];
  });
  byId('stack').dataset.verdict = outcome.verdict;
  byId('stack-caption').textContent = caption;
}

/** The same as a line of five names, for a card. */
export function strip(outcome) {
  const states = layerStates(outcome);
  const items = LAYERS.map(([name], index) =>
    element('li', { data: { state: states[index] } }, name, element('span', { className: 'unseen' }, ` ${WORDS[states[index]]}`)),
  );
  return element('ol', { className: 'strip' }, ...items);
}
