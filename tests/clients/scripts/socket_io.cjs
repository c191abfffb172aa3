// socket.io-client, as a page uses it, against the recipe: by the cookie of a session.
// node socket_io.cjs JOB; commands on standard input, events on standard output. See tests/socket_io.rs.
const { createInterface } = require("node:readline");
const { io } = require("socket.io-client");

const job = JSON.parse(process.argv[2]);
const http = `http://127.0.0.1:${job.port}`;
const tell = (event, detail = {}) => console.log(JSON.stringify({ event, ...detail }));
let cookie = "";
let fresh = false;

async function post(path, body = {}) {
  const headers = { origin: http, cookie, "content-type": "application/json" };
  const response = await fetch(http + path, { method: "POST", headers, body: JSON.stringify(body) });
  for (const field of response.headers.getSetCookie()) cookie = field.split(";")[0];
  return response.status === 200 ? response.json() : null;
}

/** A request of another user, or of this one, for the session of Engine.IO. */
async function poll(sid, { method = "GET", transport = "polling", as = cookie } = {}) {
  const headers = { origin: http, cookie: as };
  const body = method === "POST" ? '42["say","stolen"]' : undefined;
  const response = await fetch(`${http}/socket.io/?EIO=4&transport=${transport}&sid=${sid}`, { method, headers, body });
  return [response.status, await response.text()];
}

let socket;
async function main() {
  if (job.user) await post("/login", { name: job.user });
  socket = io(http + (job.namespace ?? ""), {
    // Its default is polling, and then an upgrade.
    ...(job.transports ? { transports: job.transports } : {}),
    // In a browser the cookie and the origin come by themselves.
    extraHeaders: { cookie, origin: http },
    reconnectionDelay: 20,
    reconnectionDelayMax: 100,
    auth: async (send) => {
      if (!job.auth) return send({});
      const { token } = await post("/token", { ttl: fresh ? 600 : -600 });
      tell("auth", { fresh });
      send({ token });
    },
  });
  socket.io.engine?.on("upgrade", ({ name }) => tell("upgrade", { name }));
  socket.on("connect", () => tell("connect", { transport: socket.io.engine.transport.name }));
  socket.on("welcome", (name) => tell("welcome", { name }));
  socket.on("said", (text) => tell("said", { text }));
  socket.on("connect_error", ({ message, data }) => {
    tell("connect_error", { message, data: data ?? null });
    if (message !== "token_expired") return;
    fresh = true;
    socket.connect();
  });
  socket.on("auth_ended", ({ reason }) => tell("auth_ended", { reason }));
  socket.on("disconnect", (reason) => tell("disconnect", { reason, active: socket.active }));
}

const commands = {
  logout: () => post("/logout"),
  ban: () => post("/ban", { name: job.user }),
  /** Somebody else, who is logged in too, has learnt our `sid`. */
  async steal() {
    const sid = socket.io.engine.id;
    const own = cookie;
    cookie = "";
    await post("/login", { name: "eve" });
    const eve = cookie;
    cookie = own;
    const answers = [];
    for (const how of [{}, { method: "POST" }, { transport: "websocket" }]) {
      answers.push((await poll(sid, { ...how, as: eve }))[0]);
    }
    const bare = await poll(sid.split(".")[0]);
    tell("stolen", { answers, bare: bare[0], text: bare[1] });
  },
  say: () => socket.emit("say", "hello"),
  connect: () => socket.connect(),
  leave: () => process.exit(0),
};
main();
createInterface({ input: process.stdin }).on("line", (command) => commands[command]());
