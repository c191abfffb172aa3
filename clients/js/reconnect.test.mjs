// node --test reconnect.test.mjs, on fake sockets and a fake clock.

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it } from 'node:test';

import { ReconnectingSocket } from './reconnect.js';

/** A client on fake sockets and a fake clock; `random` is 1, so that a delay is its ceiling. */
function start(options = {}) {
  const t = { sockets: [], timers: new Map(), clock: 0, urls: 0, refreshed: [], events: [] };

  class FakeWebSocket extends EventTarget {
    readyState = 0;
    sent = [];
    closed = [];
    constructor(url, protocols) {
      super();
      Object.assign(this, { url, protocols });
      t.sockets.push(this);
    }
    send(data) { this.sent.push(data); }
    close(...args) { this.closed.push(args); this.readyState = 2; }
    opens() { this.readyState = 1; this.dispatchEvent(new Event('open')); }
    receives(data) { this.dispatchEvent(new MessageEvent('message', { data })); }
    async ends(code, reason = '') {
      this.readyState = 3;
      this.dispatchEvent(Object.assign(new Event('close'), { code, reason, wasClean: code !== 1006 }));
      await settle();
    }
  }

  t.client = new ReconnectingSocket({
    url: async () => `ws://test/${(t.urls += 1)}`,
    refresh: async (reason) => void t.refreshed.push(reason),
    WebSocket: FakeWebSocket,
    setTimeout: (callback, delay) => {
      const id = Symbol('timer');
      t.timers.set(id, { callback, due: t.clock + delay });
      return id;
    },
    clearTimeout: (id) => t.timers.delete(id),
    now: () => t.clock,
    random: () => 1,
    ...options,
  });
  for (const type of ['open', 'message', 'close', 'waiting', 'stopped']) {
    t.client.addEventListener(type, (event) => t.events.push({ type, data: event.data, ...event.detail }));
  }
  t.all = (type) => t.events.filter((event) => event.type === type);
  t.last = (type) => t.all(type).at(-1);
  t.delays = () => t.all('waiting').map(({ delay }) => delay);
  t.passes = async (ms) => {
    t.clock += ms;
    for (const [id, { callback, due }] of t.timers) {
      if (due <= t.clock) t.timers.delete(id) && callback();
    }
    await settle();
  };
  t.socket = () => t.sockets.at(-1);
  /** What a refused browser sees: `open`, perhaps a message, and at once the close code. */
  t.refuse = async (code, reason, ...messages) => {
    t.socket().opens();
    messages.forEach((message) => t.socket().receives(message));
    await t.socket().ends(code, reason);
  };
  t.lives = async (ms) => {
    t.socket().opens();
    await t.passes(ms);
  };
  t.connect = async () => {
    t.client.connect();
    await settle();
    return t;
  };
  return t;
}

const settle = () => new Promise(setImmediate);
const connected = (options) => start(options).connect();
const rejected = (more) => JSON.stringify({ type: 'rejected', code: 4429, reason: 'rate_limited', ...more });

