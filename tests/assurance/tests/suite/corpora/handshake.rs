//! The handshake table of RFC 6455 §4.2.1, RFC 9110 §7.8 and RFC 8441 §5. Every request carries a
//! valid token: only the handshake is wrong.
//!
//! The table parses nothing. Each entry knows its meaning.

use bytes::Bytes;
use http::{HeaderValue, Request, Version};
use http_body_util::Empty;
use test_support::of_tier;
use tower::ServiceExt;

use crate::forge::Door;
use crate::stack::{Answer, LetIn, Server, jwt, service};
use crate::wire::{self, Http2};

/// Lines of one field, and whether the clause about it holds.
type Entry = (&'static [&'static str], bool);

const METHODS: [(&str, bool); 8] = [
    ("GET", true),
    ("POST", false),
    ("HEAD", false),
    ("OPTIONS", false),
    ("PUT", false),
    ("get", false),
    ("GETT", false),
    ("CONNECT", false),
];

const HTTP: [(Version, bool); 3] = [
    (Version::HTTP_11, true),
    (Version::HTTP_10, false),
    (Version::HTTP_09, false),
];

const HOST: [Entry; 3] = [
    (&["localhost"], true),
    (&[], false),
    (&["localhost", "localhost"], false),
];

const UPGRADE: [Entry; 9] = [
    (&["websocket"], true),
    (&["WebSocket"], true),
    (&["h2c, websocket"], true),
    (&["h2c", "\twebSOCKET "], true),
    (&[], false),
    (&["h2c"], false),
    (&["websocket/13"], false),
    (&["notwebsocket"], false),
    (&["web socket"], false),
];

const CONNECTION: [Entry; 10] = [
    (&["Upgrade"], true),
    (&["keep-alive, upgrade"], true),
    (&["close", "UPGRADE"], true),
    (&[",upgrade,"], true),
    (&[], false),
    (&["keep-alive"], false),
    (&["notupgrade"], false),
    (&["upgrade-insecure-requests"], false),
    (&["close; upgrade"], false),
    (&["up", "grade"], false),
];

const KEY: [Entry; 12] = [
    (&["dGhlIHNhbXBsZSBub25jZQ=="], true),
    (&["/+/+/+/+/+/+/+/+/+/+/w=="], true),
    (&[], false),
    (&[""], false),
    (&["dGhlIHNhbXBsZSBub25jZQ"], false),
    (&["dGhlIHNhbXBsZSBub25jZR=="], false),
    (&["dGhlIHNhbXBsZSBub25jZTE="], false),
    (&["dGhlIHNhbXBsZSBub25j"], false),
    (
        &["dGhlIHNhbXBsZSBub25jZQ==,dGhlIHNhbXBsZSBub25jZQ=="],
        false,
    ),
    (&["_-_-_-_-_-_-_-_-_-_-_w=="], false),
    (&["x"], false),
    (
        &["dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="],
        false,
    ),
];

const VERSION: [Entry; 10] = [
    (&["13"], true),
    (&[], false),
    (&[""], false),
    (&["8"], false),
    (&["12"], false),
    (&["013"], false),
    (&["13, 8"], false),
    (&["+13"], false),
    (&["13.0"], false),
    (&["13", "13"], false),
];

/// Fields that declare a body, by name.
const BODY: [(&str, &str, bool); 5] = [
    ("content-type", "text/plain", true),
    ("content-length", "0", true),
    ("content-length", "5", false),
    ("transfer-encoding", "chunked", false),
    ("transfer-encoding", "gzip, chunked", false),
];

const PROTOCOL: [(Option<&str>, bool); 7] = [
    (Some("websocket"), true),
    (None, false),
    (Some("WebSocket"), false),
    (Some("websocket/13"), false),
    (Some("connect-udp"), false),
    (Some("h2c"), false),
    (Some("notwebsocket"), false),
];

/// The first violated clause decides, in the order of RFC 6455 §4.2.1.
fn first(clauses: &[(bool, u16)]) -> Answer {
    match clauses.iter().find(|(holds, _)| !holds) {
        None => Answer::IN,
        Some(&(_, status)) => Answer {
            status,
            refusal: Some("handshake_invalid"),
        },
    }
}

/// Indices into the tables of HTTP/1.
#[derive(Clone, Copy, Debug, Default)]
struct Case {
    method: usize,
    http: usize,
    host: usize,
    upgrade: usize,
    connection: usize,
    key: usize,
    version: usize,
    body: usize,
}

impl Case {
    fn expected(self) -> Answer {
        first(&[
            (HTTP[self.http].1, 400),
            (METHODS[self.method].1, 405),
            (HOST[self.host].1, 400),
            (UPGRADE[self.upgrade].1, 400),
            (CONNECTION[self.connection].1, 400),
            (KEY[self.key].1, 400),
            (VERSION[self.version].1, 426),
            (BODY[self.body].2, 400),
        ])
    }

