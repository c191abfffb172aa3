// What the scripts need of a page. The job is in its fragment, and the server takes the lines.
module.exports = {
  WebSocket,
  FromAPage: WebSocket,
  job: JSON.parse(decodeURIComponent(location.hash.slice(1))),
  anycable: () => import("@anycable/web"),
  /** What `require` finds for browsers has no exports. */
  mqtt: async () => (await import("mqtt")).default,
  imitateAPage() {},
  onError(log) {
    addEventListener("error", ({ message }) => log("uncaught", message));
    addEventListener("unhandledrejection", ({ reason }) => log("unhandled", String(reason)));
  },
  async leave(lines) {
    await fetch("/lines", { method: "POST", body: JSON.stringify(lines) });
    location.replace("about:blank");
  },
};
