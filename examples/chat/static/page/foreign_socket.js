/** A WebSocket as a foreign page opens it: in a frame that the server has put into a sandbox, with the origin `null`. */
export class ForeignSocket extends EventTarget {
  readyState = WebSocket.CONNECTING;
  protocol = '';
  #frame = document.createElement('iframe');

  constructor(url, protocols) {
    super();
    const frame = this.#frame;
    frame.hidden = true;
    frame.title = 'a foreign page';
    frame.src = '/page/foreign.html';
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
