// Express and Socket.IO over the WebSocket transport, with `jsonwebtoken`: an echo server.
//
//   node socket_io.cjs PORT SECRET
'use strict';

const { createServer } = require('node:http');
const express = require('express');
const jwt = require('jsonwebtoken');
const { Server } = require('socket.io');

const [port, secret] = process.argv.slice(2);
const rules = { algorithms: ['HS256'], issuer: 'https://issuer.example', audience: 'chat' };
const server = createServer(express());
const io = new Server(server, {
  transports: ['websocket'],
  allowRequest: (request, decide) => {
    const { origin } = request.headers;
    if (origin && origin !== 'https://example.com') return decide('origin', false);
    const token = new URL(request.url, 'http://localhost').searchParams.get('token');
    return jwt.verify(token, secret, rules, (error) => decide(error ? 'token' : null, !error));
  },
});
io.on('connection', (socket) => socket.on('echo', (text) => socket.emit('echo', text)));
server.listen(Number(port), '127.0.0.1');
