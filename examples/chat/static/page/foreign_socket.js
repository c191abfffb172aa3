/** A WebSocket as a foreign page opens it: in a sandboxed frame, whose origin is none of this server's. */
export class ForeignSocket extends EventTarget {
  readyState = WebSocket.CONNECTING;
  protocol = '';
  #frame = document.createElement('iframe');

  constructor(url, protocols) {
    super();
    const frame = this.#frame;
    frame.sandbox = 'allow-scripts';
    frame.hidden = true;
    frame.title = 'a foreign page';
    frame.srcdoc = `<!doctype html><script src="${new URL('/page/foreign.js', location.href)}"></script>`;
    const heard = ({ source, data: { type, detail } }) => {
      if (source !== frame.contentWindow) return;
      if (type === 'ready') return source.postMessage({ url, protocols }, '*');
      if (type === 'open') this.readyState = WebSocket.OPEN;
      if (type === 'close') {
        this.readyState = WebSocket.CLOSED;
        removeEventListener('message', heard);
        frame.remove();
      }
      this.dispatchEvent(Object.assign(new Event(type), detail));
    };
    addEventListener('message', heard);
    document.body.append(frame);
  }

  /** No foreign page gets this far: the frame goes, and its connection with it. */
  close() {
    this.#frame.remove();
  }
}
