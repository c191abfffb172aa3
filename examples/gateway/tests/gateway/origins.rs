//! Pages of the host that the client asks for.

use test_support::http1::ask;

use crate::peer::{Running, connect, refused, token_of};
use crate::upstream::Upstream;

const OWN: [&str; 2] = ["--origin", "same-as-host"];

async fn opens(gateway: &Running, fields: &[(&'static str, &str)]) -> bool {
    let path = format!("/echo?token={}", token_of("ada"));
    let owned = fields
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()));
    let opened = connect(gateway.address, &path, &mut owned.collect()).await;
    if opened.is_err() {
        let reason = refused(gateway.address, &path, fields).await;
        assert_eq!(reason, (403, "origin_denied".to_owned()), "{fields:?}");
    }
    opened.is_ok()
}

#[tokio::test]
async fn of_the_requested_host_connect_and_others_do_not() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &OWN).await;
    let own = format!("http://{}", gateway.address);
    let tls = format!("https://{}", gateway.address);
    let port = format!("http://127.0.0.1:{}", gateway.address.port() ^ 1);
    for (origin, allowed) in [
        (&*own, true),
        (&*tls, false),
        (&*port, false),
        ("http://127.0.0.1", false),
        ("http://evil.example", false),
        ("null", false),
    ] {
        assert_eq!(
            opens(&gateway, &[("origin", origin)]).await,
            allowed,
            "{origin}"
        );
    }
    // Nobody is believed who says that another host was asked for.
    for field in [
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "host=evil.example;proto=http"),
    ] {
        let fields = [("origin", "http://evil.example"), field];
        assert!(!opens(&gateway, &fields).await, "{field:?}");
    }
    // An entry beside it stays one.
    let both = ["--origin", "same-as-host,https://app.example"];
    let gateway = Running::start(upstream.address, &both).await;
    let own = format!("http://{}", gateway.address);
    for (origin, allowed) in [
        (&*own, true),
        ("https://app.example", true),
        ("http://app.example", false),
    ] {
        assert_eq!(
            opens(&gateway, &[("origin", origin)]).await,
            allowed,
            "{origin}"
        );
    }
}

#[tokio::test]
async fn behind_a_proxy_of_the_operator_are_those_of_its_host() {
    let upstream = Upstream::start().await;
    let trusted = [&OWN[..], &["--trust-forwarded"]].concat();
    let gateway = Running::start(upstream.address, &trusted).await;
    let proxied = [
        ("x-forwarded-host", "app.example"),
        ("x-forwarded-proto", "https"),
    ];
    let own = format!("http://{}", gateway.address);
    for (origin, allowed) in [
        ("https://app.example", true),
        ("http://app.example", false),
        ("https://app.example:8443", false),
        ("https://evil.example", false),
        (&*own, false),
    ] {
        let fields = [&[("origin", origin)], &proxied[..]].concat();
        assert_eq!(opens(&gateway, &fields).await, allowed, "{origin}");
    }
    // The last word is the proxy's: a client cannot put its own before it.
    let evil = ("origin", "https://evil.example");
    for host in ["evil.example, app.example", "\"evil.example\", app.example"] {
        let fields = [evil, ("x-forwarded-host", host), proxied[1]];
        assert!(!opens(&gateway, &fields).await, "{host}");
    }
    // Nor by the other kind of field, which is not believed.
    let other = ("forwarded", "host=evil.example;proto=https");
    assert!(!opens(&gateway, &[evil, other, proxied[0], proxied[1]]).await);

    let trusted = [&OWN[..], &["--trust-forwarded", "forwarded"]].concat();
    let gateway = Running::start(upstream.address, &trusted).await;
    let page = ("origin", "https://app.example");
    let said = (
        "forwarded",
        "for=10.0.0.1;host=evil.example, host=app.example;proto=https",
    );
    assert!(opens(&gateway, &[page, said]).await);
    assert!(!opens(&gateway, &[evil, said]).await);
    // Behind the proxy's back the other kind says nothing.
    assert!(!opens(&gateway, &[page, proxied[0], proxied[1]]).await);
}

#[tokio::test]
async fn read_the_answers_of_the_gateway_itself() {
    let upstream = Upstream::start().await;
    let options = [
        &OWN[..],
        &["--trust-forwarded", "--path", "/api=authenticate"],
    ]
    .concat();
    let gateway = Running::start(upstream.address, &options).await;
    for (origin, permitted) in [
        ("https://app.example", Some("https://app.example")),
        ("https://evil.example", None),
    ] {
        let fields = [
            ("Origin", origin),
            ("X-Forwarded-Host", "app.example"),
            ("X-Forwarded-Proto", "https"),
        ];
        let answer = ask(gateway.address, "GET /api", &fields, "").await;
        assert_eq!(answer.status, if permitted.is_some() { 401 } else { 403 });
        assert_eq!(answer.field("access-control-allow-origin"), permitted);
    }
}