describe('a connection', () => {
  it('opens the address that url() gives, with the protocols', async () => {
    const t = await connected({ protocols: ['chat.v1'] });
    assert.equal(t.socket().url, 'ws://test/1');
    assert.deepEqual(t.socket().protocols, ['chat.v1']);
    t.socket().opens();
    assert.equal(t.all('open').length, 1);
  });

  it('passes messages on, of any kind', async () => {
    const t = await connected();
    t.socket().opens();
    const binary = new ArrayBuffer(1);
    for (const data of ['{"type":"welcome"}', 'plain', 'null', binary]) t.socket().receives(data);
    assert.deepEqual(t.all('message').map(({ data }) => data), ['{"type":"welcome"}', 'plain', 'null', binary]);
  });

  it('sends only while it is open', async () => {
    const t = start();
    assert.equal(t.client.send('early'), false);
    await t.connect();
    assert.equal(t.client.send('still early'), false);
    t.socket().opens();
    assert.equal(t.client.send('now'), true);
    assert.deepEqual(t.socket().sent, ['now']);
    t.client.close();
    assert.equal(t.client.send('late'), false);
  });

  it('shows the state of its WebSocket', async () => {
    const t = start({ binaryType: 'arraybuffer' });
    const state = () => [t.client.readyState, t.client.protocol, t.client.bufferedAmount, t.client.running];
    assert.deepEqual(state(), [3, '', 0, false]);
    await t.connect();
    assert.deepEqual(state(), [0, '', 0, true]);
    Object.assign(t.socket(), { protocol: 'chat.v1', bufferedAmount: 7 });
    t.socket().opens();
    assert.equal(t.socket().binaryType, 'arraybuffer');
    assert.deepEqual(state(), [1, 'chat.v1', 7, true]);
    await t.socket().ends(1006);
    assert.deepEqual(state(), [3, '', 0, true]);
    t.client.close();
    assert.equal(t.client.running, false);
  });

  it('sends the first message before everything else, and asks for it each time', async () => {
    let count = 0;
    const t = await connected({ firstMessage: async () => `auth ${(count += 1)}` });
    t.client.addEventListener('open', () => t.client.send('hello'));
    t.socket().opens();
    assert.deepEqual(t.socket().sent, ['auth 1', 'hello']);
    await t.socket().ends(4401, 'token_expired');
    t.socket().opens();
    assert.deepEqual(t.socket().sent, ['auth 2', 'hello']);
  });

  it('backs off when the first message is unavailable', async () => {
    const t = await connected({ firstMessage: () => { throw new Error('offline'); } });
    assert.equal(t.last('waiting').reason, 'request_failed');
    assert.equal(t.sockets.length, 0);
  });

  it('ignores a second connect()', async () => {
    const t = await connected();
    await t.connect();
    assert.equal(t.sockets.length, 1);
  });
});

