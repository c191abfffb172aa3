// An application with Express, its sessions in Redis, and Socket.IO; and its default client.
//
//   node socket_io.cjs server OPTIONS     {"url":…,"secret":…}: prints its port, then what happens
//   node socket_io.cjs client OPTIONS     {"url":…,"with":{…}}: prints what it reads
'use strict';

const print = (what) => console.log(JSON.stringify(what));

const packages = (version) => (version === 2 ? ['socket.io-2', 'socket.io-client-2'] : ['socket.io', 'socket.io-client']);

async function serve({ url, secret, version }) {
  const { createHash } = require('node:crypto');
  const http = require('node:http');
  const express = require('express');
  const session = require('express-session');
  const { RedisStore } = require('connect-redis');
  const { createClient } = require('redis');
  const { Server = require(packages(version)[0]) } = require(packages(version)[0]);

  const client = createClient({ url });
  // Redis ends before this process does.
  client.on('error', () => {});
  await client.connect();
  const store = new RedisStore({ client });
  const app = express();
  app.use(session({ store, secret, resave: false, saveUninitialized: false }));
  app.post('/login/:user', (request, response) => {
    request.session.user = request.params.user;
    response.sendStatus(204);
  });
  app.post('/logout', (request, response, next) => {
    request.session.destroy((error) => (error ? next(error) : response.sendStatus(204)));
  });
  // As the README shows it.
  app.post('/logout-at-once', async (request, response, next) => {
    const digest = createHash('sha256').update(request.sessionID).digest('hex');
    const key = `session:${digest}`;
    const revocation = `${Date.now() * 1000} session_ended`;
    await client.sendCommand(['SET', `wsauth:revoked:${key}`, revocation, 'EX', '7776000']);
    await client.sendCommand(['PUBLISH', 'wsauth:revoked', JSON.stringify({ key, revocation })]);
    request.session.destroy((error) => (error ? next(error) : response.sendStatus(204)));
  });
  const server = http.createServer(app);
  // It knows nothing of sessions or tokens: the gateway tells it who is there.
  new Server(server).on('connection', (socket) => {
    const { headers } = socket.handshake;
    const user = headers['x-auth-user'];
    const { auth } = socket.handshake;
    const token = auth?.token && auth.token.split('.').length;
    print({ user, via: headers['x-auth-via'], transport: socket.conn.transport.name, token });
    socket.on('say', (text, answer) => answer(`${user} said ${text}`));
    socket.on('disconnect', (reason) => print({ user, left: reason }));
  });
  server.listen(0, '127.0.0.1', () => print({ port: server.address().port }));
}

function talk(options) {
  const client = require(packages(options.version)[1]);
  const io = client.io ?? client;
  const socket = io(options.url, { reconnection: false, ...options.with });
  socket.on('connect', () => {
    const { engine } = socket.io;
    const say = () => socket.emit('say', 'hi', (answer) => print({ answer, transport: engine.transport.name }));
    const upgrades = engine.transport.name === 'polling' && options.with.transports?.length !== 1;
    if (upgrades) engine.once('upgrade', say);
    else say();
  });
  socket.on('connect_error', (error) => {
    // Of a WebSocket it is an object.
    const status = Number(error.description) || undefined;
    print({ error: error.message ?? error, status, text: error.context?.responseText, data: error.data });
  });
  socket.on('disconnect', (reason, details) => {
    const status = Number(details?.description) || undefined;
    print({ left: reason, status, text: details?.context?.responseText });
  });
}

const [what, options] = process.argv.slice(2);
if (what === 'server') serve(JSON.parse(options));
else talk(JSON.parse(options));
