//! What lies right at an edge: the longest text, one dot too many, a key that is almost one.

use http::Request;
use serde_json::{Value, json};
use tower_ws_auth_core::Authenticate;
use tower_ws_auth_core::credential::{Carriers, MAX_CREDENTIAL};
use tower_ws_auth_jwt::{Algorithm, Issuers, JwtEncoder, Key, KeyError, SigningKey};

use crate::support::{
    HEADER, NOW, SECRET, b64, builder, claims, detail, jwt, sign, token, verdict,
};

/// A token of about this length, and good.
fn of_length(length: usize) -> String {
    let payload = |pad: usize| format!(r#"{{"exp":{},"x":"{}"}}"#, NOW + 60, "a".repeat(pad));
    let shortest = claims(payload(0)).len();
    let mut pad = (length - shortest) * 3 / 4;
    while claims(payload(pad)).len() < length {
        pad += 1;
    }
    claims(payload(pad))
}

#[test]
fn the_longest_token_is_read_and_no_longer_one() {
    let longest = of_length(MAX_CREDENTIAL);
    assert_eq!(longest.len(), MAX_CREDENTIAL);
    assert_eq!(verdict(&jwt(), &longest), "accepted");
    let longer = of_length(MAX_CREDENTIAL + 1);
    assert_eq!(
        detail(&jwt(), &longer),
        "the token is longer than its carrier allows (8 KiB by default)"
    );
}

#[test]
fn the_longest_token_is_written_and_no_longer_one() {
    let encoder = JwtEncoder::new(SigningKey::hs256(SECRET).unwrap());
    let encode = |pad: usize| encoder.encode(&json!({ "x": "a".repeat(pad) }));
    let lengths: Vec<_> = (5_900..6_300)
        .map_while(|pad| Some(encode(pad).ok()?.len()))
        .collect();
    assert_eq!(lengths.last(), Some(&MAX_CREDENTIAL));
}

#[test]
fn three_parts_are_three_whatever_their_signature_is_rfc7515_7_1() {
    let payload = b64(format!(r#"{{"exp":{}}}"#, NOW + 60));
    for parts in ["", "x.", "x.y.", "x.y.z."] {
        let token = sign(&b64(HEADER), &format!("{parts}{payload}"));
        if parts.is_empty() {
            assert_eq!(verdict(&jwt(), &token), "accepted");
        } else {
            let five =
                "the token has five parts: it is encrypted (JWE), and only signed ones are read";
            let want = match parts {
                "x.y." => five,
                _ => "the token does not have three parts",
            };
            assert_eq!(detail(&jwt(), &token), want);
        }
    }
}

#[test]
fn a_type_is_shortened_by_application_and_by_nothing_else_rfc7515_4_1_9() {
    let jwt = builder().typ("at+jwt").build().unwrap();
    let typed = |typ: &str| {
        let header = json!({ "alg": "HS256", "typ": typ });
        token(header.to_string(), format!(r#"{{"exp":{}}}"#, NOW + 60))
    };
    for (typ, verdict_of_it) in [
        ("at+jwt", "accepted"),
        ("application/at+jwt", "accepted"),
        ("APPLICATION/AT+JWT", "accepted"),
        ("application-at+jwt", "token_invalid"),
        ("abcdefghijklat+jwt", "token_invalid"),
        ("application/x/at+jwt", "token_invalid"),
    ] {
        assert_eq!(verdict(&jwt, &typed(typ)), verdict_of_it, "{typ}");
    }
    let jwt = builder().typ("x/y").build().unwrap();
    assert_eq!(verdict(&jwt, &typed("x/y")), "accepted");
    assert_eq!(verdict(&jwt, &typed("application/x/y")), "token_invalid");
}

#[test]
fn a_foreign_audience_is_told_from_one_that_nobody_asked_for() {
    let foreign = claims(format!(r#"{{"exp":{},"aud":"other"}}"#, NOW + 60));
    let asked = builder().audiences(["chat"]).build().unwrap();
    assert_eq!(
        detail(&asked, &foreign),
        "`aud` is not a configured audience"
    );
    let nobody = "the token has an `aud` and no audience is configured";
    assert_eq!(detail(&jwt(), &foreign), nobody);
}

#[test]
fn an_issuer_that_nobody_asks_for_need_not_be_text() {
    let odd = claims(format!(r#"{{"exp":{},"iss":7}}"#, NOW + 60));
    assert_eq!(verdict(&jwt(), &odd), "accepted");
    let asked = builder().issuers(["https://a.example"]).build().unwrap();
    assert_eq!(detail(&asked, &odd), "`iss` is not text");
}

#[test]
fn a_grant_is_revocable_by_every_key_that_is_named() {
    let jwt = jwt()
        .revocable_by(|claims: &Value| format!("user:{}", claims["sub"]))
        .revocable_by(|_| "all".to_owned());
    let token = claims(format!(r#"{{"exp":{},"sub":7}}"#, NOW + 60));
    let grant = jwt.verify_token(&token).unwrap();
    assert_eq!(
        grant.validity().revocation_keys(),
        ["user:7".into(), "all".into()]
    );
}

#[test]
fn the_carriers_of_several_issuers_say_how_long_a_token_may_be() {
    let carriers = |longest| {
        let carriers = Carriers::builder().bearer_header().max_length(longest);
        carriers.build().unwrap()
    };
    let theirs = || builder().issuer("https://they.example").build().unwrap();
    let of_theirs = |pad: usize| {
        let (exp, pad) = (NOW + 60, "a".repeat(pad));
        claims(format!(
            r#"{{"exp":{exp},"iss":"https://they.example","x":"{pad}"}}"#
        ))
    };
    for (longest, of_ours, of_theirs, is_good) in [
        (16 * 1024, of_length(12 * 1024), of_theirs(9000), true),
        (MAX_CREDENTIAL, of_length(12 * 1024), of_theirs(9000), false),
        (64, of_length(200), of_theirs(0), false),
    ] {
        let of_both = || Issuers::new([theirs()]).unwrap();
        for issuers in [
            Issuers::from(jwt()).carriers(carriers(longest)),
            of_both().others(jwt()).carriers(carriers(longest)),
            of_both().carriers(carriers(longest)).others(jwt()),
        ] {
            let verdict = issuers.verify_token(&of_ours);
            assert_eq!(verdict.is_ok(), is_good, "{issuers:?}");
        }
        let verdict = of_both()
            .carriers(carriers(longest))
            .verify_token(&of_theirs);
        assert_eq!(verdict.is_ok(), is_good);
    }
}

#[test]
fn several_issuers_are_one_strategy_of_the_same_name_and_carriers() {
    let carriers = Carriers::builder()
        .query("token")
        .dangerous_cookie_from_any_origin("jwt");
    let one = builder()
        .issuers(["https://a.example"])
        .carriers(carriers.build().unwrap())
        .build();
    let issuers = Issuers::new([one.unwrap()]).unwrap();
    assert_eq!(issuers.name(), "jwt");
    assert!(format!("{issuers:?}").starts_with("Issuers { jwts: [Jwt {"));
    for (uri, cookie, carrier) in [("/?token=a", "", "query"), ("/", "jwt=a", "cookie")] {
        let request = Request::get(uri).header("cookie", cookie);
        let mut head = request.body(()).unwrap().into_parts().0;
        let credential = issuers.take(&mut head).unwrap().unwrap();
        assert_eq!(credential.carrier(), carrier);
        assert_eq!(credential.is_ambient(), carrier == "cookie");
    }
}

#[test]
fn a_key_of_another_kind_is_called_by_its_name() {
    let error = Key::from_pem(Algorithm::ES256, include_str!("../data/rsa-2048.pub.pem"));
    let error = error.unwrap_err().to_string();
    assert!(
        error.starts_with("ES256 does not go with an RSA key"),
        "{error}"
    );
}

#[test]
fn a_kid_has_256_bytes_at_most() {
    let jwk = |length: usize| {
        let kid = "k".repeat(length);
        json!({ "kty": "oct", "alg": "HS256", "k": b64(SECRET), "kid": kid }).to_string()
    };
    assert!(Key::from_jwk(&jwk(256)).is_ok());
    assert!(matches!(Key::from_jwk(&jwk(257)), Err(KeyError::LongKid)));
}

#[test]
fn both_coordinates_have_the_length_of_the_curve_rfc7518_6_2_1() {
    for (x, y) in [(31, 32), (32, 31), (31, 33)] {
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "x": b64(vec![1; x]), "y": b64(vec![1; y]),
        });
        let error = Key::from_jwk(&jwk.to_string()).unwrap_err();
        let wrong = "`x` or `y` has the wrong length for its curve";
        assert_eq!(error, KeyError::Jwk(wrong), "{x} {y}");
    }
}

/// `number * factor + more`, the lowest digit first.
fn times(number: &[u8], factor: u32, more: &[u8]) -> Vec<u8> {
    let mut carry = 0_u64;
    let mut product = Vec::new();
    for at in 0..number.len().max(more.len()) + 4 {
        let digit = |of: &[u8]| of.get(at).copied().map_or(0, u64::from);
        let sum = digit(number) * u64::from(factor) + digit(more) + carry;
        product.push(sum.to_le_bytes()[0]);
        carry = sum >> 8;
    }
    while product.last() == Some(&0) {
        product.pop();
    }
    product
}

#[test]
fn a_modulus_of_the_faulty_generator_is_refused_cve_2017_15361() {
    // A power of 65537, as its keys are modulo every small prime; 2049 bits.
    let power = (0..128).fold(vec![1], |power, _| times(&power, 65537, &[]));
    // The same modulo all of them, in other bytes.
    let is_prime = |n: &u32| (2..*n).all(|of| !n.is_multiple_of(of));
    let primes = (3..=167).filter(is_prime);
    let product = primes.fold(vec![2], |product, prime| times(&product, prime, &[]));
    let shifted = times(&product, 1, &power);
    let jwk = |number: &[u8]| {
        let n: Vec<u8> = number.iter().rev().copied().collect();
        json!({ "kty": "RSA", "alg": "RS256", "n": b64(n), "e": "AQAB" }).to_string()
    };
    let is_faulty = |number: &[u8]| {
        let key = Key::from_jwk(&jwk(number)).map_err(|error| error.to_string());
        key.is_err_and(|error| error.contains("CVE-2017-15361"))
    };
    assert!(is_faulty(&power) && is_faulty(&shifted));
    assert!(!is_faulty(&times(&power, 1, &[2])) && !is_faulty(&times(&shifted, 1, &[2])));
}

#[test]
fn a_modulus_has_8192_bits_at_most() {
    let too_long = |length: usize| {
        let mut n = vec![0xff; length];
        n[0] = if length > 1024 { 1 } else { 0xff };
        let jwk = json!({ "kty": "RSA", "alg": "RS256", "n": b64(n), "e": "AQAB" });
        let key = Key::from_jwk(&jwk.to_string()).map_err(|error| error.to_string());
        key.is_err_and(|error| error.contains("longer than the cryptography takes"))
    };
    assert!(!too_long(1024));
    assert!(too_long(1025));
}

#[test]
fn a_jwk_on_p384_is_read_like_its_pem() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let pem = include_str!("../data/ec-p384.pub.pem");
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(body).unwrap();
    let (x, y) = der[der.len() - 96..].split_at(48);
    let jwk = json!({ "kty": "EC", "crv": "P-384", "x": b64(x), "y": b64(y) });
    let key = Key::from_jwk(&jwk.to_string()).unwrap();
    assert!(format!("{key:?}").contains("ES384"));
}

#[test]
fn a_jwk_that_names_another_algorithm_is_not_taken_for_this_one() {
    let jwk = json!({ "kty": "oct", "alg": "HS256", "k": b64([7; 48]) }).to_string();
    assert!(Key::from_jwk_with(Algorithm::HS256, &jwk).is_ok());
    let other = "its `alg` is not the one that was asked for";
    let error = Key::from_jwk_with(Algorithm::HS384, &jwk).unwrap_err();
    assert_eq!(error, KeyError::Jwk(other));
}
