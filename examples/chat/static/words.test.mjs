import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { duration, fromNow, httpAnswer, whatToDo, whyNot } from './page/words.js';

describe('times', () => {
  for (const [seconds, text] of [
    [3599.9, 'in 1 hour'],
    [3000, 'in 50 minutes'],
    [86_399, 'in 1 day'],
    [7 * 86_400, 'in 7 days'],
    [5, 'in 5 seconds'],
    [0.2, 'in 0 seconds'],
    [-70, '1 minute ago'],
  ]) {
    it(`${seconds} s from now: ${text}`, () => {
      assert.equal(fromNow(new Date(1e12 + seconds * 1000), 1e12), text);
    });
  }

  it('durations are in milliseconds below a second', () => {
    assert.deepEqual([312.4, 999, 4800, 125_000].map(duration), ['312 ms', '999 ms', '5 seconds', '2 minutes']);
  });
});

describe('codes and reasons', () => {
  it('a reason says more than its code', () => {
    assert.match(whatToDo(4401, 'token_expired'), /get a new one and reconnect/);
    assert.match(whatToDo(4401, 'session_invalid'), /log in/);
  });

  it('of the two reasons of 4429 only one is to back off', () => {
    assert.match(whatToDo(4429, 'rate_limited'), /back off/);
    assert.match(whatToDo(4429, 'too_many_connections'), /: stop\.$/);
  });

  it('an unknown reason is judged by its code', () => {
    assert.match(whatToDo(4404, 'unheard_of'), /^Stop/);
    assert.match(whatToDo(4500, 'unheard_of'), /^Back off/);
    assert.match(whatToDo(1006, ''), /does not say why/);
  });

  it('who reads too slowly comes back, as the chat of the page does', () => {
    assert.match(whatToDo(4408, 'too_slow'), /back off, then try again/);
  });

  it('no reason is looked up in what every object has', () => {
    assert.match(whatToDo(4400, 'constructor'), /^Stop/);
    assert.equal(httpAnswer('constructor', 4403), '403 Forbidden\nconstructor');
  });

  it('the HTTP answer is the reason under its status', () => {
    assert.equal(httpAnswer('ticket_invalid', 4401), '401 Unauthorized\nticket_invalid');
    assert.equal(httpAnswer('rate_limited', 3008), '429 Too Many Requests\nrate_limited');
  });
});

it('a login that fails is told by its status', () => {
  assert.match(whyNot(400), /name/);
  assert.match(whyNot(403), /--origin/);
  for (const status of [undefined, 408, 500, 503]) assert.match(whyNot(status), /did not answer/);
});
