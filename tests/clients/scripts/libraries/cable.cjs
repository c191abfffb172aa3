// Action Cable, and its other client.
const { join } = require("node:path");
const { pathToFileURL } = require("node:url");

const kit = require("./kit.cjs");

const { connected, log, refresh, sockets, ws } = kit;

module.exports = {
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
    const consumer = ActionCable.createConsumer(() => `${sockets}/cable?token=${kit.token}`);
    consumer.subscriptions.create("Room", {
      connected,
      disconnected: (how) => log("disconnected", how),
    });
  },
  async "@anycable/core"() {
    const index = join(process.env.NODE_PATH, "@anycable/core/index.js");
    const { createCable } = await import(pathToFileURL(index));
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
