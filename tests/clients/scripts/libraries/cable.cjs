// Action Cable, and its other client.
const kit = require("./kit.cjs");

const { anycable, connected, imitateAPage, log, refresh, sockets, ws } = kit;

module.exports = {
  "@rails/actioncable"() {
    imitateAPage();
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
    const consumer = ActionCable.createConsumer(() => `${sockets}/cable?token=${kit.token}`);
    consumer.subscriptions.create("Room", {
      connected,
      disconnected: (how) => log("disconnected", how),
    });
  },
  async "@anycable/core"() {
    const { createCable } = await anycable();
    const cable = createCable(`${sockets}/cable?token=${kit.token}`, {
      websocketImplementation: ws,
      logLevel: "error",
      tokenRefresher: async (transport) => transport.setParam("token", await refresh()),
    });
    cable.on("close", (event) => log("close", event?.reason));
    const channel = cable.streamFrom("room");
    channel.on("connect", connected);
    channel.on("disconnect", (event) => log("disconnect", event?.reason));
  },
};
