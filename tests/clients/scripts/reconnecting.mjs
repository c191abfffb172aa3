// A page's client against a running chat: clients/js, with the socket of a package and the chat's cookies.
// node reconnecting.mjs JOB; commands on standard input, events on standard output. See tests/reconnecting.rs.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const job = JSON.parse(process.argv[2]);
const { ReconnectingSocket } = await import(job.module);
const { WebSocket } = createRequire(import.meta.url)(`${process.env.NODE_PATH}/${job.package}`);
const origin = `http://127.0.0.1:${job.port}`;
let cookie = '';
let attempts = 0;
let token = job.token;

// As the README of clients/js says: without an `Origin` the socket sees no reason.
const constructors = {
  bare: WebSocket,
  ws: class extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols, { origin });
    }
  },
  undici: class extends WebSocket {
    constructor(url, protocols) {
      super(url, { protocols, headers: { origin } });
    }
  },
};

const tell = (event, detail = {}) => console.log(JSON.stringify({ event, attempts, ...detail }));

async function post(path, body = {}) {
  const headers = { origin, cookie, 'content-type': 'application/json' };
  const response = await fetch(origin + path, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`);
  for (const field of response.headers.getSetCookie()) cookie = field.split(';')[0];
  return response.status === 204 ? null : response.json();
}

const socket = new ReconnectingSocket({
  url: async () => {
    attempts += 1;
    if (token === null) return `ws://127.0.0.1:${job.port}/ws/jwt`;
    return `ws://127.0.0.1:${job.port}/ws/jwt?${new URLSearchParams({ token })}`;
  },
  refresh: async (reason) => {
    tell('refresh', { reason });
    ({ token } = await post('/token', { ttl: job.ttl }));
  },
  protocols: 'chat.v1',
  minBackoff: 20,
  maxBackoff: 200,
  spread: 50,
  // undici never says that some handshakes have failed.
  patience: 10_000,
  WebSocket: constructors[job.socket],
});
socket.addEventListener('message', ({ data }) => {
  const { type, user } = JSON.parse(data);
  if (type === 'welcome') tell('welcome', { user, protocol: socket.protocol });
});
for (const type of ['close', 'waiting', 'stopped']) {
  socket.addEventListener(type, ({ detail }) => tell(type, detail));
}

await post('/login', { user: 'ada' });
if (token === undefined) ({ token } = await post('/token', { ttl: job.ttl }));
socket.connect();

const commands = {
  revoke: () => post('/revoke', { user: 'ada' }),
  connect: () => socket.connect(),
  async leave() {
    socket.close();
    process.exit(0);
  },
};
for await (const command of createInterface({ input: process.stdin })) await commands[command]();
process.exit(0);
