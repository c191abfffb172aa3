/** The live log. It never sees a URL, so that no credential can end up on the screen. */

import { byId, element } from './dom.js';
import { whatToDo } from './words.js';

const LIMIT = 300;

export function log(source, data, text, hint) {
  const box = byId('log-box');
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  const now = new Date();
  const time = element('time', { dateTime: now.toISOString() }, now.toTimeString().slice(0, 8));
  const what = element('span', { className: 'what' }, text);
  const item = element('li', { data: { ...data, source } }, time, ' ', element('strong', {}, source), ' ', what);
  if (hint) item.append(' ', element('span', { className: 'hint' }, hint));
  const list = byId('log');
  list.append(item);
  if (list.children.length > LIMIT) list.firstElementChild.remove();
  if (atEnd) box.scrollTop = box.scrollHeight;
}

export function logMessage(source, data) {
  const text = typeof data === 'string' ? data : '(binary)';
  log(source, { event: 'message', text }, `message ${text}`);
}

/** The text before the advice says in words what the colours of the page show. */
export function logClose(source, { code, reason, wasClean }, verdict = '') {
  const text = `close ${[code, reason].filter(Boolean).join(' ')} (wasClean: ${wasClean})`;
  log(source, { event: 'close', code, reason, clean: wasClean }, text, `${verdict}${whatToDo(code, reason)}`);
}