describe('4401', () => {
  for (const reason of ['token_expired', 'token_invalid', 'ticket_invalid', '']) {
    it(`${reason || 'without a reason'}: refreshes once, reconnects at once, and stops at the second`, async () => {
      const t = await connected();
      await t.refuse(4401, reason);
      assert.deepEqual(t.refreshed, [reason]);
      assert.equal(t.sockets.length, 2);
      assert.equal(t.socket().url, 'ws://test/2');
      assert.deepEqual(t.delays(), []);
      await t.refuse(4401, reason);
      assert.deepEqual(t.refreshed, [reason]);
      assert.equal(t.sockets.length, 2);
      assert.deepEqual(t.last('stopped'), { type: 'stopped', data: undefined, code: 4401, reason, advice: 'log in' });
    });
  }

  for (const reason of ['credentials_missing', 'session_invalid', 'session_ended']) {
    it(`${reason}: stops, to log in`, async () => {
      const t = await connected();
      await t.refuse(4401, reason);
      assert.deepEqual(t.refreshed, []);
      assert.equal(t.last('stopped').advice, 'log in');
      assert.equal(t.sockets.length, 1);
    });
  }

  it('token_not_yet_valid: backs off with the same credential, as often as it takes', async () => {
    const t = await connected();
    for (const delay of [500, 1000, 2000]) {
      await t.refuse(4401, 'token_not_yet_valid');
      assert.equal(t.delays().at(-1), delay);
      await t.passes(delay);
    }
    assert.deepEqual(t.refreshed, []);
    assert.equal(t.sockets.length, 4);
  });

  it('may refresh again after a stable connection', async () => {
    const t = await connected();
    await t.refuse(4401, 'token_expired');
    await t.lives(5000);
    await t.socket().ends(4401, 'token_expired');
    assert.deepEqual(t.refreshed, ['token_expired', 'token_expired']);
    assert.equal(t.sockets.length, 3);
  });

  for (const code of [1006, 1001, 1011, 3000]) {
    it(`may not refresh again after a short connection that ended with ${code}`, async () => {
      const t = await connected();
      await t.refuse(4401, 'token_expired');
      await t.lives(4999);
      await t.socket().ends(code);
      await t.passes(10_000);
      await t.refuse(4401, 'token_expired');
      assert.deepEqual(t.refreshed, ['token_expired']);
      assert.equal(t.last('stopped').code, 4401);
    });
  }

  it('may not refresh again after a token that was not valid yet', async () => {
    const t = await connected();
    await t.refuse(4401, 'token_expired');
    await t.refuse(4401, 'token_not_yet_valid');
    await t.passes(500);
    await t.refuse(4401, 'token_expired');
    assert.deepEqual(t.refreshed, ['token_expired']);
    assert.equal(t.last('stopped').code, 4401);
  });

  for (const [outage, fails] of [
    ['handshakes that fail', (t) => t.socket().ends(1006)],
    ['refusals for another cause', (t) => t.refuse(4503, 'unavailable')],
    ['a rate limit', (t) => t.refuse(4429, 'rate_limited')],
    ['a server that does not answer', (t) => t.passes(30_000)],
  ]) {
    it(`may refresh again after ${outage}, and backs off each time`, async () => {
      const t = await connected();
      for (const refreshes of [1, 2, 3]) {
        await t.refuse(4401, 'token_expired');
        assert.equal(t.refreshed.length, refreshes);
        await fails(t);
        await t.passes(t.delays().at(-1));
      }
      assert.deepEqual(t.delays(), [500, 1000, 2000]);
      await t.refuse(4401, 'token_expired');
      await t.refuse(4401, 'token_expired');
      assert.equal(t.refreshed.length, 4);
      assert.equal(t.last('stopped').advice, 'log in');
    });
  }

  it('may refresh again after a url() that threw', async () => {
    let online = true;
    let refreshes = 0;
    const t = await connected({
      url: async () => {
        if (!online) throw new Error('offline');
        return 'ws://test/';
      },
      refresh: async () => {
        refreshes += 1;
        online = false;
      },
    });
    await t.refuse(4401, 'token_expired');
    assert.deepEqual([refreshes, t.sockets.length, t.last('waiting').reason], [1, 1, 'request_failed']);
    online = true;
    await t.passes(500);
    await t.refuse(4401, 'token_expired');
    assert.deepEqual([refreshes, t.sockets.length, t.all('stopped')], [2, 2, []]);
  });

  it('stops without a refresh function', async () => {
    const t = await connected({ refresh: undefined });
    await t.refuse(4401, 'token_expired');
    assert.equal(t.last('stopped').advice, 'log in');
  });

  it('stops when refresh says that there is no credential', async () => {
    const t = await connected({ refresh: async () => false });
    await t.refuse(4401, 'token_expired');
    assert.equal(t.last('stopped').advice, 'log in');
    assert.equal(t.last('stopped').reason, 'token_expired');
    assert.equal(t.sockets.length, 1);
  });

  it('backs off when refresh throws, and then refreshes before it connects', async () => {
    let calls = 0;
    const t = await connected({
      refresh: async () => {
        calls += 1;
        if (calls === 1) throw new Error('offline');
      },
    });
    await t.refuse(4401, 'token_expired');
    assert.deepEqual([t.last('waiting').delay, t.last('waiting').reason], [500, 'request_failed']);
    assert.equal(t.sockets.length, 1);
    await t.passes(500);
    assert.equal(calls, 2);
    assert.equal(t.sockets.length, 2);
    await t.refuse(4401, 'token_expired');
    assert.deepEqual([calls, t.last('stopped').advice], [2, 'log in']);
  });

  it('does not refresh twice when it is url() that throws', async () => {
    let calls = 0;
    const t = await connected({
      url: async () => {
        calls += 1;
        if (calls === 2) throw new Error('offline');
        return 'ws://test/';
      },
    });
    await t.refuse(4401, 'token_expired');
    await t.passes(500);
    assert.deepEqual(t.refreshed, ['token_expired']);
    assert.equal(t.sockets.length, 2);
  });
});

