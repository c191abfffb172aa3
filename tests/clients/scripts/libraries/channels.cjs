// Servers of channels: Centrifugo and Pusher.
const kit = require("./kit.cjs");

const { connected, FromAPage, job, log, refresh, sockets } = kit;

module.exports = {
  centrifuge() {
    const { Centrifuge } = require("centrifuge");
    const client = new Centrifuge(`${sockets}/connection/websocket?token=${kit.token}`, {
      token: kit.token,
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
      pusher = new Pusher(`key-${kit.token}`, {
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
        if (data?.message === "token_expired" && kit.token !== "fresh") {
          pusher.disconnect();
          await refresh();
          begin();
        }
      });
    };
    begin();
  },
};
