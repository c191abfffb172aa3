//! Payloads that must not pass, with a valid header and signature (RFC 7519 §4, §7.2).

use super::Bad;
use crate::forge::{NOW, with_claims};

/// For a verifier that demands nothing but `exp`.
pub(crate) fn all() -> Vec<Bad> {
    let mut bad = times();
    bad.extend(parties());
    bad.extend(objects());
    bad
}

#[allow(clippy::too_many_lines, reason = "a list")]
fn times() -> Vec<Bad> {
    let mut bad = Vec::new();
    let past = [
        "0",
        "-0",
        "1",
        "-1",
        "1.5",
        "-1.5",
        "0.0",
        "1e-5",
        "1E9",
        "-1e30",
        "-1e300",
        "1e-300",
        "-9223372036854775808",
        "-18446744073709551616",
        "1799999999",
        "1800000000",
        "1799999999.999",
        "1800000000.0",
        "1.8e9",
        "18e8",
        "179999999900000000000e-11",
    ];
    for exp in past {
        bad.push(expired(format!(r#"{{"sub":"ada","exp":{exp}}}"#)));
        bad.push(expired(format!(
            r#"{{"exp":{exp},"sub":"ada","nbf":0,"iat":0}}"#
        )));
    }
    let no_number = [
        "null",
        "true",
        "false",
        "\"\"",
        "\"1\"",
        "\"2000000000\"",
        "\"never\"",
        "[]",
        "[2000000000]",
        "{}",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "-1e400",
        "0x7fffffff",
        "2000000000.",
        ".5",
        "+1",
        "01",
        "1_000",
        "2000000000L",
        "--1",
        "1e",
        "\"2099-01-01T00:00:00Z\"",
        "4 102 444 800",
    ];
    for odd in no_number {
        for claim in ["exp", "nbf", "iat"] {
            // An optional claim that is null is absent.
            if odd == "null" && claim != "exp" {
                continue;
            }
            let exp = if claim == "exp" {
                ""
            } else {
                r#","exp":2000000000"#
            };
            bad.push(invalid(format!(r#"{{"sub":"ada","{claim}":{odd}{exp}}}"#)));
        }
    }
    let future = [
        "1800000001",
        "1800000000.5",
        "2000000000",
        "1e30",
        "1e300",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999999",
        "9223372036854775807",
    ];
    for nbf in future {
        let payload = format!(r#"{{"sub":"ada","exp":1e31,"nbf":{nbf}}}"#);
        bad.push(Bad::refused_as(
            "token_not_yet_valid",
            &payload,
            with_claims(&payload),
        ));
    }
    for payload in [
        r#"{"sub":"ada"}"#,
        r#"{"sub":"ada","EXP":2000000000}"#,
        r#"{"sub":"ada","Exp":2000000000}"#,
        r#"{"sub":"ada","exp ":2000000000}"#,
        r#"{"sub":"ada","expires":2000000000}"#,
        r#"{"sub":"ada","x":{"exp":2000000000}}"#,
        r#"{"sub":"ada","iat":1800000000}"#,
    ] {
        bad.push(invalid(payload));
    }
    // A parser that takes the first one sees another token than one that takes the last.
    for (one, two) in [
        ("2000000000", "1"),
        ("1", "2000000000"),
        ("2000000000", "2000000000"),
    ] {
        bad.push(invalid(format!(
            r#"{{"sub":"ada","exp":{one},"exp":{two}}}"#
        )));
        bad.push(invalid(format!(
            r#"{{"sub":"ada","exp":{one},"\u0065xp":{two}}}"#
        )));
    }
    // An expired token is refused with any other claims.
    for more in [
        r#","nbf":2000000000"#,
        r#","x":[[[[]]]]"#,
        r#","iat":1e300"#,
    ] {
        bad.push(expired(format!(
            r#"{{"sub":"ada","exp":{}{more}}}"#,
            NOW - 1
        )));
    }
    bad
}

fn parties() -> Vec<Bad> {
    let mut bad = Vec::new();
    // RFC 7519 §4.1.3: a token for an audience, and none is configured here.
    for aud in [
        r#""a""#,
        r#""""#,
        r#"["a","b"]"#,
        "0",
        "{}",
        "[null]",
        r#""app.example""#,
        "true",
    ] {
        bad.push(invalid(format!(
            r#"{{"sub":"ada","exp":2000000000,"aud":{aud}}}"#
        )));
        bad.push(invalid(format!(
            r#"{{"aud":{aud},"sub":"ada","exp":2000000000}}"#
        )));
    }
    for sub in ["null", "0", "[]", "{}", "true", r#"["ada"]"#, "1e5"] {
        bad.push(invalid(format!(r#"{{"sub":{sub},"exp":2000000000}}"#)));
    }
    for none in [r#"{"exp":2000000000}"#, r#"{"Sub":"ada","exp":2000000000}"#] {
        bad.push(invalid(none));
    }
    bad
}

fn objects() -> Vec<Bad> {
    let good = r#"{"sub":"ada","exp":2000000000}"#;
    let mut bad: Vec<_> = [
        "",
        " ",
        "null",
        "true",
        "0",
        "1e999",
        "\"text\"",
        "[]",
        "[{}]",
        "{",
        "}",
        "{}",
        "{]",
        "{\"sub\"",
        "{\"sub\":}",
        "{\"sub\":\"ada\",}",
        "{sub:\"ada\",exp:2000000000}",
        "{'sub':'ada','exp':2000000000}",
        "ada",
        "foo",
        "\u{feff}{\"sub\":\"ada\",\"exp\":2000000000}",
        "sub=ada&exp=2000000000",
    ]
    .into_iter()
    .map(invalid)
    .collect();
    for payload in [
        format!("{good}{good}"),
        format!("{good},"),
        format!("{good}\0"),
        format!("{good}x"),
        format!("\0{good}"),
        format!("[{good}]"),
        format!("\"{}\"", good.replace('"', "\\\"")),
        format!("/**/{good}"),
        r#"{"sub":"ada","sub":"eve","exp":2000000000}"#.to_owned(),
        r#"{"sub":"eve","\u0073ub":"ada","exp":2000000000}"#.to_owned(),
        r#"{"sub":"ada","exp":2000000000,"x":{"a":1,"a":1}}"#.to_owned(),
        r#"{"sub":"ada","exp":2000000000,"x":[{"a":{"b":1,"b":2}}]}"#.to_owned(),
        r#"{"sub":"ada","exp":2000000000,"x":"\ud800"}"#.to_owned(),
        r#"{"sub":"ada","exp":2000000000,"x":"\x00"}"#.to_owned(),
        "{\"sub\":\"ada\",\"exp\":2000000000,\"x\":\"\u{1}\"}".to_owned(),
        format!(
            r#"{{"sub":"ada","exp":2000000000,"x":{}{}}}"#,
            "[".repeat(2_000),
            "]".repeat(2_000)
        ),
        format!(
            r#"{{"sub":"ada","exp":2000000000,"x":{}1{}}}"#,
            r#"{"x":"#.repeat(500),
            "}".repeat(500)
        ),
        "[".repeat(5_000),
        "{\"a\":".repeat(1_000),
    ] {
        bad.push(invalid(payload));
    }
    for bytes in [
        &b"\xff\xfe"[..],
        b"{\"sub\":\"\xff\",\"exp\":2000000000}",
        b"{\"sub\":\"ad\xc3\",\"exp\":2000000000}",
        b"{\"sub\":\"\xc0\x80\",\"exp\":2000000000}",
        b"{\"sub\":\"\xed\xa0\x80\",\"exp\":2000000000}",
        b"{\"sub\":\"\xf4\x90\x80\x80\",\"exp\":2000000000}",
        b"\x1f\x8b\x08\0\0\0\0\0",
        b"\0\0\0\0",
    ] {
        bad.push(Bad::new("a payload that is not UTF-8", with_claims(bytes)));
    }
    // A token in a token, well signed on the outside.
    let inner = with_claims(good);
    bad.push(Bad::new("a token as the payload", with_claims(&inner)));
    bad.push(invalid(format!("\"{inner}\"")));
    bad
}

fn invalid(payload: impl AsRef<str>) -> Bad {
    let shown: String = payload.as_ref().chars().take(70).collect();
    Bad::new(shown, with_claims(payload.as_ref()))
}

fn expired(payload: impl AsRef<str>) -> Bad {
    Bad::refused_as(
        "token_expired",
        payload.as_ref(),
        with_claims(payload.as_ref()),
    )
}
