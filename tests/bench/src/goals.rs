//! The goals: the cases that they compare, and their limits.

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Measure {
    Time,
    Instructions,
    Allocations,
    Bytes,
    Number,
}

impl Measure {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "time" => Self::Time,
            "instructions" => Self::Instructions,
            "allocations" => Self::Allocations,
            "bytes" => Self::Bytes,
            "number" => Self::Number,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Instructions => "instructions",
            Self::Allocations => "allocations",
            Self::Bytes => "bytes",
            Self::Number => "measured",
            Self::Time => "time",
        }
    }
}

/// A case, less another, over a third, by a factor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quantity {
    pub(crate) of: &'static str,
    pub(crate) minus: Option<&'static str>,
    pub(crate) over: Option<&'static str>,
    pub(crate) scale: f64,
    /// The common part of both sides of a ratio, which is left out.
    pub(crate) without: Option<&'static str>,
}

const fn of(case: &'static str) -> Quantity {
    Quantity {
        of: case,
        minus: None,
        over: None,
        scale: 1.0,
        without: None,
    }
}

impl Quantity {
    const fn minus(mut self, case: &'static str) -> Self {
        self.minus = Some(case);
        self
    }

    const fn over(mut self, case: &'static str) -> Self {
        self.over = Some(case);
        self
    }

    const fn without(mut self, case: &'static str) -> Self {
        self.without = Some(case);
        self
    }

    const fn per_byte_of_60k(mut self) -> Self {
        self.scale = 1.0 / 60_000.0;
        self
    }

    const fn in_thousands(mut self) -> Self {
        self.scale = 1e-3;
        self
    }
}

pub(crate) struct Goal {
    /// The number in the list of goals.
    pub(crate) row: &'static str,
    pub(crate) what: &'static str,
    pub(crate) measure: Measure,
    pub(crate) unit: &'static str,
    pub(crate) most: f64,
    pub(crate) ours: Quantity,
    pub(crate) others: &'static [(&'static str, Quantity)],
    pub(crate) limit: Option<(&'static str, Quantity)>,
    /// `false` for values that vary between runs.
    pub(crate) demanded: bool,
    /// For a missed goal: the limit that holds instead, and the reason.
    pub(crate) held: Option<(f64, &'static str)>,
}

impl Goal {
    const fn new(
        row: &'static str,
        what: &'static str,
        measure: Measure,
        ours: Quantity,
        most: f64,
    ) -> Self {
        Self {
            row,
            what,
            measure,
            unit: match measure {
                Measure::Bytes => " B",
                Measure::Allocations => "",
                _ => "×",
            },
            most,
            ours,
            others: &[],
            limit: None,
            demanded: !matches!(measure, Measure::Time | Measure::Number),
            held: None,
        }
    }

    const fn beside(mut self, others: &'static [(&'static str, Quantity)]) -> Self {
        self.others = others;
        self
    }

    const fn demanded(mut self) -> Self {
        self.demanded = true;
        self
    }

    const fn held(mut self, most: f64, why: &'static str) -> Self {
        self.held = Some((most, why));
        self
    }

    const fn limit(mut self, name: &'static str, limit: Quantity) -> Self {
        self.limit = Some((name, limit));
        self
    }

    const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }
}

use Measure::{Allocations, Bytes, Instructions, Number, Time};

