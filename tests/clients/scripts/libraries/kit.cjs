// What the scripts of all libraries share: the job, the lines that the test reads, and the refresh.
const { FromAPage, WebSocket: ws, anycable, imitateAPage, job, leave, mqtt, onError } = require("./node.cjs");

const http = `http://127.0.0.1:${job.port}`;
const sockets = `ws://127.0.0.1:${job.port}`;
const lines = [];

/** What is expected, and by how many clients it was not seen yet. */
const missing = new Map(job.sees.map((part) => [part, job.clients]));
let watching = false;
/** Once all of it is there, a client has the window to do what it should not. */
const watch = () => {
  if (watching || missing.size > 0) return;
  watching = true;
  setTimeout(done, job.window);
};
const log = (name, detail) => {
  const line = detail === undefined ? name : `${name} ${JSON.stringify(detail)}`;
  lines.push(line);
  for (const [part, count] of missing) {
    if (!line.includes(part)) continue;
    if (count > 1) missing.set(part, count - 1);
    else missing.delete(part);
  }
  watch();
};
const refresh = async () => {
  log("refresh");
  await fetch(`${http}/refresh`);
  kit.token = "fresh";
  return kit.token;
};
/** The library is connected: the server may end that, once. */
let ended = false;
const connected = () => {
  log("connected", kit.token);
  if (job.end && !ended) {
    ended = true;
    fetch(`${http}/end?reason=${job.end}`);
  } else if (kit.token === "fresh") {
    // A moment for what must not follow.
    setTimeout(done, 300);
  }
};
const stops = /credentials_missing|token_invalid|forbidden|revoked|session_ended/;
let left = false;
const done = () => {
  if (!left) leave(lines);
  left = true;
};

/** `token` changes with each refresh. */
const kit = { FromAPage, anycable, connected, http, imitateAPage, job, log, mqtt, refresh, sockets, stops, token: job.token, ws };
module.exports = kit;

/** Runs as many clients of this library as the job asks for. */
kit.run = (library) => {
  onError(log);
  setTimeout(done, job.patience);
  for (let client = 0; client < job.clients; client += 1) library();
  watch();
};
