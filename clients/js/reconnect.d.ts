/** What a `stopped` socket asks of the application. */
export type Advice = 'done' | 'log in' | 'not allowed' | 'fix the client';

/** A message. */
export type Data = string | ArrayBufferLike | Blob | ArrayBufferView;

/** The detail of `close`. */
export interface Closed {
  code: number;
  reason: string;
  wasClean: boolean;
}

/** The detail of `waiting`. */
export interface Waiting {
  /** Milliseconds until the next attempt. */
  delay: number;
  /** The close code, or 0 if there was no socket. */
  code: number;
  /** The close reason, `request_failed`, or `no_answer`. */
  reason: string;
}

/** The detail of `stopped`. */
export interface Stopped {
  /** The close code, or 0 if there was no socket. */
  code: number;
  /** The close reason, or `invalid_address`. */
  reason: string;
  advice: Advice;
}

export interface Options {
  /** The address, asked before each attempt. If it throws, the socket backs off. */
  url: () => string | URL | Promise<string | URL>;
  /**
   * Gets a new credential, with which `url` or `firstMessage` then answer. `false`: there is none, the user has to log
   * in. If it throws, the socket backs off and asks again. Without it, an expired credential stops the socket.
   */
  refresh?: (reason: string) => void | boolean | Promise<void | boolean>;
  /**
   * Sent before everything else, for servers that take the credential there; they take text only. Asked before each
   * attempt.
   */
  firstMessage?: () => string | undefined | Promise<string | undefined>;
  /** The subprotocols. */
  protocols?: string | string[];
  binaryType?: BinaryType;
  /** The first ceiling of the random delay, in milliseconds. Default: 500. */
  minBackoff?: number;
  /** The last ceiling, in milliseconds. Default: 30 000. */
  maxBackoff?: number;
  /** Over how many milliseconds clients return after 1001 `going_away`. Default: 10 000. */
  spread?: number;
  /** How many milliseconds a handshake may take before it is closed, for the next attempt. Default: 30 000. */
  patience?: number;
  /** How many milliseconds a connection must last to reset the back-off. Default: 5000. */
  stableAfter?: number;
  /** In place of the global one, such as that of the packages ws or undici. In Node it has to send an `Origin`. */
  WebSocket?: new (url: any, protocols?: any) => any;
  /** For tests: a monotonic clock in milliseconds. */
  now?: () => number;
  /** For tests: a number from 0 to 1. */
  random?: () => number;
  /** For tests. */
  setTimeout?: (callback: () => void, delay: number) => any;
  /** For tests. */
  clearTimeout?: (timer: any) => void;
}

export interface ReconnectingSocketEventMap {
  open: Event;
  message: MessageEvent;
  close: CustomEvent<Closed>;
  waiting: CustomEvent<Waiting>;
  stopped: CustomEvent<Stopped>;
}

/** A WebSocket that reconnects, and that knows when not to. */
export class ReconnectingSocket extends EventTarget {
  constructor(options: Options);
  /** As that of a WebSocket; 3 (closed) while there is none. */
  readonly readyState: number;
  /** The selected subprotocol; empty while there is no connection. */
  readonly protocol: string;
  /** How many bytes wait to be sent. */
  readonly bufferedAmount: number;
  /** Whether it is connected, or will be without another call. */
  readonly running: boolean;
  /** Starts, also again after `stopped`. Does nothing while it is running. */
  connect(): void;
  /** Ends it for good: no timer and no attempt is left behind. */
  close(code?: number, reason?: string): void;
  /** Sends, or returns false when there is no open connection; nothing is queued. */
  send(data: Data): boolean;
  addEventListener<K extends keyof ReconnectingSocketEventMap>(
    type: K,
    listener: (this: ReconnectingSocket, event: ReconnectingSocketEventMap[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<K extends keyof ReconnectingSocketEventMap>(
    type: K,
    listener: (this: ReconnectingSocket, event: ReconnectingSocketEventMap[K]) => void,
    options?: boolean | EventListenerOptions,
  ): void;
}