const ACCEPTED: &[(&str, Quantity)] = &[
    (
        "by hand in axum",
        of("hand/good").minus("hand/bare").over("decode/good"),
    ),
    (
        "axum-jwt-auth",
        of("axum-jwt-auth/good")
            .minus("axum-jwt-auth/bare")
            .over("decode/good"),
    ),
    (
        "jwt-authorizer",
        of("jwt-authorizer/good")
            .minus("jwt-authorizer/bare")
            .over("decode/good"),
    ),
    (
        "tower-oauth2-resource-server",
        of("oauth2/good").minus("oauth2/bare").over("decode/good"),
    ),
];
const ADDED: &[(&str, Quantity)] = &[
    ("by hand in axum", of("hand/good").minus("hand/bare")),
    (
        "axum-jwt-auth",
        of("axum-jwt-auth/good").minus("axum-jwt-auth/bare"),
    ),
    (
        "jwt-authorizer",
        of("jwt-authorizer/good").minus("jwt-authorizer/bare"),
    ),
    (
        "tower-oauth2-resource-server",
        of("oauth2/good").minus("oauth2/bare"),
    ),
];
const REFUSED: &[(&str, Quantity)] = &[
    ("by hand in axum", of("hand/bad").minus("request")),
    ("axum-jwt-auth", of("axum-jwt-auth/bad").minus("request")),
    ("jwt-authorizer", of("jwt-authorizer/bad").minus("request")),
    (
        "tower-oauth2-resource-server",
        of("oauth2/bad").minus("request"),
    ),
];
const MISSING: &[(&str, Quantity)] = &[
    ("by hand in axum", of("hand/none").minus("handshake")),
    ("axum-jwt-auth", of("axum-jwt-auth/none").minus("handshake")),
    (
        "jwt-authorizer",
        of("jwt-authorizer/none").minus("handshake"),
    ),
    (
        "tower-oauth2-resource-server",
        of("oauth2/none").minus("handshake"),
    ),
];
const COOKIE: &[(&str, Quantity)] = &[("axum-extra", of("cookie/jar").over("cookie/jar"))];

/// The reasons for missed goals.
const LAYER: &str = "more than half of it is the decision. A quarter of the decision is the signature, and a quarter is \
     serde_json reading the claims into the application's type, as in jsonwebtoken. The rest is base64, \
     the rules and the member names at any depth. The other half is the layer: it checks the handshake, \
     takes the credential out of the head, and moves head, grant and futures. Any decision takes 0.25 µs \
     less in a loop than after a request. Here jsonwebtoken's is in a loop, and ours after a request";
const LEAST: &str = "by hand";
/// The limit of two threads.
const APART: &str = "two stacks";
const WHOLE: &str = "docs/cost.md has the profile, function by function, beside the floor by hand";
const LEASE: &str = "more than two fifths of the difference is hyper's server in memory, which makes the \
     `OnUpgrade` that a lease can end: any handler takes it, where the handler of the floor has to lend \
     its connection. A seventh is the layers of E1. The rest is the lease, and the connection that both \
     ends share; the registry costs little more than the floor's";
const LINK: &str = "between hyper's connection and the handler stands one that was read ahead, as with a lease. \
     In memory there are no system calls, which a message over a socket mostly pays for";
const PACKED: &str = "a head that waits is put together, and made again when the message is there: so a client that \
     waits takes 3 kB, and no buffer of its server";
const CLOSING_HANDSHAKE: &str = "a quarter of the difference moves memory, and an eighth is allocations. The rest is the \
     check of the handshake, the refusal with its evidence for the layers further out, and its conversion. \
     The least that writes, reads the answer and ends checks nothing, counts nobody and waits for ever";
const TURNS: &str = "two cores take turns at the cache lines of the counts and locks that docs/cost.md names under *With \
     many cores*; the lease clock is one lock, and the store of tickets alone does nothing but take such turns";
const NEXT_SHARD: &str = "each issue also looks after the next shard, which is rarely in the processor's cache, so that no \
     task has to remove expired tickets";
const GLIBC: &str = "no lock is held for longer than 1 µs of it. A call frees up to two shards, 800 tickets, and glibc now \
     and then merges all small pieces that are free in one walk. With jemalloc the longest call takes 52 µs, and most \
     take 25";
const PENDING: &str =
    "a command has a deadline of its own, a place among those in flight, and a key with a prefix";
const FLOOD: &str = "a good handshake waits for refused ones that stand before it on the only core";
const ACCEPTED_WITHOUT_MAC: &[(&str, Quantity)] = &[
    ("by hand in axum", ACCEPTED[0].1.without("mac")),
    ("axum-jwt-auth", ACCEPTED[1].1.without("mac")),
    ("jwt-authorizer", ACCEPTED[2].1.without("mac")),
    ("tower-oauth2-resource-server", ACCEPTED[3].1.without("mac")),
];

