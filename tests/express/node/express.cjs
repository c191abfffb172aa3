// The real express-session and cookie-signature, asked line by line: one JSON question on standard
// input, one JSON answer on standard output.
const http = require('node:http');
const readline = require('node:readline');
const session = require('express-session');
const signature = require('cookie-signature');

const questions = {
  // Which session id does express-session ask its store for, given these Cookie fields? Null: none.
  ask({ secrets, cookie }) {
    const { middleware, store } = stack(secrets);
    store.asked = null;
    const request = { headers: { cookie: cookie.join('; ') }, originalUrl: '/', url: '/' };
    let passed = false;
    middleware(request, response(), (error) => {
      if (error) throw error;
      passed = true;
    });
    if (!passed) throw new Error('express-session did not answer at once');
    return store.asked;
  },
  // The cookie's value as express-session writes it.
  sign({ sid, secret }) {
    return encodeURIComponent(`s:${signature.sign(sid, secret)}`);
  },
  // A login at a real Express server: the cookie that it sets, and the record that it stores.
  // With a text, it keeps that without its last UTF-16 code unit.
  async login({ secrets, user, text }) {
    const { url, store } = await server(secrets);
    const response = await fetch(`${url}/login/${user}/${encodeURIComponent(text ?? '')}`);
    const [cookie] = response.headers.getSetCookie();
    return { cookie: cookie.split(';')[0], sid: store.sid, record: store.record };
  },
  // The user that a handler of that server finds in the session of this cookie and this record.
  async user({ secrets, cookie, record }) {
    const { url, store } = await server(secrets);
    store.record = record;
    const response = await fetch(url, { headers: { cookie } });
    return (await response.text()) || null;
  },
};

class Kept extends session.Store {
  get(sid, callback) {
    callback(null, this.record && JSON.parse(this.record));
  }
  set(sid, value, callback) {
    this.sid = sid;
    this.record = JSON.stringify(value);
    callback(null);
  }
}

let running;

async function server(secrets) {
  if (running) return running;
  const store = new Kept();
  const middleware = session({ secret: secrets, store, resave: false, saveUninitialized: false });
  const listening = http.createServer((request, response) => {
    middleware(request, response, () => {
      const [, path, user, text] = request.url.split('/');
      if (path === 'login') request.session.user = user;
      if (text) request.session.text = decodeURIComponent(text).slice(0, -1);
      response.end(request.session.user ?? '');
    });
  });
  await new Promise((ready) => listening.listen(0, '127.0.0.1', ready));
  listening.unref();
  running = { url: `http://127.0.0.1:${listening.address().port}`, store };
  return running;
}

class Asked extends session.Store {
  get(sid, callback) {
    this.asked = sid;
    callback(null, { cookie: { originalMaxAge: null, path: '/' }, user: 'ada' });
  }
}

const stacks = new Map();

function stack(secrets) {
  const key = JSON.stringify(secrets);
  if (!stacks.has(key)) {
    const store = new Asked();
    const middleware = session({ secret: secrets, store, resave: false, saveUninitialized: false });
    stacks.set(key, { middleware, store });
  }
  return stacks.get(key);
}

function response() {
  const nothing = () => {};
  return { end: nothing, write: nothing, writeHead: nothing, setHeader: nothing, getHeader: nothing };
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const question = JSON.parse(line);
    const answer = await questions[question.do](question);
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}

main();
