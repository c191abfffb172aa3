//! Session cookies that Express did not sign, or signed for no login, and pages that may not
//! connect.

use http::{HeaderValue, Version};
use tower::ServiceExt;
use tower_ws_auth::{Origins, Sessions};

use super::carriers::{Wire, refused};
use crate::forge::{COOKIE_SECRET, b64, express, percent_encoded};
use crate::stack::{Answer, LetIn, PAGE, Record, Server, service, sessions, user};
use crate::wire::{self, Http2};

const NAME: &str = "connect.sid";

/// The `Cookie` lines of a request that must be refused.
struct Forged {
    what: String,
    lines: Vec<Vec<u8>>,
    refusal: &'static str,
}

/// The ids worth stealing: of a login, and of a visitor who has not logged in.
struct Ids {
    ada: String,
    stranger: String,
    gone: String,
}

impl Ids {
    async fn new(sessions: &Sessions<Record>) -> Self {
        let make = async |user: Option<&str>| {
            let record = Record {
                user: user.map(str::to_owned),
            };
            sessions.create(&record).await.unwrap().0
        };
        let (ada, stranger, gone) = (make(Some("ada")).await, make(None).await, make(Some("eve")));
        let gone = gone.await;
        sessions.destroy(&gone).await.unwrap();
        let text = |id: &tower_ws_auth::session::SessionId| id.as_str().to_owned();
        Self {
            ada: text(&ada),
            stranger: text(&stranger),
            gone: text(&gone),
        }
    }

    fn good(&self) -> Vec<u8> {
        written(express(COOKIE_SECRET, &self.ada))
    }
}

/// One line, with a decoded value as a browser would send it.
fn written(value: impl AsRef<[u8]>) -> Vec<u8> {
    line(percent_encoded(value))
}

fn line(raw: impl AsRef<[u8]>) -> Vec<u8> {
    [b"theme=dark; connect.sid=", raw.as_ref(), b"; a=b"].concat()
}

fn corpus(ids: &Ids) -> Vec<Forged> {
    let good = express(COOKIE_SECRET, &ids.ada);
    let mut forged = Vec::new();
    flipped(&good, &mut forged);
    cut(&good, &mut forged);
    signed_otherwise(ids, &mut forged);
    written_otherwise(&good, &mut forged);
    named_otherwise(&good, &mut forged);
    forged
}

fn add(forged: &mut Vec<Forged>, what: impl Into<String>, lines: Vec<Vec<u8>>) {
    forged.push(Forged {
        what: what.into(),
        lines,
        refusal: "session_invalid",
    });
}

/// Each bit of the value, and each bit of what is written.
fn flipped(good: &str, forged: &mut Vec<Forged>) {
    for (at, bit) in (0..good.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut other = good.as_bytes().to_vec();
        other[at] ^= 1 << bit;
        let what = format!("bit {bit} of byte {at} of the value flipped");
        add(forged, what, vec![written(other)]);
    }
    let encoded = percent_encoded(good).into_bytes();
    for (at, bit) in (0..encoded.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut other = encoded.clone();
        other[at] ^= 1 << bit;
        if is_same_escape(&encoded, at, bit) {
            continue;
        }
        let what = format!("bit {bit} of byte {at} of what is written flipped");
        add(forged, what, vec![line(other)]);
    }
}

/// Whether this bit only changes the case of a hexadecimal digit in an escape: `%3a` is `%3A`.
pub(crate) fn is_same_escape(encoded: &[u8], at: usize, bit: u32) -> bool {
    let in_escape = (1..=2).any(|back| at >= back && encoded[at - back] == b'%');
    bit == 5 && in_escape && encoded[at].is_ascii_alphabetic()
}

