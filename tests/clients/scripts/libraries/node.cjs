// What the scripts need of Node. A bundle for a browser has page.cjs in its place: package.json says so.
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { pathToFileURL } = require("node:url");
const WebSocket = require("ws");

/** Sends the origin of a page. */
class FromAPage extends WebSocket {
  constructor(url, protocols, options) {
    super(url, protocols, { origin: "https://app.example", ...options });
  }
}

module.exports = {
  WebSocket,
  FromAPage,
  job: JSON.parse(readFileSync(0, "utf8")),
  /** AnyCable has a package of its own for browsers. */
  anycable: () => import(pathToFileURL(join(process.env.NODE_PATH, "@anycable/core/index.js"))),
  mqtt: async () => require("mqtt"),
  /** Action Cable asks for these. */
  imitateAPage: () =>
    Object.assign(globalThis, {
      self: globalThis,
      document: { visibilityState: "visible", addEventListener() {} },
      addEventListener() {},
      removeEventListener() {},
      WebSocket,
    }),
  onError(log) {
    process.on("uncaughtException", (error) => log("uncaught", String(error)));
    process.on("unhandledRejection", (error) => log("unhandled", String(error)));
  },
  leave(lines) {
    console.log(JSON.stringify(lines));
    process.exit(0);
  },
};
