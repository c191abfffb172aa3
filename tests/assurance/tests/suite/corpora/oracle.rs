//! jsonwebtoken as an oracle: a token that its strictest form refuses is refused here too.
//!
//! The tokens are mutated by rules that know a token's parts. Half of them are signed again with
//! the right key, so that they get past the signature.

use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Value, json};
use test_support::Random;
use tower_ws_auth::Jwt;

use crate::forge::{Door, EC_PUBLIC, ED_PUBLIC, RSA_PUBLIC, SECRET, b64, sign, unb64, use_aws};
use crate::stack::{self, Claims};

const NAMES: [&str; 14] = [
    "alg", "typ", "kid", "cty", "crit", "b64", "jwk", "exp", "nbf", "iat", "aud", "iss", "sub", "x",
];

const VALUES: [&str; 38] = [
    "null",
    "true",
    "0",
    "1",
    "-1",
    "1.5",
    "1e3",
    "1e9",
    "1e10",
    "1e30",
    "2000000000",
    "2000000000.5",
    "2000000000.0",
    "41024448e2",
    "18446744073709551615",
    "18446744073709551616",
    "-0",
    "\"\"",
    "\"ada\"",
    "\"2000000000\"",
    "\"HS256\"",
    "\"RS256\"",
    "\"ES256\"",
    "\"EdDSA\"",
    "\"none\"",
    "\"JWT\"",
    "\"jwt\"",
    "[]",
    "{}",
    "[\"a\"]",
    "[\"exp\"]",
    "{\"a\":1}",
    "{\"a\":1,\"a\":2}",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "[[[[[[]]]]]]",
    "01",
    "NaN",
];

/// Members of a JSON object, as text: names may repeat, values need not be JSON.
type Members = Vec<(String, String)>;

fn written(members: &Members, random: &mut Random) -> String {
    let members: Vec<_> = members
        .iter()
        .map(|(name, value)| match random.below(12) {
            0 => format!(" \"{name}\" :\t{value}\n"),
            1 => format!(
                "\"\\u{:04x}{}\":{value}",
                u32::from(name.as_bytes()[0]),
                &name[1..]
            ),
            _ => format!("\"{name}\":{value}"),
        })
        .collect();
    let text = format!("{{{}}}", members.join(","));
    match random.below(40) {
        0 => format!("{text}{text}"),
        1 => format!("[{text}]"),
        2 => format!("{text} "),
        3 => format!("{text}\0"),
        4 => text[..text.len() - 1].to_owned(),
        5 => format!("\u{feff}{text}"),
        6 => text.replacen(',', ",,", 1),
        _ => text,
    }
}

fn mutate_members(members: &mut Members, random: &mut Random) {
    for _ in 0..random.below(3) {
        let name = NAMES[random.below(NAMES.len())].to_owned();
        let value = VALUES[random.below(VALUES.len())].to_owned();
        let at = random.below(members.len() + 1);
        match (random.below(4), members.get_mut(at)) {
            (0, Some(_)) => drop(members.remove(at)),
            (1 | 2, Some(member)) => member.1 = value,
            _ => members.insert(at, (name, value)),
        }
    }
}

