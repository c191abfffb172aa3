// One case of a client library: what its application sees of a refusal or an ending.
// node libraries.cjs, the job on its standard input; see tests/libraries.rs.
const { join } = require("node:path");
const { pathToFileURL } = require("node:url");
const ws = require("ws");

const job = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const http = `http://127.0.0.1:${job.port}`;
const sockets = `ws://127.0.0.1:${job.port}`;
const lines = [];
let token = job.token;

/** As a page opens it. */
class FromAPage extends ws {
  constructor(url, protocols, options) {
    super(url, protocols, { origin: "https://app.example", ...options });
  }
}

const log = (name, detail) =>
  lines.push(detail === undefined ? name : `${name} ${JSON.stringify(detail)}`);
const refresh = async () => {
  log("refresh");
  await fetch(`${http}/refresh`);
  token = "fresh";
  return token;
};
/** The library is connected: the server may end that, once. */
let ended = false;
const connected = () => {
  log("connected", token);
  if (job.end && !ended) {
    ended = true;
    fetch(`${http}/end?reason=${job.end}`);
  } else if (token === "fresh") {
    // A moment for what must not follow.
    setTimeout(done, 300);
  }
};
const stops = /credentials_missing|token_invalid|forbidden|revoked|session_ended/;
const done = () => {
  console.log(JSON.stringify(lines));
  process.exit(0);
};

function phoenix(package_) {
  const { Socket } = require(package_);
  const socket = new Socket(`${sockets}/socket`, { params: () => ({ token }), transport: ws });
  let acting = false;
  const react = async (reason) => {
    if (reason !== "token_expired" || acting || token === "fresh") return;
    acting = true;
    socket.disconnect();
    await refresh();
    socket.connect();
    acting = false;
  };
  socket.onClose((event) => {
    log("onClose", [event.code, String(event.reason)]);
    react(String(event.reason));
  });
  socket.connect();
  socket
    .channel("room:lobby")
    .join()
    .receive("ok", connected)
    .receive("error", (reply) => {
      log("join error", reply);
      react(reply.reason);
    });
}

