// Socket.IO of two versions of its protocol.
const kit = require("./kit.cjs");

const { connected, http, job, log, refresh } = kit;

module.exports = {
  "socket.io-client"() {
    const { Manager } = require("socket.io-client");
    // One connection, as `io()` shares one among namespaces.
    const manager = new Manager(http, { transports: ["websocket"], query: { token: kit.token } });
    for (const namespace of job.namespaces.length > 0 ? job.namespaces : [""]) {
      const socket = manager.socket(namespace || "/", { auth: (send) => send({ token: kit.token }) });
      const again = async () => {
        await refresh();
        socket.io.opts.query = { token: kit.token };
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
  "socket.io-client-2"() {
    const { Manager } = require("socket.io-client-2");
    const manager = new Manager(http, { transports: ["websocket"], query: { token: kit.token } });
    for (const namespace of job.namespaces.length > 0 ? job.namespaces : [""]) {
      const socket = manager.socket(namespace || "/");
      let reason;
      socket.on("connect", connected);
      socket.on("connect_error", (error) => log("connect_error", error.message ?? error));
      socket.on("error", (error) => {
        reason = error.message;
        log(`${namespace} error`.trim(), error);
      });
      socket.on("auth_ended", (data) => {
        reason = data.reason;
        log("auth_ended", data);
      });
      socket.on("disconnect", async (why) => {
        log("disconnect", why);
        if (reason !== "token_expired") return;
        reason = undefined;
        await refresh();
        manager.opts.query = { token: kit.token };
        socket.connect();
      });
    }
  },
};
