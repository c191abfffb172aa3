// One case of a client library: what its application sees of a refusal or an ending.
// node libraries.cjs, the job on its standard input, or in a page; see tests/libraries.
const { job, run } = require("./libraries/kit.cjs");

const libraries = {
  ...require("./libraries/socket_io.cjs"),
  ...require("./libraries/phoenix.cjs"),
  ...require("./libraries/graphql.cjs"),
  ...require("./libraries/apollo.cjs"),
  ...require("./libraries/cable.cjs"),
  ...require("./libraries/signalr.cjs"),
  ...require("./libraries/channels.cjs"),
  ...require("./libraries/brokers.cjs"),
};

run(libraries[job.library]);
