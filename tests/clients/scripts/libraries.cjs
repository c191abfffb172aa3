// One case of a client library: what its application sees of a refusal or an ending.
// node libraries.cjs, the job on its standard input; see tests/libraries.
const { done, job, log, watch } = require("./libraries/kit.cjs");

const families = ["socket_io", "phoenix", "graphql", "apollo", "cable", "signalr", "channels", "brokers"];
const libraries = Object.assign({}, ...families.map((family) => require(`./libraries/${family}.cjs`)));

process.on("uncaughtException", (error) => log("uncaught", String(error)));
process.on("unhandledRejection", (error) => log("unhandled", String(error)));
for (let client = 0; client < job.clients; client += 1) libraries[job.library]();
watch();
setTimeout(done, job.patience);
