// Opens as many sockets as it is told, a few at a time, and counts what it reads.
// node node.cjs <ws|undici>, the job on its standard input; see tests/refusals.rs.
const { WebSocket } = require(process.argv[2]);
const job = JSON.parse(require("node:fs").readFileSync(0, "utf8"));

/** One socket: "code reason clean", or what went wrong. */
const read = {
  ws: (url) =>
    new Promise((done) => {
      const socket = new WebSocket(url, { origin: job.origin });
      let opened = false;
      socket.on("open", () => (opened = true));
      socket.on("error", (error) => done(`error: ${error.message}`));
      socket.on("close", (code, reason) => done(`${code} ${reason} ${opened}`));
    }),
  undici: (url) =>
    new Promise((done) => {
      const socket = new WebSocket(url, { headers: { origin: job.origin } });
      let opened = false;
      socket.onopen = () => (opened = true);
      socket.onclose = ({ code, reason, wasClean }) => done(`${code} ${reason} ${opened && wasClean}`);
    }),
}[process.argv[2]];

async function main() {
  const counts = { exact: 0, wrong: {} };
  let next = 0;
  const one = async () => {
    while (next < job.count) {
      const refusal = job.refusals[next++ % job.refusals.length];
      const got = await read(job.base + refusal.target);
      const expected = `${refusal.code} ${refusal.reason} true`;
      if (got === expected) counts.exact += 1;
      else counts.wrong[`${expected}: ${got}`] = (counts.wrong[`${expected}: ${got}`] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: job.at_a_time }, one));
  console.log(JSON.stringify(counts));
}

main();
