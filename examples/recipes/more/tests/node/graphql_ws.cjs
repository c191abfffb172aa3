// graphql-ws against a recipe: `node graphql_ws.cjs JOB`. It tells what it sees, one object of JSON a line. With
// `tokens` it shows the next one in each `connection_init`, and the last one again and again.
const { createInterface } = require("node:readline");
const { createClient } = require("graphql-ws");
const WebSocket = require("ws");

const { url, origin, tokens, queries } = JSON.parse(process.argv[2]);
const tell = (event) => console.log(JSON.stringify(event));

// In a browser the origin comes by itself.
class Page extends WebSocket {
  constructor(address, protocols) {
    super(address, protocols, { origin });
  }
}

const client = createClient({
  url,
  webSocketImpl: Page,
  connectionParams:
    tokens &&
    (() => ({
      Authorization: `Bearer ${tokens.length > 1 ? tokens.shift() : tokens[0]}`,
    })),
  on: {
    closed: ({ code, reason }) => {
      if (code !== 1000) tell({ closed: [code, String(reason)] });
    },
  },
});

const run = (name, query) =>
  new Promise((done) => {
    client.subscribe(
      { query },
      {
        next: ({ data }) => tell({ next: data }),
        error: () => tell({ failed: name }),
        complete: () => done(tell({ complete: name })),
      },
    );
  });

createInterface({ input: process.stdin }).on("line", () => process.exit(0));
(async () => {
  for (const [name, query] of queries ?? [
    ["query", "{ me }"],
    ["subscription", "subscription { greetings }"],
  ])
    await run(name, query);
})();