    fn fields(self) -> Vec<(&'static str, &'static str)> {
        let lists = [
            ("host", HOST[self.host]),
            ("upgrade", UPGRADE[self.upgrade]),
            ("connection", CONNECTION[self.connection]),
            ("sec-websocket-key", KEY[self.key]),
            ("sec-websocket-version", VERSION[self.version]),
        ];
        let (name, value, _) = BODY[self.body];
        let lines = lists
            .into_iter()
            .flat_map(|(name, (lines, _))| lines.iter().map(move |line| (name, *line)));
        lines.chain([(name, value)]).collect()
    }

    fn request(self, target: &str) -> Request<()> {
        let mut request = Request::builder()
            .method(METHODS[self.method].0)
            .version(HTTP[self.http].0)
            .uri(target);
        for (name, value) in self.fields() {
            request = request.header(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        request.body(()).unwrap()
    }

    fn bytes(self, target: &str) -> Vec<u8> {
        let version = match HTTP[self.http].0 {
            Version::HTTP_11 => "1.1",
            _ => "1.0",
        };
        let first = format!("{} {target} HTTP/{version}", METHODS[self.method].0);
        let fields = self.fields().into_iter();
        let fields = fields.map(|(name, value)| format!("{name}: {value}"));
        let lines: Vec<_> = [first].into_iter().chain(fields).collect();
        format!("{}\r\n\r\n", lines.join("\r\n")).into_bytes()
    }

    /// Whether hyper shows it to a handler, and a client can send it on a socket.
    fn is_for_sockets(self) -> bool {
        // CONNECT wants another target, HEAD has no text in its answer, and hyper itself refuses
        // bodies that HTTP/1.0 cannot have.
        let method = METHODS[self.method].0;
        !["CONNECT", "HEAD"].contains(&method)
            && HTTP[self.http].0 != Version::HTTP_09
            && (self.http == 0 || BODY[self.body].0 != "transfer-encoding")
    }
}

/// Every request that differs from a good one in at most two places.
fn near(good: Case) -> Vec<Case> {
    type Place = (fn(&mut Case, usize), usize);
    let places: [Place; 8] = [
        (|case, at| case.method = at, METHODS.len()),
        (|case, at| case.http = at, HTTP.len()),
        (|case, at| case.host = at, HOST.len()),
        (|case, at| case.upgrade = at, UPGRADE.len()),
        (|case, at| case.connection = at, CONNECTION.len()),
        (|case, at| case.key = at, KEY.len()),
        (|case, at| case.version = at, VERSION.len()),
        (|case, at| case.body = at, BODY.len()),
    ];
    let mut cases = vec![good];
    for (index, (set, count)) in places.iter().enumerate() {
        for at in 1..*count {
            let mut case = good;
            set(&mut case, at);
            cases.push(case);
            for (other, others) in &places[index + 1..] {
                for at in 1..*others {
                    let mut case = case;
                    other(&mut case, at);
                    cases.push(case);
                }
            }
        }
    }
    cases
}

/// The product of the tables that RFC 6455 §4.2.1 is about.
fn all() -> impl Iterator<Item = Case> {
    let sizes = [
        METHODS.len(),
        HTTP.len(),
        UPGRADE.len(),
        CONNECTION.len(),
        KEY.len(),
        VERSION.len(),
    ];
    (0..sizes.iter().product()).map(move |mut number: usize| {
        let mut next = |size| {
            let at = number % size;
            number /= size;
            at
        };
        Case {
            method: next(sizes[0]),
            http: next(sizes[1]),
            upgrade: next(sizes[2]),
            connection: next(sizes[3]),
            key: next(sizes[4]),
            version: next(sizes[5]),
            ..Case::default()
        }
    })
}

fn target(door: Door) -> String {
    format!("/{}?token={}", door.alg(), door.good())
}

#[tokio::test]
async fn the_table_of_http_1_is_answered_as_the_rfc_has_it() {
    let let_in = LetIn::default();
    let door = service(jwt(Door::Hs), &let_in);
    let target = target(Door::Hs);
    let (mut tried, mut good) = (0, 0);
    let all = all().step_by(of_tier(7, 1));
    for case in near(Case::default()).into_iter().chain(all) {
        let answer = door.clone().oneshot(case.request(&target)).await.unwrap();
        assert_eq!(answer, case.expected(), "{case:?}: {:?}", case.fields());
        tried += 1;
        good += usize::from(answer == Answer::IN);
    }
    println!("{tried} handshakes of HTTP/1, {good} of them good");
    assert_eq!(let_in.count(), good);
    assert!(tried >= of_tier(25_000, 200_000), "{tried}");
    assert!((of_tier(5, 20)..tried / 10).contains(&good), "{good}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_of_http_1_is_answered_on_real_sockets() {
    let server = Server::start().await;
    let target = target(Door::Hs);
    let (mut tried, mut good) = (0, 0);
    let near = near(Case::default());
    for case in near.into_iter().filter(|case| case.is_for_sockets()) {
        let heard = wire::http1(server.address, &case.bytes(&target)).await;
        let expected = case.expected();
        let text = String::from_utf8(case.bytes("/…")).unwrap();
        assert!(heard.is(expected), "{text}{heard:?}, not {expected:?}");
        tried += 1;
        good += usize::from(expected == Answer::IN);
    }
    println!("{tried} handshakes of HTTP/1 on sockets, {good} of them good");
    assert_eq!(server.let_in.count(), good);
    assert!(tried >= 800, "{tried}");
}

/// Request smuggling, as with refused credentials: the good request behind it is not heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_behind_a_refused_handshake_is_heard() {
    let server = Server::start().await;
    let target = target(Door::Hs);
    let good = Case::default().bytes(&target);
    let asks_for_upgrade = |case: &Case| !UPGRADE[case.upgrade].0.is_empty();
    let near = near(Case::default()).into_iter();
    let bad = near.filter(|case| case.expected() != Answer::IN && case.is_for_sockets());
    let mut tried = 0;
    for case in bad.filter(asks_for_upgrade) {
        let requests = [case.bytes(&target), good.clone()].concat();
        let heard = wire::http1_to_its_end(server.address, &requests).await;
        let answers = heard.matches("HTTP/1.").count();
        assert_eq!(answers, 1, "{case:?} {:?}: {heard}", case.fields());
        tried += 1;
    }
    println!("{tried} refused handshakes with a good request behind them");
    assert_eq!(server.let_in.count(), 0);
    assert!(tried >= 700, "{tried}");
}

/// By extended CONNECT: method, `:protocol`, version, body.
fn http2(method: &str, protocol: Option<&'static str>, version: &[&str], uri: &str) -> Request<()> {
    let mut request = Request::builder()
        .method(method)
        .uri(uri)
        .version(Version::HTTP_2);
    if let Some(protocol) = protocol {
        request = request.extension(hyper::ext::Protocol::from_static(protocol));
    }
    for value in version {
        request = request.header("sec-websocket-version", *value);
    }
    request.body(()).unwrap()
}

#[tokio::test]
async fn the_table_of_http_2_is_answered_as_the_rfc_has_it() {
    let let_in = LetIn::default();
    let door = service(jwt(Door::Hs), &let_in);
    let target = format!("http://localhost{}", target(Door::Hs));
    let (mut tried, mut good) = (0, 0);
    for (method, _) in METHODS {
        for (protocol, is_websocket) in PROTOCOL {
            for (version, is_13) in VERSION {
                for (name, value, no_body) in BODY {
                    let mut request = http2(method, protocol, version, &target);
                    let value = HeaderValue::from_static(value);
                    request.headers_mut().insert(name, value);
                    let answer = door.clone().oneshot(request).await.unwrap();
                    let expected = first(&[
                        (method == "CONNECT", 405),
                        (is_websocket, 400),
                        (is_13, 426),
                        (no_body, 400),
                    ]);
                    let what = format!("{method} {protocol:?} {version:?} {name}");
                    assert_eq!(answer, expected, "{what}");
                    tried += 1;
                    good += usize::from(answer == Answer::IN);
                }
            }
        }
    }
    // Neither is there a WebSocket on HTTP/3 here.
    let mut request = http2("CONNECT", Some("websocket"), &["13"], &target);
    *request.version_mut() = Version::HTTP_3;
    let answer = door.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.refusal, Some("handshake_invalid"));
    println!("{tried} handshakes of HTTP/2, {good} of them good");
    assert_eq!((tried, good), (2_800, 2));
    assert_eq!(let_in.count(), good);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_of_http_2_is_answered_on_a_real_socket() {
    let server = Server::start().await;
    let target = format!("http://localhost{}", target(Door::Hs));
    let mut connection = Http2::connect(server.address).await;
    let (mut tried, mut good) = (0, 0);
    for method in ["CONNECT", "GET", "POST", "PUT", "OPTIONS"] {
        for (protocol, is_websocket) in PROTOCOL {
            // Without `:protocol` there is no path (RFC 9113 §8.5), and only CONNECT may have one.
            if (method == "CONNECT") != protocol.is_some() {
                continue;
            }
            for (version, is_13) in VERSION {
                let request = http2(method, protocol, version, &target);
                let heard = connection
                    .talk(request.map(|()| Empty::<Bytes>::new()))
                    .await;
                let expected = first(&[
                    (method == "CONNECT", 405),
                    (is_websocket, 400),
                    (is_13, 426),
                ]);
                let what = format!("{method} {protocol:?} {version:?}");
                assert!(heard.is(expected), "{what}: {heard:?}, not {expected:?}");
                tried += 1;
                good += usize::from(expected == Answer::IN);
            }
        }
    }
    println!("{tried} handshakes of HTTP/2 on a socket, {good} of them good");
    assert_eq!((tried, good), (100, 1));
    assert_eq!(server.let_in.count(), good);
}
