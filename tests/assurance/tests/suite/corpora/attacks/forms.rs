//! Tokens that are not three parts in strict base64url.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};

use crate::corpora::Bad;
use crate::forge::{Door, HS256, SECRET, b64, hmac_over, sign, unb64};

/// Tokens that are not three parts in strict base64url.
#[allow(clippy::too_many_lines, reason = "a list")]
pub(super) fn forms(door: Door, bad: &mut Vec<Bad>) {
    let token = door.good();
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        unreachable!("three parts")
    };
    let h = header;
    for other in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        "....".into(),
        "a".into(),
        "a.b".into(),
        "a.b.c".into(),
        "a.b.c.d".into(),
        "a.b.c.d.e".into(),
        format!("{h}.{payload}"),
        format!("{h}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!("{token}.{token}"),
        format!("{h}.{payload}.{signature}.."),
        format!("{h},{payload},{signature}"),
        format!("{payload}.{h}.{signature}"),
        format!("{h}.{h}.{signature}"),
        format!("{h}.{payload}.{payload}"),
        format!("{h}.{payload}.{h}"),
        format!("Bearer.{token}"),
        format!("{token},{token}"),
        format!("{token} {token}"),
        format!("{token};"),
        format!("\"{token}\""),
        format!("'{token}'"),
        format!("<{token}>"),
        format!(r#"{{"protected":"{h}","payload":"{payload}","signature":"{signature}"}}"#),
        format!(
            r#"{{"payload":"{payload}","signatures":[{{"protected":"{h}","signature":"{signature}"}}]}}"#
        ),
        token.to_uppercase(),
        token.to_lowercase(),
        token.replace('.', "%2E"),
        token.replace('.', "_"),
        token.chars().rev().collect(),
        b64(&token),
        STANDARD.encode(&token),
    ] {
        bad.push(Bad::new("another form of a good token", other));
    }
    // Other writings of the same bytes; the signature is over what is written.
    for (what, part) in [
        ("padded", format!("{h}=")),
        ("padded twice", format!("{h}==")),
        ("padded in full", URL_SAFE.encode(unb64(h))),
        ("begun by a blank", format!(" {h}")),
        ("ended by a blank", format!("{h} ")),
        ("ended by a line", format!("{h}\n")),
        ("with a line inside", format!("{}\r\n{}", &h[..4], &h[4..])),
        ("with a tab inside", format!("{}\t{}", &h[..4], &h[4..])),
        ("with a zero byte", format!("{h}\0")),
        ("with a foreign letter", format!("{h}é")),
        ("with a plus", format!("{}+", &h[..h.len() - 1])),
        ("with a slash", format!("{}/", &h[..h.len() - 1])),
        ("with a tilde", format!("{}~", &h[..h.len() - 1])),
        ("cut by one character", h[..h.len() - 1].to_owned()),
        ("longer by one character", format!("{h}A")),
    ] {
        // A part of this length has no padding.
        if part == h {
            continue;
        }
        let signed = match door {
            Door::Hs => hmac_over("HS256", SECRET, &format!("{part}.{payload}")),
            _ => format!("{part}.{payload}.{signature}"),
        };
        bad.push(Bad::new(format!("a header {what}"), signed));
        let p = part.replacen(h, payload, 1);
        if p != part {
            let signed = match door {
                Door::Hs => hmac_over("HS256", SECRET, &format!("{h}.{p}")),
                _ => format!("{h}.{p}.{signature}"),
            };
            bad.push(Bad::new(format!("a payload {what}"), signed));
            let s = part.replacen(h, signature, 1);
            bad.push(Bad::new(
                format!("a signature {what}"),
                format!("{h}.{payload}.{s}"),
            ));
        }
    }
    let stray = ['A', 'B', 'C', 'D', 'E', 'Q', 'g', 'w', '-', '_'];
    let last = signature.chars().last().unwrap();
    for other in stray.into_iter().filter(|other| *other != last) {
        let cut = &signature[..signature.len() - 1];
        bad.push(Bad::new(
            "another last character of the signature",
            format!("{h}.{payload}.{cut}{other}"),
        ));
    }
    // The standard alphabet, if it differs.
    let raw = unb64(signature);
    let standard = STANDARD_NO_PAD.encode(&raw);
    if standard != signature {
        bad.push(Bad::new(
            "a signature in the standard alphabet",
            format!("{h}.{payload}.{standard}"),
        ));
    }
    let payload_with_both = b64("{\"sub\":\"???>>>~~~\u{fbff}\",\"exp\":2000000000}");
    let other = payload_with_both.replace('-', "+").replace('_', "/");
    if other != payload_with_both {
        let signed = hmac_over("HS256", SECRET, &format!("{h}.{other}"));
        bad.push(Bad::new("a payload in the standard alphabet", signed));
    }
    for size in [8_193, 10_000, 16_384, 60_000] {
        let fat = "x".repeat(size);
        bad.push(Bad::new(
            format!("a claim of {size} bytes, well signed"),
            sign(
                door,
                HS256.replace("HS256", door.alg()).as_str(),
                &format!(r#"{{"exp":2000000000,"x":"{fat}"}}"#),
            ),
        ));
        bad.push(Bad::new(format!("{size} letters"), fat.clone()));
        bad.push(Bad::new(format!("{size} dots"), ".".repeat(size)));
        bad.push(Bad::new(
            format!("{size} letters of signature"),
            format!("{h}.{payload}.{fat}"),
        ));
    }
    bad.push(Bad::new("not UTF-8", [token.as_bytes(), b"\xff"].concat()));
    bad.push(Bad::new(
        "overlong UTF-8",
        [token.as_bytes(), b"\xc0\xae"].concat(),
    ));
}
