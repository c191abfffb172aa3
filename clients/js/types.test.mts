// Checked by the TypeScript compiler, and never run.
import { type Advice, ReconnectingSocket } from 'tower-ws-auth-client';

const socket = new ReconnectingSocket({
  url: () => new URL('wss://example.org/ws'),
  refresh: async (reason: string) => reason === 'token_expired',
  firstMessage: async () => JSON.stringify({ type: 'auth' }),
  protocols: ['chat.v1'],
  binaryType: 'arraybuffer',
  spread: 60_000,
});
socket.addEventListener('message', ({ data }) => socket.send(data));
socket.addEventListener('stopped', ({ detail }) => {
  const advice: Advice = detail.advice;
  const code: number = detail.code;
  return [advice, code];
});
socket.addEventListener('waiting', ({ detail }) => detail.delay.toFixed());
const sent: boolean = socket.send(new Uint8Array(2));
if (!sent && socket.running) socket.close(1000, 'done');

// @ts-expect-error: an address is required.
new ReconnectingSocket({ refresh: async () => {} });
// @ts-expect-error: there is no such option.
new ReconnectingSocket({ url: () => '', spred: 1 });
// @ts-expect-error: servers take text only.
new ReconnectingSocket({ url: () => '', firstMessage: () => new Uint8Array(2) });
// @ts-expect-error: there is no such event.
socket.addEventListener('stoped', () => {});
// @ts-expect-error: there is no such advice.
socket.addEventListener('stopped', ({ detail }) => detail.advice === 'give up');
// @ts-expect-error: it is read alone.
socket.readyState = 1;