fn mutate_text(text: &str, random: &mut Random) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len().max(1));
        let byte = b"AZaz09-_+/=. \n\0."[random.below(16)];
        match random.below(5) {
            0 if at < bytes.len() => drop(bytes.remove(at)),
            1 => bytes.insert(at, byte),
            2 => bytes.truncate(at),
            3 if at < bytes.len() => bytes[at] ^= 1 << random.below(7),
            _ if at < bytes.len() => bytes[at] = byte,
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A token, and whether its signature is of what it says.
fn token(door: Door, random: &mut Random) -> String {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut header = vec![
        pair("alg", &format!("\"{}\"", door.alg())),
        pair("typ", "\"JWT\""),
    ];
    let mut claims = vec![pair("sub", "\"ada\""), pair("exp", "2000000000")];
    if random.below(3) == 0 {
        mutate_members(&mut header, random);
    }
    mutate_members(&mut claims, random);
    let token = sign(door, &written(&header, random), &written(&claims, random));
    match random.below(8) {
        0..=3 => token,
        4 => mutate_text(&token, random),
        part => {
            let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
            let part = part - 5;
            parts[part] = match random.below(3) {
                0 => mutate_text(&parts[part], random),
                1 => {
                    let mut raw = unb64(&parts[part]);
                    let at = random.below(raw.len());
                    raw[at] ^= 1 << random.below(8);
                    b64(raw)
                }
                _ => parts[random.below(3)].clone(),
            };
            parts.join(".")
        }
    }
}

/// Everything that it can be asked to demand.
fn strict(door: Door) -> (DecodingKey, Validation) {
    use_aws();
    let (key, algorithm) = match door {
        Door::Hs => (
            DecodingKey::from_secret(SECRET),
            jsonwebtoken::Algorithm::HS256,
        ),
        Door::Rs => (
            DecodingKey::from_rsa_pem(RSA_PUBLIC.as_bytes()),
            jsonwebtoken::Algorithm::RS256,
        ),
        Door::Es => (
            DecodingKey::from_ec_pem(EC_PUBLIC.as_bytes()),
            jsonwebtoken::Algorithm::ES256,
        ),
        Door::Ed => (
            DecodingKey::from_ed_pem(ED_PUBLIC.as_bytes()),
            jsonwebtoken::Algorithm::EdDSA,
        ),
    };
    let mut validation = Validation::new(algorithm);
    validation.leeway = 0;
    validation.validate_nbf = true;
    validation.set_required_spec_claims(&["exp", "sub"]);
    (key.unwrap(), validation)
}

#[derive(Default, Debug)]
struct Verdicts {
    both: usize,
    neither: usize,
    only_theirs: usize,
    /// Values that their types cannot hold: see [`within_their_types`].
    not_theirs: usize,
    only_ours: Vec<String>,
}

fn compare(door: Door, count: usize, random: &mut Random) -> Verdicts {
    let (key, validation) = strict(door);
    let ours: Jwt<Claims> = Jwt::builder(stack::key(door)).build().unwrap();
    let mut verdicts = Verdicts::default();
    for _ in 0..count {
        let token = token(door, random);
        // Both ask the system's clock, theirs first, so that an expiry in between is no difference.
        let theirs = jsonwebtoken::decode::<Claims>(&token, &key, &validation);
        match (ours.verify_token(&token).is_ok(), theirs) {
            (true, Ok(_)) => verdicts.both += 1,
            (false, Err(_)) => verdicts.neither += 1,
            (false, Ok(_)) => verdicts.only_theirs += 1,
            (true, Err(_))
                if within_their_types(door, &token).is_some_and(|token| {
                    jsonwebtoken::decode::<Claims>(&token, &key, &validation).is_ok()
                }) =>
            {
                verdicts.not_theirs += 1;
            }
            (true, Err(error)) => verdicts
                .only_ours
                .push(format!("{error}: {}", readable(&token))),
        }
    }
    verdicts
}

/// The same token within their types. They refuse an `exp` of 2^64 and more and an `nbf` below 0,
/// which RFC 7519 §2 permits. They also check the form of `jwk` and `cty`, which ours ignores (RFC
/// 7515 §4). All else about the token must be valid for them.
fn within_their_types(door: Door, token: &str) -> Option<String> {
    let mut parts = token
        .split('.')
        .map(|part| serde_json::from_slice(&unb64(part)));
    let (mut header, mut claims): (Value, Value) = (parts.next()?.ok()?, parts.next()?.ok()?);
    let header = header.as_object_mut()?;
    header.remove("jwk");
    header.remove("cty");
    if claims["exp"].as_f64()? >= 2_f64.powi(64) {
        claims["exp"] = json!(u64::MAX);
    }
    if claims["nbf"].as_f64().is_some_and(|nbf| nbf < 0.0) {
        claims["nbf"] = json!(0);
    }
    // An optional claim that is null is absent, and so is an empty list of audiences.
    let members = claims.as_object_mut()?;
    members.retain(|name, value| match name.as_str() {
        "nbf" | "iat" => !value.is_null(),
        "aud" => !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()),
        _ => true,
    });
    let header = serde_json::to_string(header).ok()?;
    Some(sign(door, &header, &claims.to_string()))
}

fn readable(token: &str) -> String {
    let text = |part| String::from_utf8_lossy(&unb64(part)).into_owned();
    token
        .rsplit_once('.')
        .map_or_else(String::new, |(signed, _)| {
            signed.split('.').map(text).collect::<Vec<_>>().join(" . ")
        })
}

#[test]
fn nothing_is_accepted_that_jsonwebtoken_refuses() {
    let mut random = Random::new(0x6a77_7400);
    for (door, count) in [
        (Door::Hs, 60_000),
        (Door::Rs, 1_000),
        (Door::Es, 3_000),
        (Door::Ed, 3_000),
    ] {
        let verdicts = compare(door, count, &mut random);
        println!(
            "{}: {count} mutated tokens, {} accepted by both, {} refused by both, {} refused by ours alone, \
             {} beyond their types",
            door.alg(),
            verdicts.both,
            verdicts.neither,
            verdicts.only_theirs,
            verdicts.not_theirs
        );
        assert_eq!(verdicts.only_ours, Vec::<String>::new());
        // A generator that makes only one sort of token would prove nothing.
        assert!(verdicts.both >= count / 50, "{verdicts:?}");
        assert!(verdicts.neither >= count / 5, "{verdicts:?}");
    }
}
