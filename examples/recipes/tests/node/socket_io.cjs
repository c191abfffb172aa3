// socket.io-client against the recipe: `node socket_io.cjs JOB`. It tells what it sees, one object of JSON a line.
const { createInterface } = require("node:readline");
const { io } = require("socket.io-client");

const { port, namespace, transports, cookie } = JSON.parse(process.argv[2]);
const tell = (event, detail = {}) => console.log(JSON.stringify({ event, ...detail }));

// In a browser the cookie and the origin come by themselves.
const extraHeaders = { origin: "https://app.example", ...(cookie ? { cookie } : {}) };
const socket = io(`http://127.0.0.1:${port}${namespace}`, { transports, extraHeaders, reconnectionDelay: 20 });
socket.on("hello", (name) => tell("hello", { name }));
socket.on("connect_error", ({ message }) => tell("connect_error", { message }));
socket.on("auth_ended", ({ reason }) => tell("auth_ended", { reason }));
socket.on("disconnect", (reason) => tell("disconnect", { reason, active: socket.active }));

createInterface({ input: process.stdin }).on("line", () => process.exit(0));
