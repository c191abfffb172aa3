// SignalR.
const kit = require("./kit.cjs");

const { connected, FromAPage, http, log, refresh } = kit;

module.exports = {
  "@microsoft/signalr"() {
    const signalr = require("@microsoft/signalr");
    const connection = new signalr.HubConnectionBuilder()
      .withUrl(`${http}/hub`, {
        accessTokenFactory: async () => kit.token,
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
};
