// Libraries whose credential is in their first message. See tests/first_message.rs.
// node first_message.cjs {"library":…,"port":…,"tokens":[…]}: what it sees, a line for each event.
const job = JSON.parse(process.argv[2]);
const sockets = `ws://127.0.0.1:${job.port}`;
const tell = (event, detail = {}) => console.log(JSON.stringify({ event, ...detail }));
const next = () => job.tokens.shift();

globalThis.WebSocket ??= require("ws");

const libraries = {
  async "home-assistant-js-websocket"() {
    const { createConnection, getUser, ERR_INVALID_AUTH, ERR_CANNOT_CONNECT } =
      require("home-assistant-js-websocket");
    const names = { [ERR_INVALID_AUTH]: "invalid_auth", [ERR_CANNOT_CONNECT]: "cannot_connect" };
    // As its class `Auth`, whose tokens come from the server of Home Assistant.
    const auth = {
      wsUrl: `${sockets}/api/websocket`,
      accessToken: next(),
      get expired() {
        // Nothing to refresh it with.
        if (job.tokens.length === 0) return false;
        const { exp } = JSON.parse(Buffer.from(this.accessToken.split(".")[1], "base64url"));
        return exp * 1000 < Date.now();
      },
      async refreshAccessToken() {
        tell("refresh");
        this.accessToken = next();
      },
    };
    try {
      const connection = await createConnection({ auth, setupRetry: 0 });
      const { name } = await getUser(connection);
      tell("connected", { version: connection.haVersion, name });
      connection.addEventListener("ready", () => tell("ready"));
      connection.addEventListener("disconnected", () => tell("disconnected"));
      connection.addEventListener("reconnect-error", (_, error) => tell("reconnect_error", { error: names[error] }));
    } catch (error) {
      tell("error", { error: names[error] ?? String(error) });
    }
  },
  centrifuge() {
    const { Centrifuge } = require("centrifuge");
    const client = new Centrifuge(`${sockets}/connection/websocket`, {
      token: next(),
      getToken: async () => next(),
      websocket: require("ws"),
    });
    client.on("connected", ({ client, data }) => tell("connected", { client, data }));
    client.on("disconnected", ({ code, reason }) => tell("disconnected", { code, reason }));
    client.on("error", ({ error }) => tell("error", { code: error.code }));
    client.on("message", ({ data }) => tell("message", { data }));
    client.connect();
  },
  "@stomp/stompjs"() {
    const { Client } = require("@stomp/stompjs");
    const client = new Client({
      webSocketFactory: () => new (require("ws"))(`${sockets}/stomp`, ["v12.stomp"]),
      connectHeaders: { passcode: next() },
      reconnectDelay: 0,
      onConnect: ({ headers }) => tell("connected", { name: headers["user-name"] }),
      onStompError: ({ headers }) => tell("error", { message: headers.message }),
      onWebSocketClose: ({ code, reason }) => tell("closed", { code, reason }),
    });
    client.activate();
  },
};

// It ends with the test.
process.stdin.on("end", () => process.exit(0)).resume();
libraries[job.library]();
