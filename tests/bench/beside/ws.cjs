// `ws`, alone or with `jsonwebtoken`: an echo server.
//
//   node ws.cjs PORT SECRET    checks the origin and the token in the query
//   node ws.cjs PORT           accepts everyone, because a proxy has checked them
'use strict';

const { createServer } = require('node:http');
const jwt = require('jsonwebtoken');
const { WebSocketServer } = require('ws');

const [port, secret] = process.argv.slice(2);
const rules = { algorithms: ['HS256'], issuer: 'https://issuer.example', audience: 'chat' };
const server = createServer();
const sockets = new WebSocketServer({ noServer: true });

sockets.on('connection', (socket) => {
  socket.on('error', () => {});
  socket.on('message', (data, binary) => socket.send(data, { binary }));
});

server.on('upgrade', (request, socket, head) => {
  const accept = () => sockets.handleUpgrade(request, socket, head, (opened) => {
    sockets.emit('connection', opened, request);
  });
  const refuse = () => {
    socket.write('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n');
    socket.destroy();
  };
  socket.on('error', () => {});
  if (!secret) return accept();
  const { origin } = request.headers;
  if (origin && origin !== 'https://example.com') return refuse();
  const token = new URL(request.url, 'http://localhost').searchParams.get('token');
  return jwt.verify(token, secret, rules, (error) => (error ? refuse() : accept()));
});

server.listen(Number(port), '127.0.0.1');