describe('codes that end it', () => {
  for (const [code, advice] of [
    [1000, 'done'],
    [4403, 'not allowed'],
    [4400, 'fix the client'],
    [4405, 'fix the client'],
    [4426, 'fix the client'],
    [4404, 'fix the client'],
    [4499, 'fix the client'],
  ]) {
    it(`${code}: stops, ${advice}`, async () => {
      const t = await connected();
      await t.refuse(code, 'why');
      assert.deepEqual(t.last('stopped'), { type: 'stopped', data: undefined, code, reason: 'why', advice });
      assert.deepEqual([t.sockets.length, t.timers.size, t.refreshed.length], [1, 0, 0]);
    });
  }

  for (const code of [1002, 1003, 1007, 1009, 4400]) {
    it(`${code} message_malformed: stops, fix the client`, async () => {
      const t = await connected({ firstMessage: () => 'auth' });
      await t.refuse(code, 'message_malformed');
      assert.equal(t.last('stopped').advice, 'fix the client');
      assert.deepEqual([t.sockets.length, t.timers.size], [1, 0]);
    });
  }

  for (const code of [4429, 1008]) {
    it(`${code} too_many_connections: stops, or it would end the newer one`, async () => {
      const t = await connected();
      await t.lives(5000);
      await t.socket().ends(code, 'too_many_connections');
      const { reason, advice } = t.last('stopped');
      assert.deepEqual([reason, advice], ['too_many_connections', 'not allowed']);
      assert.deepEqual([t.sockets.length, t.timers.size], [1, 0]);
    });
  }

  it('an address or protocol that cannot be: stops', async () => {
    const t = await connected({ WebSocket: class { constructor() { throw new SyntaxError('bad'); } } });
    assert.equal(t.last('stopped').reason, 'invalid_address');
    assert.equal(t.timers.size, 0);
  });

  it('connect() starts it again, with a clean slate', async () => {
    const t = await connected();
    await t.refuse(4401, 'token_expired');
    await t.refuse(4401, 'token_expired');
    await t.connect();
    assert.equal(t.sockets.length, 3);
    await t.refuse(4401, 'token_expired');
    assert.equal(t.refreshed.length, 2);
  });
});

describe('codes that back off', () => {
  for (const code of [1002, 1005, 1006, 1008, 1011, 1012, 1013, 3000, 4000, 4408, 4429, 4500, 4503]) {
    it(`${code}: waits, then connects with a fresh address`, async () => {
      const t = await connected();
      await t.refuse(code, 'busy');
      assert.deepEqual(t.last('waiting'), { type: 'waiting', data: undefined, delay: 500, code, reason: 'busy' });
      await t.passes(499);
      assert.equal(t.sockets.length, 1);
      await t.passes(1);
      assert.equal(t.socket().url, 'ws://test/2');
      assert.deepEqual(t.refreshed, []);
    });
  }

  it('1001: returns somewhere within the spread, and then backs off as usual', async () => {
    const t = await connected();
    await t.lives(5000);
    await t.socket().ends(1001, 'going_away');
    assert.deepEqual(t.last('waiting'), { type: 'waiting', data: undefined, delay: 10_000, code: 1001, reason: 'going_away' });
    await t.passes(10_000);
    await t.socket().ends(1006);
    assert.deepEqual(t.delays(), [10_000, 1000]);
  });

  it('1001 from a server that goes down again and again: never less than the ceiling', async () => {
    const t = await connected({ spread: 600 });
    for (let i = 0; i < 3; i += 1) {
      await t.refuse(1001, 'going_away');
      await t.passes(t.delays().at(-1));
    }
    assert.deepEqual(t.delays(), [600, 1000, 2000]);
  });

  it('1001: ten clients return at ten times', async () => {
    const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
    let seed = 7;
    const delays = [];
    for (let i = 0; i < 10; i += 1) {
      const t = await connected({ random });
      await t.refuse(1001, 'going_away');
      delays.push(...t.delays());
    }
    delays.sort((a, b) => a - b);
    assert.ok(delays[0] < 2500 && delays[9] > 7500, `${delays}`);
  });

  it('a handshake that never opened: waits', async () => {
    const t = await connected();
    await t.socket().ends(1006);
    assert.equal(t.last('waiting').code, 1006);
  });

  it('an error of a WebSocket that is an EventEmitter, such as that of ws: waits', async () => {
    const emitter = new EventEmitter();
    class Emitting {
      addEventListener(type, listener) { emitter.on(type, listener); }
    }
    const t = await connected({ WebSocket: Emitting });
    emitter.emit('error', new Error('connect ECONNREFUSED'));
    emitter.emit('close', { code: 1006, reason: '', wasClean: false });
    assert.equal(t.last('waiting').code, 1006);
  });

  it('a url() that throws: waits', async () => {
    const t = await connected({ url: async () => { throw new Error('offline'); } });
    assert.deepEqual([t.last('waiting').code, t.last('waiting').reason], [0, 'request_failed']);
    assert.equal(t.timers.size, 1);
  });

  it('the ceiling doubles up to maxBackoff', async () => {
    const t = await connected({ minBackoff: 100, maxBackoff: 1000 });
    for (let i = 0; i < 6; i += 1) {
      await t.socket().ends(1006);
      await t.passes(1000);
    }
    assert.deepEqual(t.delays(), [100, 200, 400, 800, 1000, 1000]);
  });

  it('the jitter is full: anything from nothing to the ceiling', async () => {
    const numbers = [0, 0.5, 0.25];
    const t = await connected({ random: () => numbers.shift() });
    for (let i = 0; i < 3; i += 1) {
      await t.socket().ends(1006);
      await t.passes(1000);
    }
    assert.deepEqual(t.delays(), [0, 500, 500]);
  });
});

