//! What a signed cookie costs, beside axum-extra's `SignedCookieJar`: `cargo bench -p
//! tower-ws-auth-session --bench cookies`.
//!
//! From the `Cookie` field to the verified value, without a store; other cookies stand around it.
//! Both sides take turns, and the median counts: compare the ratio, not the nanoseconds. With
//! `--check` it fails where an allocation goal is missed; times are only shown.

use std::hint::black_box;
use std::time::{Duration, Instant};

use axum_extra::extract::cookie::{Key, SignedCookieJar};
use cookie::{Cookie, CookieJar};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tower_ws_auth_session::{MemorySessions, Secrets, Sessions};

const ROUNDS: usize = 201;
const CALLS: u32 = 2_000;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let key = Key::from(&[7; 64]);
    let sessions: Sessions<Value> =
        Sessions::builder(Secrets::express([[7; 32]])?, MemorySessions::new(10)).build()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let (id, cookie) = runtime.block_on(sessions.create(&json!({ "user": "ada" })))?;
    let ours = cookie
        .to_str()?
        .split(';')
        .next()
        .unwrap_or_default()
        .to_owned();
    let theirs = signed_by_jar(id.as_str());

    println!("| signed cookie | ours | SignedCookieJar | ratio | allocations | goal |");
    println!("|---|---|---|---|---|---|");
    for (name, ours, theirs, good) in [
        ("good signature", ours.clone(), theirs.clone(), true),
        ("bad signature", spoilt(&ours), spoilt(&theirs), false),
    ] {
        let (ours, theirs) = (field(&ours)?, field(&theirs)?);
        let we = || sessions.signed_id(black_box(&ours)).is_some();
        let they = || {
            SignedCookieJar::from_headers(black_box(&theirs), key.clone())
                .get("sid")
                .is_some()
        };
        assert_eq!((we(), they()), (good, good));
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            times[0].push(time(we));
            times[1].push(time(they));
        }
        let [ours, theirs] = times.map(median);
        let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
        let allocations = [count(we), count(they)];
        let most = if good { 3 } else { 0 };
        let (cheap, fast) = (allocations[0] <= most, !good || ratio <= 0.3);
        let goal = if good {
            "≤ 0.3, ≤ 3"
        } else {
            "0 allocations"
        };
        let met = if cheap && fast { "met" } else { "NOT MET" };
        println!(
            "| {name} | {ours:?} | {theirs:?} | {ratio:.2} | {} : {} | {goal}: {met} |",
            allocations[0], allocations[1],
        );
        if !cheap && std::env::args().any(|argument| argument == "--check") {
            return Err(format!("{name}: more than {most} allocations").into());
        }
    }
    Ok(())
}

fn signed_by_jar(value: &str) -> String {
    let mut jar = CookieJar::new();
    let key = cookie::Key::from(&[7; 64]);
    jar.signed_mut(&key)
        .add(Cookie::new("sid", value.to_owned()));
    jar.get("sid")
        .map(|cookie| cookie.encoded().to_string())
        .unwrap_or_default()
}

/// Another character in the signature.
fn spoilt(pair: &str) -> String {
    let at = pair.find("%3D").map_or(pair.len() - 10, |at| at - 10);
    let other = if pair.as_bytes()[at] == b'A' {
        "B"
    } else {
        "A"
    };
    let mut spoilt = pair.to_owned();
    spoilt.replace_range(at..=at, other);
    spoilt
}

fn field(pair: &str) -> Result<HeaderMap, Failure> {
    let line = format!("theme=dark; _ga=GA1.1.1234567890.1234567890; {pair}; lang=en");
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, HeaderValue::from_str(&line)?);
    Ok(headers)
}

fn time(call: impl Fn() -> bool) -> Duration {
    let began = Instant::now();
    for _ in 0..CALLS {
        black_box(call());
    }
    began.elapsed() / CALLS
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn count(call: impl Fn() -> bool) -> u64 {
    allocation_counter::measure(|| {
        black_box(call());
    })
    .count_total
}
