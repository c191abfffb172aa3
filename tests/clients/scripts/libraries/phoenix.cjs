// phoenix.js of three versions.
const kit = require("./kit.cjs");

const { connected, log, refresh, sockets, ws } = kit;

function phoenix({ Socket }) {
  const socket = new Socket(`${sockets}/socket`, { params: () => ({ token: kit.token }), transport: ws });
  let acting = false;
  const react = async (reason) => {
    if (reason !== "token_expired" || acting || kit.token === "fresh") return;
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

module.exports = {
  phoenix: () => phoenix(require("phoenix")),
  "phoenix-1-7": () => phoenix(require("phoenix-1-7")),
  "phoenix-1-8-15": () => phoenix(require("phoenix-1-8-15")),
};
