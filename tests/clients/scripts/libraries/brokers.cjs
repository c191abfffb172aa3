// Clients of message brokers, whose protocols are recipes on the public builder.
const kit = require("./kit.cjs");

const { FromAPage, connected, job, log, mqtt, refresh, sockets, stops, ws } = kit;

/** MQTT.js of either version of the protocol. */
async function withVersion(protocolVersion) {
  const { connect } = await mqtt();
  const client = connect(`${sockets}/mqtt`, {
    protocolVersion,
    transformWsUrl: (url) => `${url.split("?")[0]}?token=${kit.token}`,
  });
  const again = async () => {
    await refresh();
    client.reconnect();
  };
  client.on("connect", connected);
  client.on("packetreceive", (packet) => {
    if (packet.cmd === "connack" && packet.properties) log("connack", packet.properties.reasonString);
  });
  client.on("disconnect", ({ reasonCode, properties }) => log("disconnect", [reasonCode, properties?.reasonString]));
  client.on("error", ({ message, code }) => {
    log("error", { message, code });
    if (job.token === "expired" || job.end === "token_expired") again();
  });
}

module.exports = {
  "@stomp/stompjs"() {
    const { Client } = require("@stomp/stompjs");
    let expired = false;
    const client = new Client({
      webSocketFactory: () => new ws(`${sockets}/stomp?token=${kit.token}`, ["v12.stomp", "v11.stomp", "v10.stomp"]),
      beforeConnect: async () => {
        if (expired) await refresh();
        expired = false;
      },
      onConnect: connected,
      onStompError: ({ headers }) => {
        log("onStompError", headers.message);
        expired = headers.message === "token_expired";
        if (stops.test(headers.message)) client.deactivate();
      },
      onWebSocketClose: ({ code, reason }) => log("onWebSocketClose", [code, reason]),
    });
    client.activate();
  },
  mqtt: () => withVersion(4),
  "mqtt-5": () => withVersion(5),
  async "@nats-io/nats-core"() {
    const { wsconnect } = require("@nats-io/nats-core");
    globalThis.WebSocket = FromAPage;
    const react = async (name, error) => {
      log(name, { type: error?.name, message: error?.message });
      if (!error?.message.includes("token_expired")) return;
      await refresh();
      connect();
    };
    const connect = async () => {
      try {
        const servers = `${sockets}/?token=${kit.token}`;
        const connection = await wsconnect({ servers, reconnect: false });
        connected();
        react("closed", await connection.closed());
      } catch (error) {
        react("rejected", error);
      }
    };
    connect();
  },
};
