// Runs in a frame whose origin is `null`, as a page of somebody else would run.
'use strict';

addEventListener('message', ({ source, data: { url, protocols } }) => {
  if (source !== parent) return;
  const ws = new WebSocket(url, protocols);
  const tell = (type, detail) => parent.postMessage({ type, detail }, '*');
  ws.addEventListener('open', () => tell('open'));
  ws.addEventListener('message', ({ data }) => tell('message', { data }));
  ws.addEventListener('error', () => tell('error'));
  ws.addEventListener('close', ({ code, reason, wasClean }) => tell('close', { code, reason, wasClean }));
});
parent.postMessage({ type: 'ready' }, '*');
