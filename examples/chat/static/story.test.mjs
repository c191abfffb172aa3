import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { advice, caption, closed, curlSees, facts, why } from './page/story.js';

const BEGAN = new Date(1e12);
const later = (ms) => new Date(1e12 + ms);
const TRYING = { name: 'JWT: valid', began: BEGAN, verdict: 'trying', layer: null, open: false, code: '', reason: '' };
const OPEN = { ...TRYING, verdict: 'accepted', open: true, user: 'ada', via: 'jwt', expiry: null, acceptedAt: later(10) };

/** The outcome after the close. */
const after = (outcome, code, reason) => ({ ...outcome, ...closed(outcome, code, reason, later(5010)) });

describe('a connection that was never welcomed', () => {
  it('was refused at auth, if the close has a reason', () => {
    const outcome = after(TRYING, 4401, 'token_expired');
    assert.deepEqual([outcome.verdict, outcome.layer], ['refused', 'auth']);
    assert.equal(why(outcome), '4401 token_expired');
    assert.equal(facts(outcome), 'Stopped at auth after 5 seconds.');
    assert.equal(curlSees(outcome), '401 Unauthorized\ntoken_expired');
  });

  it('got no answer, if it has none', () => {
    const outcome = after(TRYING, 1006, '');
    assert.equal(outcome.verdict, 'failed');
    assert.match(facts(outcome), /a browser cannot tell which/);
  });

  it('was given up, if this page closed it', () => {
    assert.match(facts(after(TRYING, 1000, '')), /^Given up/);
  });

  it('was refused at the origin, if the page was foreign', () => {
    const outcome = after({ ...TRYING, foreign: true }, 1006, '');
    assert.deepEqual([outcome.verdict, outcome.layer], ['refused', 'origin']);
    assert.equal(why(outcome), '1006'); // all that the page reads
    assert.match(curlSees(outcome), /^403 Forbidden\norigin_denied/);
    assert.match(advice(outcome), /learns nothing/);
  });
});

describe('a connection that was welcomed', () => {
  for (const [code, reason] of [[4401, 'token_expired'], [4401, 'session_ended'], [4403, 'revoked'], [1001, 'going_away']]) {
    it(`is ended by the lease with ${code} ${reason}`, () => {
      const outcome = after(OPEN, code, reason);
      assert.deepEqual([outcome.verdict, outcome.layer, outcome.open], ['ended', 'lease', false]);
      assert.equal(why(outcome), `then ${code} ${reason}`);
      assert.equal(facts(outcome), 'ada, by a JWT. Ended by lease after 5 seconds.');
    });
  }

  it('is ended by the handler for reading too slowly', () => {
    assert.equal(after(OPEN, 4408, 'too_slow').layer, 'handler');
  });

  it('broke without a close frame, and no layer did that', () => {
    const outcome = after(OPEN, 1006, '');
    assert.equal(facts(outcome), 'ada, by a JWT. The connection broke after 5 seconds.');
    assert.equal(caption(outcome), 'JWT: valid – passed every layer, and broke.');
  });

  it('stays accepted when this page closes it', () => {
    const outcome = after(OPEN, 1000, '');
    assert.equal(outcome.verdict, 'accepted');
    assert.equal(facts(outcome), 'ada, by a JWT. Closed by this page after 5 seconds.');
  });

  it('stays refused if its join was', () => {
    const denied = { ...OPEN, verdict: 'refused', layer: 'handler', channel: 'ticket-x', reason: 'ticket_invalid' };
    const outcome = after(denied, 1000, '');
    assert.deepEqual([outcome.verdict, outcome.layer, outcome.open], ['refused', 'handler', false]);
    assert.equal(why(outcome), 'denied ticket_invalid');
    assert.match(curlSees(outcome), /^101 /);
  });
});

it('a credential in a message is asked for behind the handshake, whatever it is worth', () => {
  for (const outcome of [OPEN, after(TRYING, 4401, 'token_expired'), after(TRYING, 4408, 'message_timeout')]) {
    assert.match(curlSees({ ...outcome, byMessage: true }), /^101 Switching Protocols\n/);
  }
  assert.equal(after(TRYING, 4408, 'message_timeout').layer, 'auth');
  assert.match(advice(after(TRYING, 4408, 'message_timeout')), /right after the handshake/);
});

it('a cookie without an Origin is refused, whatever it holds', () => {
  for (const outcome of [OPEN, after(TRYING, 4401, 'session_invalid')]) {
    assert.match(curlSees({ ...outcome, cookieDecides: true }), /^403 Forbidden\norigin_denied/);
  }
});
