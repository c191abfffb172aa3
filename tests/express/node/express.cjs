// The real express-session and cookie-signature, asked line by line: one JSON question on standard
// input, one JSON answer on standard output.
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
};

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

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const question = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(questions[question.do](question))}\n`);
});