#[rustfmt::skip]
pub(crate) const GOALS: &[Goal] = &[
    // 0.5 until jsonwebtoken 12, which takes 18 % less time, and until serde_json read our claims.
    Goal::new("E1", "accepted by close, origin and JWT: CPU, over hyper's bare 101", Time, of("accept/jwt").over("accept/hyper"), 1.1).beside(&[("by hand in axum", of("accept/hand").over("accept/hyper"))]).limit(LEAST, of("accept/least").over("accept/hyper")).held(1.3, WHOLE),
    Goal::new("E1", "the same in memory, over the least by hand, without the decision", Instructions, of("whole/jwt").over("whole/least").without("jwt/good"), 1.1).beside(&[("by hand in axum", of("whole/hand").over("whole/least").without("jwt/good"))]).held(1.12, WHOLE),
    Goal::new("E1", "the same over hyper's bare 101", Instructions, of("whole/jwt").minus("jwt/good").over("whole/hyper"), 1.1).beside(&[("by hand in axum", of("whole/hand").minus("decode/good").over("whole/hyper"))]).limit(LEAST, of("whole/least").minus("jwt/good").over("whole/hyper")).held(1.3, WHOLE),
    Goal::new("E2", "the same with a lease: CPU", Time, of("accept/lease").over("accept/hyper"), 1.22).limit(LEAST, of("accept/lease-least").over("accept/hyper")).held(1.6, LEASE),
    Goal::new("E2", "the same with a key to revoke by: CPU, over the least by hand", Time, of("accept/lease-key").over("accept/lease-least"), 1.22).held(1.4, LEASE),
    Goal::new("E2", "the same in memory with a key to revoke by, over the least by hand, without the decision", Instructions, of("whole/lease-key").over("whole/lease-least").without("jwt/good"), 1.22).held(1.55, LEASE),
    Goal::new("E2", "the same without a key, over hyper's bare 101", Instructions, of("whole/lease").minus("jwt/good").over("whole/hyper"), 1.22).limit("by hand, with a key", of("whole/lease-least").minus("jwt/good").over("whole/hyper")).held(1.95, LEASE),
    Goal::new("E2", "a lease on an open connection", Bytes, of("lease/kept").minus("lease/bare-kept"), 1024.0),
    Goal::new("E3", "refused with 401: CPU, over hyper's bare 101", Time, of("refuse/plain").over("accept/hyper"), 1.07).limit(LEAST, of("refuse/least").over("accept/hyper")).held(1.3, WHOLE),
    Goal::new("E3", "the same in memory, over the least by hand, without the decision", Instructions, of("whole/refuse").over("whole/refuse-least").without("jwt/bad"), 1.07).held(1.1, WHOLE),
    Goal::new("E3", "the same over hyper's bare 101", Instructions, of("whole/refuse").minus("jwt/bad").over("whole/hyper"), 1.07).limit(LEAST, of("whole/refuse-least").minus("jwt/bad").over("whole/hyper")).held(1.15, WHOLE),
    Goal::new("E4", "refused with a close frame: CPU, over the least by hand", Time, of("close/ours").over("close/least"), 1.0).beside(&[("axum", of("close/axum").over("close/least")), ("axum, tuned", of("close/axum-tuned").over("close/least"))]).held(1.3, CLOSING_HANDSHAKE),
    Goal::new("E4", "the same, over the least by hand that checks, counts and has a deadline: CPU", Time, of("close/ours").over("close/bounded"), 1.0).held(1.2, CLOSING_HANDSHAKE),
    Goal::new("E4", "the same, in memory", Instructions, of("whole/close").over("whole/close-least"), 1.0).beside(&[("axum", of("close/axum-memory").over("whole/close-least")), ("axum, tuned", of("close/axum-tuned-memory").over("whole/close-least"))]).limit("by hand, bounded", of("whole/close-bounded").over("whole/close-least")).held(1.3, CLOSING_HANDSHAKE),
    Goal::new("E4", "the same, over the least by hand that checks, counts and has a deadline", Instructions, of("whole/close").over("whole/close-bounded"), 1.0).held(1.2, CLOSING_HANDSHAKE),
    Goal::new("E5", "accepted by a session in memory: CPU, over hyper's bare 101", Time, of("session/accept").over("session/hyper"), 1.1).limit(LEAST, of("session/least").over("session/hyper")).held(1.5, WHOLE),
    Goal::new("E5", "the same, over the least by hand: CPU of a session", Time, of("session/accept").over("session/least"), 1.1).held(1.3, WHOLE),
    Goal::new("E5", "the same in memory, over the least by hand, without the signature", Instructions, of("whole/session").over("whole/session-least").without("cookie/ours"), 1.1).held(1.35, WHOLE),
    Goal::new("E5", "the same over hyper's bare 101", Instructions, of("whole/session").minus("cookie/ours").over("whole/session-hyper"), 1.1).limit(LEAST, of("whole/session-least").minus("cookie/ours").over("whole/session-hyper")).held(1.6, WHOLE),
    Goal::new("E5", "accepted by a ticket in memory: CPU, over hyper's bare 101", Time, of("ticket/accept").over("ticket/hyper"), 1.1).limit(LEAST, of("ticket/least").over("ticket/hyper")).held(1.5, WHOLE),
    Goal::new("E5", "the same, over the least by hand: CPU of a ticket", Time, of("ticket/accept").over("ticket/least"), 1.1).held(1.3, WHOLE),
    Goal::new("E5", "the same in memory, over the least by hand, without the digest", Instructions, of("whole/ticket").over("whole/ticket-least").without("ticket/key"), 1.1).held(1.4, WHOLE),
    Goal::new("E5", "the same over hyper's bare 101", Instructions, of("whole/ticket").minus("ticket/key").over("whole/ticket-hyper"), 1.1).limit(LEAST, of("whole/ticket-least").minus("ticket/key").over("whole/ticket-hyper")).held(1.5, WHOLE),
    Goal::new("E6", "accepted by a first message: CPU, over E1", Time, of("message/accept").over("accept/jwt"), 1.5),
    Goal::new("E6", "the same, in memory", Instructions, of("whole/message").over("whole/jwt"), 1.5).held(1.55, PACKED),
    Goal::new("E6", "a message on it, over one on a connection of E1", Instructions, of("message/echo").over("query/echo"), 1.01).held(1.3, LINK),
    Goal::new("E6", "the same, over one on a connection with a lease", Instructions, of("message/echo").over("leased/echo"), 1.01),
    Goal::new("E6", "a client that says nothing and is told so, in memory, over E1", Instructions, of("message/silent").over("whole/jwt"), 1.5),
    Goal::new("E6", "one whose place the next client takes", Instructions, of("message/evicted").over("whole/jwt"), 1.5),
    Goal::new("E6", "one that waits", Bytes, of("message/waiting-kept"), 4096.0),
    Goal::new("E7", "two threads with one stack: JWT, the time of each over one alone", Number, of("two/jwt"), 1.053).limit(APART, of("two/apart")).held(1.2, TURNS),
    Goal::new("E7", "the same with a lease, and one key for all", Number, of("two/lease"), 1.053).limit(APART, of("two/apart")).held(1.4, TURNS),
    Goal::new("E7", "the same with one session in memory", Number, of("two/session"), 1.053).limit(APART, of("two/apart")).held(1.3, TURNS),
    Goal::new("E7", "the same with tickets in memory", Number, of("two/ticket"), 1.053).limit(APART, of("two/apart")).held(1.3, TURNS),
    Goal::new("E7", "the store of tickets alone", Number, of("two/store"), 1.053).limit(APART, of("two/apart")).held(2.0, TURNS),
    Goal::new("1", "JWT layer, HS256, accepted, over jsonwebtoken::decode", Time, of("layer/good").minus("layer/bare").over("decode/good"), 0.5).beside(ACCEPTED).held(0.85, LAYER),
    Goal::new("1", "the same, without one HMAC on both sides", Instructions, of("layer/good").minus("layer/bare").over("decode/good").without("mac"), 0.65).beside(ACCEPTED_WITHOUT_MAC).held(0.68, LAYER),
    Goal::new("2", "its allocations, 4 strings in the claims", Allocations, of("layer/good").minus("layer/bare"), 7.0).beside(ADDED),
    Goal::new("3", "bad signature, the decision, over jsonwebtoken's", Time, of("jwt/bad").over("decode/bad"), 0.3),
    Goal::new("3", "the same, without one HMAC on both sides", Instructions, of("jwt/bad").over("decode/bad").without("mac"), 0.3),
    Goal::new("3", "its allocations", Allocations, of("jwt/bad"), 0.0).beside(&[("jsonwebtoken", of("decode/bad"))]),
    Goal::new("3", "the whole refusal", Allocations, of("layer/bad").minus("request"), 6.0).beside(REFUSED),
    Goal::new("4", "no credential, the decision", Instructions, of("carriers/default"), 500.0).unit(""),
    Goal::new("4", "with all carriers, and RFC 6455 §4.2.1", Instructions, of("carriers/none"), 2500.0).unit(""),
    Goal::new("4", "its allocations", Allocations, of("carriers/none"), 0.0),
    Goal::new("4", "the whole refusal", Allocations, of("layer/none").minus("handshake"), 6.0).beside(MISSING),
    Goal::new("5", "a token of 60 kB, over a good decode", Time, of("jwt/long").over("decode/good"), 0.1).beside(&[("jsonwebtoken", of("decode/long").over("decode/good"))]),
    Goal::new("5", "the same", Instructions, of("jwt/long").over("decode/good"), 0.1).beside(&[("jsonwebtoken", of("decode/long").over("decode/good"))]),
    Goal::new("6", "RS256 over jsonwebtoken on aws-lc", Time, of("rs256/ours").over("rs256/decode"), 1.0),
    Goal::new("6", "the same", Instructions, of("rs256/ours").over("rs256/decode"), 1.0),
    Goal::new("6", "ES256", Time, of("es256/ours").over("es256/decode"), 1.05),
    Goal::new("6", "the same", Instructions, of("es256/ours").over("es256/decode"), 1.05),
    Goal::new("6", "EdDSA", Time, of("eddsa/ours").over("eddsa/decode"), 1.05),
    Goal::new("6", "the same", Instructions, of("eddsa/ours").over("eddsa/decode"), 1.05),
    Goal::new("7", "session cookie, signature, over SignedCookieJar", Time, of("cookie/ours").over("cookie/jar"), 0.3).beside(COOKIE),
    Goal::new("7", "the same", Instructions, of("cookie/ours").over("cookie/jar"), 0.3).beside(COOKIE),
    Goal::new("7", "its allocations", Allocations, of("cookie/ours"), 3.0).beside(&[("axum-extra", of("cookie/jar"))]),
    Goal::new("7", "refused: its allocations", Allocations, of("cookie/ours-bad"), 0.0).beside(&[("axum-extra", of("cookie/jar-bad"))]),
    Goal::new("7", "layer with a store in memory, over tower-sessions + axum-login", Time, of("session/ours").minus("session/bare").over("login/good"), 1.0).beside(&[("axum-login", of("login/good").minus("login/bare").over("login/good"))]),
    Goal::new("8", "consume, 100 k live over 1 k", Instructions, of("ticket/take-100k").over("ticket/take-1k"), 1.02).beside(&[("dashmap", of("dashmap/take-100k").over("dashmap/take-1k"))]),
    Goal::new("8", "consume, 1 M live over 1 k", Instructions, of("ticket/take-1m").over("ticket/take-1k"), 1.02),
    Goal::new("8", "consume and issue at 1 M, over a plain sharded map", Time, of("ticket/turn").over("plain/turn"), 1.15).beside(&[("dashmap", of("dashmap/turn").over("plain/turn")), ("moka", of("moka/turn").over("plain/turn"))]).held(1.35, NEXT_SHARD),
    // A map by hand took 58 bytes, for twice the code; a ticket lives 30 seconds.
    Goal::new("9", "a live ticket, at 1 M", Bytes, of("ticket/1m"), 90.0).beside(&[("dashmap", of("dashmap/1m")), ("moka", of("moka/1m"))]),
    Goal::new("9", "a live ticket, at 10 M", Bytes, of("ticket/10m"), 90.0).beside(&[("dashmap", of("dashmap/10m"))]),
    Goal::new("10", "longest call while 1 M expire", Number, of("ticket/expiry").in_thousands(), 50.0).unit(" µs").beside(&[("dashmap, a shard of retain", of("dashmap/expiry").in_thousands())]).held(5000.0, GLIBC),
    Goal::new("12", "a rejected connection in flight", Bytes, of("close/ours-kept"), 2048.0).beside(&[("axum", of("close/axum-kept")), ("axum, tuned", of("close/axum-tuned-kept"))]),
    Goal::new("13", "Redis: commands of a consume", Number, of("redis/commands"), 1.0).unit(" commands").demanded(),
    Goal::new("13", "the time of a consume, 16 in flight, over a bare ConnectionManager", Number, of("redis/16"), 1.11),
    Goal::new("13", "64 in flight", Number, of("redis/64"), 1.11).held(1.5, PENDING),
    Goal::new("15", "reject a client of Socket.IO: CPU without its round trip, over a close frame", Time, of("protocol/socket-io").minus("protocol/round-trip").over("protocol/close"), 1.5).beside(&[("by hand in axum", of("protocol/socket-io-axum").minus("protocol/round-trip").over("protocol/close"))]),
    Goal::new("15", "a close frame with detect(), over the default, in memory", Instructions, of("protocol/detect").over("protocol/default"), 1.25),
    Goal::new("15", "a held client of Phoenix", Bytes, of("protocol/phoenix-held"), 4096.0),
    Goal::new("A", "60 kB in the query: the whole refusal, for each byte", Instructions, of("attack/query").minus("attack/query-request").per_byte_of_60k(), 2.0).unit(""),
    Goal::new("A", "in the header", Instructions, of("attack/header").minus("attack/header-request").per_byte_of_60k(), 2.0).unit(""),
    Goal::new("A", "in a subprotocol", Instructions, of("attack/subprotocol").minus("attack/subprotocol-request").per_byte_of_60k(), 8.0).unit(""),
    Goal::new("A", "in a cookie", Instructions, of("attack/cookie").minus("attack/cookie-request").per_byte_of_60k(), 12.0).unit(""),
    Goal::new("A", "a head with 10,000 fields, over one with 9", Instructions, of("attack/fields").over("carriers/none"), 1.75),
    Goal::new("A", "10,000 lines of cookies, over 1,000", Instructions, of("attack/cookies").over("attack/cookies-1k"), 11.0),
    Goal::new("A", "10,000 lines of subprotocols, over 1,000", Instructions, of("attack/subprotocols").over("attack/subprotocols-1k"), 11.0),
    Goal::new("A", "10,000 lines of Connection, over 1,000", Instructions, of("attack/connections").over("attack/connections-1k"), 11.0),
    Goal::new("A", "10,000 fields at a server as it comes, over a handshake", Instructions, of("attack/hyper-fields").over("whole/hyper"), 10.0),
    Goal::new("A", "p99 of good handshakes beside 2,000 refused a second, over idle", Number, of("attack/flood"), 2.0).held(2.5, FLOOD),
    Goal::new("A", "the same, refused with a close frame", Number, of("attack/flood-close"), 2.0).held(2.5, FLOOD),
];