/// Every beginning and every end of it, alone and where the other half is.
fn cut(good: &str, forged: &mut Vec<Forged>) {
    for at in 0..good.len() {
        let (head, tail) = good.split_at(at);
        add(forged, format!("the first {at} bytes"), vec![written(head)]);
        if at > 0 {
            add(forged, format!("without {at} bytes"), vec![written(tail)]);
            add(
                forged,
                format!("turned at {at}"),
                vec![written([tail, head].concat())],
            );
            add(
                forged,
                format!("split over two lines at {at}"),
                vec![written(head), line(percent_encoded(tail))],
            );
        }
        let doubled = [head, &tail[..1], tail].concat();
        add(forged, format!("byte {at} twice"), vec![written(doubled)]);
    }
}

/// Good ids under other signatures, and other ids under good ones.
fn signed_otherwise(ids: &Ids, forged: &mut Vec<Forged>) {
    let ada = ids.ada.as_str();
    let good = express(COOKIE_SECRET, ada);
    let (_, signature) = good.rsplit_once('.').unwrap();
    for secret in [
        "keyboard cat",
        "secret",
        "0",
        " ",
        "keyboard cat, and a few other",
        "changeme",
    ] {
        let what = format!("signed by {secret:?}");
        add(forged, what, vec![written(express(secret, ada))]);
    }
    for signed in [
        format!("s:{ada}"),
        format!("{ada}."),
        format!("{NAME}={ada}"),
        ada.to_uppercase(),
    ] {
        let other = express(COOKIE_SECRET, &signed);
        let (_, other) = other.rsplit_once('.').unwrap();
        add(
            forged,
            format!("the signature of {signed:?}"),
            vec![written(format!("s:{ada}.{other}"))],
        );
    }
    let long = "a".repeat(257);
    let many = "a".repeat(2_000);
    let ids = [
        ("nobody's id", "0123456789abcdef0123456789abcdef"),
        ("an id that is not logged in", &ids.stranger),
        ("an id that was logged out", &ids.gone),
        ("an empty id", ""),
        ("the signed value as an id", &good),
        ("an id of 257 bytes", &long),
        ("an id of 2,000 bytes", &many),
        ("an id with a line in it", "a\r\nSet-Cookie: a=b"),
        ("an id with a zero byte", "a\0b"),
        ("a path", "../../etc/passwd"),
        ("a command", "*\r\nFLUSHALL"),
        ("a wildcard", "*"),
        ("a dot", "."),
        ("an id in JSON", r#"{"user":"ada"}"#),
        ("__proto__", "__proto__"),
    ];
    for (what, id) in ids {
        add(
            forged,
            format!("{what}, well signed"),
            vec![written(express(COOKIE_SECRET, id))],
        );
        add(
            forged,
            format!("{what}, signature of another"),
            vec![written(format!("s:{id}.{signature}"))],
        );
        add(
            forged,
            format!("{what}, unsigned"),
            vec![written(format!("s:{id}."))],
        );
        add(
            forged,
            format!("{what}, unsigned and without a dot"),
            vec![written(format!("s:{id}"))],
        );
        // The check of the well-known example compares with what comes in.
        add(
            forged,
            format!("{what}, badly signed"),
            vec![written(format!("s:{id}.bad"))],
        );
    }
}

/// The right bytes in the wrong letters.
fn written_otherwise(good: &str, forged: &mut Vec<Forged>) {
    let (body, signature) = good.rsplit_once('.').unwrap();
    let id = body.strip_prefix("s:").unwrap();
    // As bytes, for where they differ from the standard alphabet depends on the id.
    let url_safe = signature.replace('+', "-").replace('/', "_");
    let mut values = vec![
        id.to_owned(),
        format!("{id}.{signature}"),
        format!("S:{id}.{signature}"),
        format!("s;{id}.{signature}"),
        format!("s:s:{id}.{signature}"),
        format!("j:{id}.{signature}"),
        format!("j:{}", serde_json::json!({ "user": "ada" })),
        format!("s:{id}.{signature}="),
        format!("s:{id}.{signature}=="),
        format!("s:{id}.{signature}."),
        format!("s:{id}..{signature}"),
        format!("s:{id}.{signature}.{signature}"),
        format!("s:{id}:{signature}"),
        format!("s:.{signature}"),
        format!("s:{signature}.{id}"),
        format!(" s:{id}.{signature}"),
        format!("s:{id}.{signature} "),
        format!("s:{id}.{signature}\n"),
        format!("s:{id}.{signature}\0"),
        format!("s:{id} .{signature}"),
        format!("s:{}.{signature}", id.to_uppercase()),
        format!("s:{id}.{}", signature.to_lowercase()),
        format!("s:{id}.{}", b64(signature)),
        "true".to_owned(),
        "null".to_owned(),
        "[object Object]".to_owned(),
        "deleted".to_owned(),
        String::new(),
        "s:".to_owned(),
        "s:.".to_owned(),
    ];
    if url_safe != signature {
        values.push(format!("s:{id}.{url_safe}"));
    }
    for value in values.into_iter().filter(|value| value != good) {
        add(
            forged,
            format!("written as {value:?}"),
            vec![written(&value)],
        );
    }
    let encoded = percent_encoded(good);
    for raw in [
        percent_encoded(&encoded),
        percent_encoded(percent_encoded(&encoded)),
        encoded.replace('%', "%%"),
        encoded.replace("%3A", "%u003A"),
        encoded.replace("%3A", "&colon;"),
        encoded.replace("%3A", "\\x3a"),
        encoded.replace("%3A", "%3"),
        format!("\"\"{encoded}\"\""),
        format!("'{encoded}'"),
        format!("\"{encoded}"),
        format!("{encoded}%"),
        format!("{encoded}%00"),
        format!("{encoded}%FF"),
        format!("{encoded},{encoded}"),
        format!("{encoded}{}", "a".repeat(1_024)),
        "%".repeat(1_024),
        "%FF%FE".to_owned(),
        "%C0%80".to_owned(),
    ] {
        add(forged, format!("encoded as {raw:.80}"), vec![line(raw)]);
    }
    // As express does, the first of two decides.
    let bad = line("s%3Ax.bad");
    let real = line(&encoded);
    add(
        forged,
        "a bad one before the good one",
        vec![[&bad[..], b"; ", &real].concat()],
    );
    add(
        forged,
        "a bad one in a line before the good one",
        vec![bad, real],
    );
    add(
        forged,
        "an empty one before the good one",
        vec![[b"connect.sid=; ", &line(&encoded)[..]].concat()],
    );
    let blank = b"\xe2\x80\x80".as_slice();
    add(
        forged,
        "raw bytes around it",
        vec![line([blank, encoded.as_bytes()].concat())],
    );
}

/// A valid value under another name is not ours.
fn named_otherwise(good: &str, forged: &mut Vec<Forged>) {
    let value = percent_encoded(good);
    for name in [
        "Connect.sid",
        "CONNECT.SID",
        "connect%2Esid",
        "connect.sid.",
        "connect.si",
        "connect_sid",
        "connect.sid[]",
        "$connect.sid",
        "xconnect.sid",
        "__Host-connect.sid",
        "\"connect.sid\"",
        "\u{2000}connect.sid",
        "connect.sid\u{a0}",
        "a=connect.sid",
        "",
    ] {
        forged.push(Forged {
            what: format!("under the name {name:?}"),
            lines: vec![format!("a=b; {name}={value}").into_bytes()],
            refusal: "credentials_missing",
        });
    }
    for (what, lines) in [
        ("no cookie at all", vec![]),
        ("a name without a value", vec![b"connect.sid".to_vec()]),
        ("an empty field", vec![Vec::new()]),
        ("separators", vec![b";;; ; =;==;".to_vec()]),
        (
            "a comma for a semicolon",
            vec![format!("a=b, connect.sid={value}").into_bytes()],
        ),
    ] {
        forged.push(Forged {
            what: what.to_owned(),
            lines,
            refusal: "credentials_missing",
        });
    }
}

/// The page, and whether it may connect if only the cookie is wrong.
const PAGES: [(Option<&str>, bool); 7] = [
    (Some(PAGE), true),
    (None, false),
    (Some("null"), false),
    (Some("https://evil.example"), false),
    (Some("https://app.example.evil.example"), false),
    (Some("http://app.example"), false),
    (Some("https://app.example:8443"), false),
];

fn wire(lines: &[Vec<u8>], page: Option<&'static str>) -> Option<Wire> {
    let mut wire = Wire::to("/session");
    if let Some(page) = page {
        wire.add("origin", page);
    }
    for line in lines {
        HeaderValue::from_bytes(line).ok()?;
        wire.add("cookie", line.clone());
    }
    Some(wire)
}

/// A foreign page is refused before anything is looked at; without a page only a cookie is.
fn expected(forged: &Forged, page: Option<&str>, allowed: bool) -> Answer {
    match (page, forged.refusal) {
        _ if allowed => refused(forged.refusal),
        (None, "credentials_missing") => refused("credentials_missing"),
        _ => refused("origin_denied"),
    }
}

#[tokio::test]
async fn every_forged_cookie_is_refused_from_every_page() {
    let (let_in, sessions) = (LetIn::default(), sessions());
    let ids = Ids::new(&sessions).await;
    let strategy = sessions.strategy(Origins::new([PAGE]).unwrap(), user);
    let door = service(strategy, &let_in);
    let (mut tried, mut not_writable) = (0, 0);
    let corpus = corpus(&ids);
    for forged in &corpus {
        for (page, allowed) in PAGES {
            let Some(wire) = wire(&forged.lines, page) else {
                not_writable += 1;
                continue;
            };
            for version in [Version::HTTP_11, Version::HTTP_2] {
                let answer = door.clone().oneshot(wire.request(version)).await.unwrap();
                let expected = expected(forged, page, allowed);
                assert_eq!(answer, expected, "{page:?} {version:?}: {}", forged.what);
                tried += 1;
            }
        }
    }
    println!(
        "{} forged cookies, {tried} requests, {} let in; {not_writable} cannot be written",
        corpus.len(),
        let_in.count()
    );
    assert_eq!(let_in.count(), 0);
    assert!(corpus.len() >= 1_500, "{}", corpus.len());
    assert!(tried >= 20_000, "{tried}");
    // The control, and a good cookie from pages that may not ask.
    let good = [ids.good()];
    for (page, allowed) in PAGES {
        let answer = door
            .clone()
            .oneshot(wire(&good, page).unwrap().request(Version::HTTP_11));
        let expected = if allowed {
            Answer::IN
        } else {
            refused("origin_denied")
        };
        assert_eq!(answer.await.unwrap(), expected, "{page:?}");
    }
    assert_eq!(let_in.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_cookies_are_refused_on_real_sockets() {
    let server = Server::start().await;
    let ids = Ids::new(&server.sessions).await;
    let mut http2 = Http2::connect(server.address).await;
    let (mut by_http1, mut by_http2) = (0, 0);
    for forged in corpus(&ids) {
        let Some(wire) = wire(&forged.lines, Some(PAGE)) else {
            continue;
        };
        let expected = refused(forged.refusal);
        let heard = wire::http1(server.address, &wire.bytes()).await;
        assert!(heard.is(expected), "{}: {heard:?}", forged.what);
        by_http1 += 1;
        let heard = http2.ask(&wire).await;
        assert!(heard.is(expected), "{}: {heard:?}", forged.what);
        by_http2 += 1;
    }
    println!("forged cookies refused on sockets: {by_http1} by HTTP/1.1, {by_http2} by HTTP/2");
    assert_eq!(server.let_in.count(), 0);
    assert!(by_http1 >= 1_400, "{by_http1}");
    assert!(by_http2 >= 1_400, "{by_http2}");
    let good = wire(&[ids.good()], Some(PAGE)).unwrap();
    assert!(
        wire::http1(server.address, &good.bytes())
            .await
            .is(Answer::IN)
    );
    assert!(http2.ask(&good).await.is(Answer::IN));
    assert_eq!(server.let_in.count(), 2);
}
