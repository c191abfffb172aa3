// An Express application that keeps its sessions in Redis, as its documentation says: with
// express-session and connect-redis. It prints its port, and ends with its standard input.
const express = require('express');
const session = require('express-session');
const { RedisStore } = require('connect-redis');
const { createClient } = require('redis');

async function main() {
  const { url, secret, maxAge } = JSON.parse(process.argv[2]);
  const client = createClient({ url });
  client.on('error', (error) => console.error(error));
  await client.connect();

  const app = express();
  app.use(
    session({
      store: new RedisStore({ client }),
      secret,
      resave: false,
      saveUninitialized: false,
      cookie: { secure: false, maxAge },
    }),
  );
  app.post('/login/:user', (request, response) => {
    request.session.user = request.params.user;
    response.sendStatus(204);
  });
  // As an application does that wants to end what was logged in before: with a number or a Date.
  app.post('/dated-login/:user/:as', (request, response) => {
    request.session.user = request.params.user;
    request.session.loggedInAt = request.params.as === 'date' ? new Date() : Date.now();
    response.sendStatus(204);
  });
  app.post('/admin/:admin', (request, response) => {
    request.session.admin = request.params.admin === 'true';
    response.sendStatus(204);
  });
  app.post('/me', (request, response) => {
    response.json(request.session.user ?? null);
  });
  app.post('/logout', (request, response, next) => {
    request.session.destroy((error) => (error ? next(error) : response.sendStatus(204)));
  });
  const listening = app.listen(0, '127.0.0.1', () => console.log(listening.address().port));
  process.stdin.on('end', () => process.exit());
  process.stdin.resume();
}

main();
