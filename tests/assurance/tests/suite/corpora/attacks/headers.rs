//! Headers that ask for something else, well signed.

use crate::corpora::Bad;
use crate::forge::{Door, SECRET, b64, good_payload, hmac_over, hs, sign};

/// A `kid` that is a path, a query or a command, with the key that it would lead to.
pub(super) fn kids(door: Door, bad: &mut Vec<Bad>) {
    let payload = b64(good_payload());
    let long = "k".repeat(257);
    let kids = [
        "../../../../../../dev/null",
        "/dev/null",
        "/proc/sys/kernel/randomize_va_space",
        "..",
        ".",
        "/etc/passwd",
        "C:\\\\Windows\\\\win.ini",
        "' UNION SELECT 'secret'; --",
        "' OR '1'='1",
        "x' UNION SELECT '' --",
        "1; DROP TABLE keys",
        "| whoami",
        "$(sleep 10)",
        "`sleep 10`",
        "; sleep 10 #",
        "%00",
        "\\u0000",
        "key\\u0000.pem",
        "\\r\\nX-Injected: 1",
        "{{7*7}}",
        "${jndi:ldap://x}",
        "<script>",
        "__proto__",
        "constructor",
        "*",
        "0",
        "-1",
        "",
        " ",
        "none",
        "null",
        long.as_str(),
    ];
    for kid in kids {
        let header = format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#);
        for key in ["", "secret", "0\n", "\0", "2\n"] {
            let signed = format!("{}.{payload}", b64(&header));
            bad.push(Bad::new(
                format!("kid {kid:?} and the secret {key:?}"),
                hmac_over("HS256", key.as_bytes(), &signed),
            ));
        }
        let header = format!(r#"{{"alg":"{}","kid":"{kid}"}}"#, door.alg());
        bad.push(Bad::new(
            format!("kid {kid:?} and no signature"),
            format!("{}.{payload}.", b64(header)),
        ));
    }
    for kid in ["0", "[]", "{}", "true", r#"["a"]"#, "1e400"] {
        let header = format!(r#"{{"alg":"{}","kid":{kid}}}"#, door.alg());
        bad.push(Bad::new(
            format!("kid is the JSON value {kid}"),
            sign(door, &header, &good_payload()),
        ));
    }
    let header = format!(r#"{{"alg":"{}","kid":"{long}"}}"#, door.alg());
    bad.push(Bad::new(
        "a kid of 257 bytes, well signed",
        sign(door, &header, &good_payload()),
    ));
}

/// The extensions of RFC 7515 §4.1.11, RFC 7797 and RFC 7516, with valid signatures.
pub(super) fn extensions(door: Door, bad: &mut Vec<Bad>) {
    for more in [
        r#""crit":[]"#,
        r#""crit":["exp"],"exp":2000000000"#,
        r#""crit":["b64"],"b64":false"#,
        r#""crit":["b64"],"b64":true"#,
        r#""crit":["alg"]"#,
        r#""crit":["x","x"],"x":1"#,
        r#""crit":"exp""#,
        r#""crit":null"#,
        r#""crit":{}"#,
        r#""crit":[""]"#,
        r#""crit":["http://example.com/UNDEFINED"],"http://example.com/UNDEFINED":true"#,
        r#""\u0063rit":["exp"]"#,
        r#""b64":false"#,
        r#""b64":true"#,
        r#""b64":null"#,
        r#""zip":"DEF""#,
        r#""zip":"none""#,
        r#""zip":null"#,
        r#""enc":"A128CBC-HS256""#,
        r#""enc":"none""#,
        r#""enc":"A256GCM","epk":{}"#,
    ] {
        for (place, header) in [
            ("after", format!(r#"{{"alg":"{}",{more}}}"#, door.alg())),
            ("before", format!(r#"{{{more},"alg":"{}"}}"#, door.alg())),
        ] {
            bad.push(Bad::new(
                format!("{more} {place} alg"),
                sign(door, &header, &good_payload()),
            ));
        }
    }
    // RFC 7797: the payload as it is.
    let header = b64(format!(
        r#"{{"alg":"{}","b64":false,"crit":["b64"]}}"#,
        door.alg()
    ));
    let payload = "eyJzdWIiOiJhZGEifQ";
    bad.push(Bad::new(
        "an unencoded payload",
        hmac_over("HS256", SECRET, &format!("{header}.{payload}")),
    ));
}

/// Headers that are no JSON object, or not one that everybody reads in the same way; well signed.
pub(super) fn headers(door: Door, bad: &mut Vec<Bad>) {
    let alg = door.alg();
    let deep_list = format!(
        r#"{{"alg":"{alg}","x":{}{}}}"#,
        "[".repeat(2_000),
        "]".repeat(2_000)
    );
    let deep_object = format!(
        r#"{{"alg":"{alg}","x":{}1{}}}"#,
        r#"{"x":"#.repeat(400),
        "}".repeat(400)
    );
    let open = format!(r#"{{"alg":"{alg}","x":{}"#, "[".repeat(4_000));
    let members: Vec<_> = (0..200).map(|n| format!(r#","m{n}":{n}"#)).collect();
    let members = members.concat();
    let many = format!(r#"{{"alg":"{alg}"{members}}}"#);
    for header in [
        format!(r#"{{"alg":"{alg}","alg":"{alg}"}}"#),
        format!(r#"{{"alg":"none","alg":"{alg}"}}"#),
        format!(r#"{{"alg":"{alg}","alg":"none"}}"#),
        format!(r#"{{"alg":"{alg}","\u0061lg":"none"}}"#),
        format!(r#"{{"alg":"{alg}","kid":"a","kid":"b"}}"#),
        format!(r#"{{"alg":"{alg}","typ":"a","typ":"JWT"}}"#),
        format!(r#"{{"alg":"{alg}","x":{{"a":1,"a":2}}}}"#),
        format!(r#"{{"alg":"{alg}","x":[{{"a":1,"\u0061":2}}]}}"#),
        format!(r#"{{"Alg":"{alg}"}}"#),
        format!(r#"{{"ALG":"{alg}"}}"#),
        format!(r#"{{"alg ":"{alg}"}}"#),
        format!(r#"{{"alg":"{alg}"}}{{"alg":"{alg}"}}"#),
        format!(r#"{{"alg":"{alg}"}}x"#),
        format!("{{\"alg\":\"{alg}\"}}\0"),
        format!(r#"[{{"alg":"{alg}"}}]"#),
        format!(r#""{alg}""#),
        format!(r#"{{"alg":"{alg}",}}"#),
        format!(r"{{'alg':'{alg}'}}"),
        format!(r#"{{alg:"{alg}"}}"#),
        format!(r#"{{"alg":"{alg}"/*comment*/}}"#),
        format!("\u{feff}{{\"alg\":\"{alg}\"}}"),
        format!(r#"{{"alg":"{alg}","typ":1}}"#),
        format!(r#"{{"alg":"{alg}","x":NaN}}"#),
        format!(r#"{{"alg":"{alg}","x":01}}"#),
        format!(r#"{{"alg":"{alg}","x":"\ud800"}}"#),
        format!("{{\"alg\":\"{alg}\",\"x\":\"\n\"}}"),
        "{}".into(),
        "[]".into(),
        "null".into(),
        "0".into(),
        String::new(),
        " ".into(),
        deep_list,
        deep_object,
        open,
        many,
    ] {
        let shown: String = header.chars().take(60).collect();
        bad.push(Bad::new(
            format!("the header {shown}"),
            sign(door, &header, &good_payload()),
        ));
    }
    if door == Door::Hs {
        for header in [
            &b"{\"alg\":\"HS256\",\"x\":\"\xff\"}"[..],
            b"\xff\xfe{\0\"\0",
            b"{\"alg\":\"HS256\",\"x\":\"\xed\xa0\x80\"}",
            b"{\"alg\":\"HS256\",\"x\":\"\xc0\xaf\"}",
            b"\x1f\x8b\x08\0",
        ] {
            bad.push(Bad::new(
                "a header that is not UTF-8",
                hs(header, good_payload()),
            ));
        }
    }
}
