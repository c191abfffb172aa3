/** A WebSocket as a foreign page opens it: in a frame that the server has put into a sandbox, with the origin `null`. */
export class ForeignSocket extends EventTarget {
  readyState = WebSocket.CONNECTING;
  protocol = '';
  #frame = document.createElement('iframe');
  #heard;

  constructor(url, protocols) {
    super();
    const frame = this.#frame;
    frame.hidden = true;
    frame.title = 'a foreign page';
    frame.src = '/page/foreign.html';
    this.#heard = ({ source, data: { type, detail } }) => {
      if (source !== frame.contentWindow) return;
      if (type === 'ready') return source.postMessage({ url, protocols }, '*');
      if (type === 'close') return this.#closed(detail);
      if (type === 'open') this.readyState = WebSocket.OPEN;
      this.dispatchEvent(Object.assign(new Event(type), detail));
    };
    addEventListener('message', this.#heard);
    document.body.append(frame);
  }

  /** Leaves the foreign page, and its connection with it. */
  close(code) {
    this.#closed({ code, reason: '', wasClean: true });
  }

  #closed(detail) {
    this.readyState = WebSocket.CLOSED;
    removeEventListener('message', this.#heard);
    this.#frame.remove();
    this.dispatchEvent(Object.assign(new Event('close'), detail));
  }
}