describe('an option without a value', () => {
  for (const value of [undefined, null]) {
    it(`${value} has its default`, async () => {
      const delays = { minBackoff: value, maxBackoff: value, spread: value };
      const t = await connected({ ...delays, patience: value, stableAfter: value });
      await t.passes(29_999);
      assert.deepEqual(t.delays(), []);
      await t.socket().ends(1006);
      await t.passes(500);
      await t.refuse(1001, 'going_away');
      assert.deepEqual(t.delays(), [500, 10_000]);
      await t.passes(10_000);
      await t.lives(5000);
      await t.socket().ends(1006);
      assert.deepEqual(t.delays(), [500, 10_000, 500]);
    });
  }
});

describe('stability', () => {
  it('open alone does not reset the back-off', async () => {
    const t = await connected();
    for (let i = 0; i < 4; i += 1) {
      await t.refuse(4503, 'unavailable');
      await t.passes(t.delays().at(-1));
    }
    assert.deepEqual(t.delays(), [500, 1000, 2000, 4000]);
  });

  it('a connection that lasted stableAfter does, and one that lasted less does not', async () => {
    const t = await connected();
    for (const life of [0, 4999, 5000]) {
      await t.lives(life);
      await t.socket().ends(1006);
      await t.passes(t.delays().at(-1));
    }
    assert.deepEqual(t.delays(), [500, 1000, 500]);
  });

  it('a handshake that took long is not a stable connection', async () => {
    const t = await connected();
    await t.socket().ends(1006);
    await t.passes(500);
    await t.passes(60_000);
    await t.socket().ends(1006);
    assert.deepEqual(t.delays(), [500, 1000]);
  });
});

describe('the message before the close frame', () => {
  it('is not an application message, and its retry_after is the least delay', async () => {
    const t = await connected();
    await t.refuse(4429, 'rate_limited', rejected({ retry_after: 7 }));
    assert.deepEqual(t.all('message'), []);
    assert.deepEqual(t.delays(), [7500]);
    await t.passes(7499);
    assert.equal(t.sockets.length, 1);
    await t.passes(1);
    assert.equal(t.sockets.length, 2);
  });

  it('speaks for one connection only', async () => {
    const t = await connected();
    await t.refuse(4429, 'rate_limited', rejected({ retry_after: 7 }));
    await t.passes(7500);
    await t.socket().ends(1006);
    assert.deepEqual(t.delays(), [7500, 1000]);
  });

  for (const retry_after of [null, undefined, -3, 'soon', {}]) {
    it(`retry_after ${JSON.stringify(retry_after)} changes nothing`, async () => {
      const t = await connected();
      await t.refuse(4429, 'rate_limited', rejected({ retry_after }));
      assert.deepEqual(t.delays(), [500]);
    });
  }

  it('a huge retry_after stays within what setTimeout can do', async () => {
    const t = await connected();
    await t.refuse(4429, 'rate_limited', rejected({ retry_after: 1e12 }));
    assert.deepEqual(t.delays(), [2 ** 31 - 1]);
  });

  it('does not keep a final code from being final', async () => {
    const t = await connected();
    await t.refuse(4403, 'forbidden', rejected({ code: 4403, reason: 'forbidden', retry_after: 1 }));
    assert.equal(t.last('stopped').code, 4403);
    assert.equal(t.timers.size, 0);
  });

  it('is only the first message: later ones belong to the application', async () => {
    const t = await connected();
    t.socket().opens();
    t.socket().receives('{"type":"welcome"}');
    t.socket().receives(rejected({ retry_after: 7 }));
    assert.equal(t.all('message').length, 2);
    await t.socket().ends(1006);
    assert.deepEqual(t.delays(), [500]);
  });
});

