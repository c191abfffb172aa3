// Further servers behind the gateway, each with its own client.
//
//   node backends.cjs server NAME         prints its port, then what happens
//   node backends.cjs client NAME URL TOKEN
'use strict';

const http = require('node:http');

const print = (what) => console.log(JSON.stringify(what));

const servers = {
  // graphql-ws on ws, as its documentation says.
  'graphql-ws'(server) {
    const { WebSocketServer } = require('ws');
    const { useServer } = require('graphql-ws/use/ws');
    const { GraphQLObjectType, GraphQLSchema, GraphQLString } = require('graphql');
    const fields = {
      me: { type: GraphQLString, resolve: (_, __, context) => context.extra.request.headers['x-auth-user'] },
    };
    const schema = new GraphQLSchema({ query: new GraphQLObjectType({ name: 'Query', fields }) });
    useServer({ schema, context: (context) => context }, new WebSocketServer({ server, path: '/graphql' }));
  },
  // The two requests of SignalR: negotiate, and a WebSocket with the id that it answers.
  signalr(server) {
    const { WebSocketServer } = require('ws');
    const end = '\u001e';
    server.on('request', (request, response) => {
      print({ url: request.url, user: request.headers['x-auth-user'], method: request.method });
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({
        negotiateVersion: 1,
        connectionId: 'c1',
        connectionToken: 't1',
        availableTransports: [{ transport: 'WebSockets', transferFormats: ['Text'] }],
      }));
    });
    new WebSocketServer({ server }).on('connection', (socket, request) => {
      const user = request.headers['x-auth-user'];
      print({ url: request.url, user });
      socket.once('message', () => {
        socket.send(`{}${end}`);
        socket.send(JSON.stringify({ type: 1, target: 'hello', arguments: [user] }) + end);
      });
    });
  },
  // Channels of Phoenix, protocol 2.0.0, for a user whom the gateway names.
  phoenix(server) {
    const { WebSocketServer } = require('ws');
    const handleProtocols = (offered) => (offered.has('phoenix') ? 'phoenix' : false);
    new WebSocketServer({ server, handleProtocols }).on('connection', (socket, request) => {
      const user = request.headers['x-auth-user'];
      print({ url: request.url, user, offered: request.headers['sec-websocket-protocol'] });
      socket.on('message', (data) => {
        const [join, ref, topic, event] = JSON.parse(data);
        if (event !== 'phx_join') return;
        socket.send(JSON.stringify([join, ref, topic, 'phx_reply', { status: 'ok', response: { user } }]));
      });
    });
  },
  // As hand-written servers do, in PHP and elsewhere: names are compared byte for byte, and the
  // token is read once more.
  exact(server) {
    const { createHash } = require('node:crypto');
    server.on('upgrade', (request, socket) => {
      const fields = new Map();
      for (let at = 0; at < request.rawHeaders.length; at += 2) {
        fields.set(request.rawHeaders[at], request.rawHeaders[at + 1]);
      }
      const key = fields.get('Sec-WebSocket-Key');
      const user = fields.get('X-Auth-User');
      print({ key: key !== undefined, user, url: request.url.split('.')[0] });
      if (!key || fields.get('Upgrade') !== 'websocket' || fields.get('Connection') !== 'Upgrade') {
        socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n');
        return;
      }
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Accept: ${accept}\r\n\r\n`);
      socket.write(Buffer.concat([Buffer.from([0x81, user.length]), Buffer.from(user)]));
      socket.on('error', () => {});
    });
  },
};

const clients = {
  'graphql-ws'(url, token) {
    const { createClient } = require('graphql-ws');
    const client = createClient({
      url: `${url.replace('http', 'ws')}/graphql?token=${token}`,
      webSocketImpl: require('ws'),
      retryAttempts: 0,
      lazyCloseTimeout: 0,
    });
    client.subscribe({ query: '{ me }' }, {
      next: (value) => print(value),
      error: (error) => print({ error: error.message ?? String(error), code: error.code }),
      complete: () => print({ complete: true }),
    });
  },
  signalr(url, token) {
    const signalr = require('@microsoft/signalr');
    const connection = new signalr.HubConnectionBuilder()
      .withUrl(`${url}/hub`, { accessTokenFactory: () => token })
      .configureLogging(signalr.LogLevel.None)
      .build();
    connection.on('hello', (user) => print({ user }));
    connection.start().catch((error) => print({ error: error.message }));
  },
  phoenix(url, token, where) {
    const { Socket } = require('phoenix');
    // In the query, or among the subprotocols.
    const shown = where === 'params' ? { params: { token } } : { authToken: token };
    const socket = new Socket(`${url.replace('http', 'ws')}/socket`, { ...shown, transport: require('ws') });
    socket.onError((error) => print({ error: error.message ?? String(error) }));
    socket.connect();
    socket.channel('room:lobby', {}).join().receive('ok', (response) => print(response));
  },
  exact(url, token) {
    const WebSocket = require('ws');
    const socket = new WebSocket(`${url.replace('http', 'ws')}/ws?Authorization=Bearer%20${token}`);
    socket.on('message', (data) => print({ message: data.toString() }));
    socket.on('unexpected-response', (_, response) => print({ status: response.statusCode }));
    socket.on('error', (error) => print({ error: error.message }));
  },
};

const [what, name, url, token, ...further] = process.argv.slice(2);
if (what === 'server') {
  const server = http.createServer();
  servers[name](server);
  server.listen(0, '127.0.0.1', () => print({ port: server.address().port }));
} else {
  clients[name](url, token, ...further);
}
