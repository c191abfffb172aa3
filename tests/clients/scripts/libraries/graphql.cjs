// GraphQL over WebSocket, of two protocols.
const kit = require("./kit.cjs");

const { connected, log, refresh, sockets, stops, ws } = kit;

module.exports = {
  "graphql-ws"() {
    const { createClient } = require("graphql-ws");
    let expired = false;
    const client = createClient({
      url: async () => {
        if (expired) await refresh();
        expired = false;
        return `${sockets}/graphql?token=${kit.token}`;
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
    const url = () => `${sockets}/graphql?token=${kit.token}`;
    const react = async (error) => {
      if (!error) return;
      log("connectionCallback", error);
      if (error.message === "token_expired") {
        await refresh();
        client.url = url();
      } else if (stops.test(error.message)) client.close();
    };
    // It waits a second for a connection, and then opens another. A page under load takes longer.
    const options = { reconnect: true, minTimeout: 20_000, timeout: 60_000, connectionCallback: react };
    const client = new SubscriptionClient(url(), options, ws);
    client.onConnected(connected);
    client.onReconnected(connected);
    client.request({ query: "subscription { tick }" }).subscribe({ error() {} });
  },
};