describe('close()', () => {
  it('closes the socket, reports it once, and stays closed', async () => {
    const t = await connected();
    t.socket().opens();
    t.client.close();
    t.client.close();
    assert.deepEqual(t.socket().closed, [[1000, '']]);
    t.socket().receives('late');
    await t.socket().ends(1006);
    assert.deepEqual(t.events.map(({ type }) => type), ['open', 'stopped', 'close']);
    assert.equal(t.last('stopped').advice, 'done');
    assert.deepEqual([t.sockets.length, t.timers.size], [1, 0]);
  });

  it('clears the timer of a waiting client', async () => {
    const t = await connected();
    await t.socket().ends(1006);
    assert.equal(t.timers.size, 1);
    t.client.close();
    assert.equal(t.timers.size, 0);
    await t.passes(60_000);
    assert.equal(t.sockets.length, 1);
  });

  it('gives up a handshake that is never answered: it aborts it, and closes it if it opens after all', async () => {
    const t = await connected({ patience: 1000 });
    await t.passes(999);
    assert.deepEqual(t.delays(), []);
    await t.passes(1);
    assert.deepEqual(t.last('waiting'), { type: 'waiting', data: undefined, delay: 500, code: 0, reason: 'no_answer' });
    assert.deepEqual(t.socket().closed, [[]]);
    await t.passes(500);
    const [silent, next] = t.sockets;
    silent.opens();
    next.opens();
    await silent.ends(1000);
    assert.deepEqual(t.events.map(({ type }) => type), ['waiting', 'open']);
    await t.passes(5000);
    assert.deepEqual([silent.closed, next.closed, t.sockets.length, t.timers.size], [[[], [1000]], [], 2, 0]);
  });

  it('says nothing of a handshake that it gave up and that fails later', async () => {
    const t = await connected({ patience: 1000 });
    await t.passes(1000);
    await t.passes(500);
    const [silent, next] = t.sockets;
    next.opens();
    await silent.ends(1006);
    assert.deepEqual([t.all('close'), t.client.readyState], [[], 1]);
    await next.ends(1006);
    assert.equal(t.all('close').length, 1);
  });

  it('says nothing of a handshake that it gave up and that fails while it is closed', async () => {
    const t = await connected({ patience: 1000 });
    const silent = t.socket();
    silent.close = () => {
      for (const type of ['error', 'close']) silent.dispatchEvent(Object.assign(new Event(type), { code: 1006, reason: '' }));
    };
    await t.passes(1000);
    assert.deepEqual(t.events.map(({ type, reason }) => [type, reason]), [['waiting', 'no_answer']]);
    await t.passes(500);
    assert.equal(t.sockets.length, 2);
  });

  it('leaves a handshake under way alone, and closes it when it opens', async () => {
    const t = await connected();
    t.client.close();
    assert.deepEqual(t.socket().closed, []);
    t.socket().opens();
    assert.deepEqual(t.socket().closed, [[1000]]);
    assert.deepEqual(t.all('open'), []);
  });

  it('outruns a url() or a refresh() that is still being awaited', async () => {
    for (const slow of ['url', 'refresh', 'firstMessage']) {
      let go;
      const gate = new Promise((resolve) => { go = resolve; });
      const t = await connected({ [slow]: () => gate });
      if (slow === 'refresh') await t.refuse(4401, 'token_expired');
      const before = t.sockets.length;
      t.client.close();
      go(false);
      await settle();
      assert.deepEqual([t.sockets.length, t.timers.size, t.all('stopped').length], [before, 0, 1], slow);
    }
  });

  it('outruns a url() that is about to fail', async () => {
    let fail;
    const t = await connected({ url: () => new Promise((_, reject) => { fail = reject; }) });
    t.client.close();
    fail(new Error('offline'));
    await settle();
    assert.deepEqual([t.timers.size, t.all('waiting').length], [0, 0]);
  });

  it('keeps an old connection from disturbing the next', async () => {
    const t = await connected();
    t.socket().opens();
    t.client.close();
    await t.connect();
    t.socket().opens();
    await t.sockets[0].ends(4403, 'forbidden');
    assert.equal(t.client.send('still here'), true);
    assert.deepEqual(t.sockets[1].sent, ['still here']);
  });

  it('may be called from a listener', async () => {
    for (const type of ['open', 'message', 'close', 'waiting']) {
      const t = await connected();
      t.client.addEventListener(type, () => t.client.close());
      await t.refuse(1006, '', 'hello');
      await t.passes(60_000);
      assert.deepEqual([t.sockets.length, t.timers.size, t.all('stopped').length], [1, 0, 1], type);
    }
  });
});
