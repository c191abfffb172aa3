// The real `ws`, as the server behind the gateway and as the client before it.
//
//   node ws.cjs server           prints its port, then a line for each connection and each end
//   node ws.cjs client URL       runs the whole conversation and prints what came of it as JSON
'use strict';

const WebSocket = require('ws');

const deflate = { threshold: 0 };
const print = (what) => console.log(JSON.stringify(what));

function serve() {
  const server = new WebSocket.WebSocketServer({
    host: '127.0.0.1',
    port: 0,
    perMessageDeflate: deflate,
    maxPayload: 32 * 1024 * 1024,
    handleProtocols: (offered) => (offered.has('chat.v2') ? 'chat.v2' : false),
  });
  server.on('listening', () => print({ port: server.address().port }));
  server.on('connection', (socket, request) => {
    print({ url: request.url, headers: request.headers, extensions: socket.extensions });
    socket.on('message', (data, binary) => {
      if (!binary && data.toString() === 'close me') socket.close(4001, 'as you wish');
      else socket.send(data, { binary });
    });
    socket.on('close', (code, reason) => print({ code, reason: reason.toString() }));
    socket.on('error', (error) => print({ error: error.message }));
  });
}

function talk(url) {
  const socket = new WebSocket(url, ['chat.v1', 'chat.v2'], { perMessageDeflate: deflate });
  const large = Buffer.alloc(10 * 1024 * 1024, 'compressible ');
  const random = require('node:crypto').randomBytes(1024 * 1024);
  const messages = ['hello', '', large.toString(), large, random];
  const heard = [];
  let pongs = 0;
  socket.on('open', () => {
    socket.ping('ping');
    messages.forEach((message) => socket.send(message));
  });
  socket.on('pong', (data) => { if (data.toString() === 'ping') pongs += 1; });
  socket.on('message', (data, binary) => {
    const sent = messages[heard.length];
    heard.push(binary === Buffer.isBuffer(sent) && data.equals(Buffer.from(sent)));
    if (heard.length === messages.length) socket.send('close me');
  });
  socket.on('close', (code, reason) => print({
    code, reason: reason.toString(), heard, pongs,
    extensions: socket.extensions, protocol: socket.protocol,
  }));
  socket.on('unexpected-response', (_, response) => {
    print({ status: response.statusCode });
    socket.terminate();
  });
  socket.on('error', (error) => print({ error: error.message }));
}

const [what, url] = process.argv.slice(2);
if (what === 'server') serve();
else talk(url);