const libraries = {
  "socket.io-client"() {
    const { io } = require("socket.io-client");
    for (const namespace of job.namespaces.length > 0 ? job.namespaces : [""]) {
      const socket = io(http + namespace, {
        transports: ["websocket"],
        query: { token },
        auth: (send) => send({ token }),
      });
      const again = async () => {
        await refresh();
        socket.io.opts.query = { token };
        socket.connect();
      };
      let reason;
      socket.on("connect", connected);
      socket.on("connect_error", (error) => {
        log(`${namespace} connect_error`.trim(), { message: error.message, data: error.data });
        if (error.message === "token_expired") again();
      });
      socket.on("auth_ended", (data) => {
        reason = data.reason;
        log("auth_ended", data);
      });
      socket.on("disconnect", (why) => {
        log("disconnect", why);
        if (reason === "token_expired") again();
      });
    }
  },
  phoenix: () => phoenix("phoenix"),
  "phoenix-1-7": () => phoenix("phoenix-1-7"),
  "phoenix-1-8-15": () => phoenix("phoenix-1-8-15"),
  "graphql-ws"() {
    const { createClient } = require("graphql-ws");
    let expired = false;
    const client = createClient({
      url: async () => {
        if (expired) await refresh();
        expired = false;
        return `${sockets}/graphql?token=${token}`;
      },
      webSocketImpl: ws,
      on: {
        connected,
        closed: ({ code, reason }) => {
          log("closed", [code, reason]);
          expired = reason === "token_expired";
        },
      },
    });
    client.subscribe({ query: "subscription { tick }" }, { next() {}, error() {}, complete() {} });
  },
  "subscriptions-transport-ws"() {
    const { SubscriptionClient } = require("subscriptions-transport-ws");
    const url = () => `${sockets}/graphql?token=${token}`;
    const react = async (error) => {
      if (!error) return;
      log("connectionCallback", error);
      if (error.message === "token_expired") {
        await refresh();
        client.url = url();
      } else if (stops.test(error.message)) client.close();
    };
    const options = { reconnect: true, connectionCallback: react };
    const client = new SubscriptionClient(url(), options, ws);
    client.onConnected(connected);
    client.onReconnected(connected);
    client.request({ query: "subscription { tick }" }).subscribe({ error() {} });
  },
  "@rails/actioncable"() {
    Object.assign(globalThis, {
      self: globalThis,
      document: { visibilityState: "visible", addEventListener() {} },
      addEventListener() {},
      removeEventListener() {},
      WebSocket: ws,
    });
    const ActionCable = require("@rails/actioncable");
    ActionCable.adapters.WebSocket = ws;
    ActionCable.adapters.logger = {
      async log(...words) {
        const line = words.slice(1, -1).join(" ");
        if (!line.includes("Reason")) return;
        log(line);
        if (line.includes("token_expired")) {
          await refresh();
          consumer.connect();
        }
      },
    };
    ActionCable.logger.enabled = true;
    const consumer = ActionCable.createConsumer(() => `${sockets}/cable?token=${token}`);
    consumer.subscriptions.create("Room", {
      connected,
      disconnected: (how) => log("disconnected", how),
    });
  },
  async "@anycable/core"() {
    const index = join(process.env.NODE_PATH, "@anycable/core/index.js");
    const { createCable } = await import(pathToFileURL(index));
    const cable = createCable(`${sockets}/cable?token=${token}`, {
      websocketImplementation: ws,
      logLevel: "error",
      tokenRefresher: async (transport) => transport.setParam("token", await refresh()),
    });
    cable.on("close", (event) => log("close", event?.reason));
    const channel = cable.streamFrom("room");
    channel.on("connect", connected);
    channel.on("disconnect", (event) => log("disconnect", event?.reason));
  },
  "@microsoft/signalr"() {
    const signalr = require("@microsoft/signalr");
    const connection = new signalr.HubConnectionBuilder()
      .withUrl(`${http}/hub`, {
        accessTokenFactory: async () => token,
        skipNegotiation: true,
        transport: signalr.HttpTransportType.WebSockets,
        WebSocket: FromAPage,
      })
      .withAutomaticReconnect()
      .configureLogging(signalr.LogLevel.None)
      .build();
    const react = async (name, error) => {
      log(name, error?.message);
      if (error?.message.includes("token_expired")) await refresh();
      return error?.message.includes("token_expired");
    };
    connection.onclose((error) => react("onclose", error));
    connection.onreconnecting((error) => react("onreconnecting", error));
    connection.onreconnected(connected);
    const start = () =>
      connection.start().then(connected, async (error) => {
        if (await react("start rejected", error)) start();
      });
    start();
  },
  centrifuge() {
    const { Centrifuge } = require("centrifuge");
    const client = new Centrifuge(`${sockets}/connection/websocket?token=${token}`, {
      token,
      getToken: refresh,
      websocket: FromAPage,
    });
    for (const event of ["connecting", "disconnected"]) {
      client.on(event, ({ code, reason }) => log(event, { code, reason }));
    }
    client.on("error", ({ error }) => log("error", error));
    client.on("connected", connected);
    client.connect();
  },
  "pusher-js"() {
    const Pusher = require("pusher-js");
    let pusher;
    const begin = () => {
      pusher = new Pusher(`key-${token}`, {
        wsHost: "127.0.0.1",
        wsPort: job.port,
        forceTLS: false,
        enabledTransports: ["ws"],
        disableStats: true,
        cluster: "x",
      });
      const { connection } = pusher;
      connection.bind("connected", connected);
      connection.bind("error", async (error) => {
        const data = error?.error?.data ?? error?.data;
        log("error", data);
        if (data?.message === "token_expired" && token !== "fresh") {
          pusher.disconnect();
          await refresh();
          begin();
        }
      });
    };
    begin();
  },
};

process.on("uncaughtException", (error) => log("uncaught", String(error)));
process.on("unhandledRejection", (error) => log("unhandled", String(error)));
libraries[job.library]();
// What comes back is waited for.
setTimeout(done, job.window);
