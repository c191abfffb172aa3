import { login, logout, revoke, startAccount } from './page/account.js';
import { tryHandshake } from './page/attempt.js';
import { forgetEarlier } from './page/cards.js';
import { ROWS } from './page/cases.js';
import { forgetToken, loggedOut, startChat } from './page/chat.js';
import { byId, element } from './page/dom.js';
import { log } from './page/log.js';
import { drawStack } from './page/stack.js';
import { whyNot } from './page/words.js';

function account(text) {
  byId('account').textContent = text;
}

function failed({ status }) {
  account(whyNot(status));
}

const SMALL = matchMedia('(max-width: 43.99rem)'); // as in style.css

/** On a small screen the result comes right under the pressed button, which stays under the thumb. */
function placeResult(row) {
  const result = byId('result');
  const top = row.getBoundingClientRect().top;
  if (!SMALL.matches) byId('results').prepend(result);
  else if (row.nextElementSibling !== result) row.after(result);
  scrollBy(0, row.getBoundingClientRect().top - top);
}

function row({ label, title, where, what, cases, secondTab }) {
  const buttons = element('div', { className: 'buttons' });
  for (const [name, prepare] of Object.entries(cases)) {
    const fullName = `${label}: ${name}`;
    const button = element('button', { type: 'button', data: { strategy: label.toLowerCase(), case: name } }, name);
    button.setAttribute('aria-label', fullName);
    button.addEventListener('click', () => {
      placeResult(buttons.parentElement);
      tryHandshake(fullName, prepare);
      byId('result').scrollIntoView({ block: 'nearest' });
    });
    buttons.append(button);
  }
  if (secondTab) buttons.append(...revocation(label));
  return element('fieldset', {}, element('legend', {}, title), where ? element('code', {}, where) : element('p', { className: 'hint' }, what), buttons);
}

/** The second half of a revocation may happen in another tab, or in this one. */
function revocation(label) {
  const tab = element('a', { className: 'button', href: '/#try', target: '_blank', rel: 'noopener' }, 'second tab');
  tab.setAttribute('aria-label', `${label}: open a second tab`);
  const button = element('button', { type: 'button', data: { strategy: 'revocation', case: 'revoke' } }, 'revoke');
  button.setAttribute('aria-label', `${label}: revoke`);
  button.addEventListener('click', async () => {
    try {
      const user = await revoke();
      forgetToken();
      account(`${user} is revoked: every connection has ended, and no earlier credential is good any more`);
      log(`${label}: revoke`, { event: 'revoked' }, `${user} is revoked`);
    } catch (error) {
      failed(error);
    }
  });
  return [tab, button];
}

drawStack();
byId('strategies').append(...ROWS.map(row));
byId('clear').addEventListener('click', () => byId('log').replaceChildren());
byId('forget').addEventListener('click', forgetEarlier);
byId('login-form').addEventListener('submit', (event) => {
  event.preventDefault();
  forgetToken();
  login().catch(failed);
});
byId('logout').addEventListener('click', () => {
  logout().then(loggedOut, failed);
});
startChat();
startAccount(
  () => byId('user').value,
  (user) => account(user === null ? 'not logged in; the buttons log in where they need it' : `logged in as ${user}`),
).catch(failed);
