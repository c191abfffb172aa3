//! The examples of RFC 7515 (appendix A), RFC 7520 (section 4) and RFC 8037 (appendix A.4).

use serde_json::{Value, json};
use tower_ws_auth::Clock;
use tower_ws_auth::jwt::{Algorithm, Jwt, Key, Keys};

/// `{"iss":"joe",\r\n "exp":1300819380,\r\n "http://example.com/is_root":true}`
const JOE: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const JOES_LAST_SECOND: u64 = 1_300_819_379;
const ROAD: &str = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4";

struct Example {
    name: &'static str,
    algorithm: Algorithm,
    jwk: Value,
    header: &'static str,
    payload: &'static str,
    signature: &'static str,
}

fn examples() -> Vec<Example> {
    let bilbo = "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw";
    vec![
        Example {
            name: "RFC 7515 A.1",
            algorithm: Algorithm::HS256,
            jwk: json!({ "kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow" }),
            header: "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
            payload: JOE,
            signature: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        },
        Example {
            name: "RFC 7515 A.2",
            algorithm: Algorithm::RS256,
            jwk: json!({ "kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ" }),
            header: "eyJhbGciOiJSUzI1NiJ9",
            payload: JOE,
            signature: "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        },
        Example {
            name: "RFC 7515 A.3",
            algorithm: Algorithm::ES256,
            jwk: json!({ "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" }),
            header: "eyJhbGciOiJFUzI1NiJ9",
            payload: JOE,
            signature: "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        },
        Example {
            name: "RFC 7520 4.1",
            algorithm: Algorithm::RS256,
            jwk: json!({ "kty": "RSA", "kid": "bilbo.baggins@hobbiton.example", "use": "sig", "e": "AQAB", "n": bilbo }),
            header: "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9",
            payload: ROAD,
            signature: "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg",
        },
        Example {
            name: "RFC 7520 4.2",
            algorithm: Algorithm::PS384,
            jwk: json!({ "kty": "RSA", "kid": "bilbo.baggins@hobbiton.example", "use": "sig", "e": "AQAB", "n": bilbo }),
            header: "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9",
            payload: ROAD,
            signature: "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw",
        },
        Example {
            name: "RFC 7520 4.4",
            algorithm: Algorithm::HS256,
            jwk: json!({ "kty": "oct", "kid": "018c0ae5-4d9b-471b-bfd6-eef314bc7037", "use": "sig", "alg": "HS256", "k": "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg" }),
            header: "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9",
            payload: ROAD,
            signature: "s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0",
        },
        Example {
            name: "RFC 8037 A.4",
            algorithm: Algorithm::EdDSA,
            jwk: json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }),
            header: "eyJhbGciOiJFZERTQSJ9",
            payload: "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
            signature: "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        },
    ]
}

impl Example {
    fn token(&self) -> String {
        format!("{}.{}.{}", self.header, self.payload, self.signature)
    }

    fn key(&self) -> Key {
        Key::from_jwk_with(self.algorithm, &self.jwk.to_string()).unwrap()
    }
}

#[test]
fn every_example_that_we_have_an_algorithm_for_is_opened() {
    for example in examples() {
        let opened = Keys::from(example.key()).open(&example.token());
        assert!(opened.is_ok(), "{}: {opened:?}", example.name);
    }
}

#[test]
fn joes_tokens_are_valid_until_2011_and_the_texts_are_no_claims() {
    for example in examples() {
        let verdict = |now| {
            let jwt = Jwt::<Value>::builder(example.key()).clock(Clock::fixed(now));
            let jwt = jwt.build().unwrap();
            let verified = jwt.verify_token(&example.token());
            verified.map_or_else(|rejection| rejection.reason(), |_| "accepted")
        };
        let joe = example.payload == JOE;
        let expected = if joe { "accepted" } else { "token_invalid" };
        assert_eq!(verdict(JOES_LAST_SECOND), expected, "{}", example.name);
        let expected = if joe {
            "token_expired"
        } else {
            "token_invalid"
        };
        assert_eq!(verdict(JOES_LAST_SECOND + 1), expected, "{}", example.name);
    }
}

#[test]
fn no_example_is_opened_with_the_key_of_another() {
    let examples = examples();
    let mut tried = 0;
    for (token_at, token) in examples.iter().enumerate() {
        for (key_at, key) in examples.iter().enumerate() {
            if token_at != key_at {
                let opened = Keys::from(key.key()).open(&token.token());
                assert!(opened.is_err(), "{} by {}", token.name, key.name);
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 42);
}

#[test]
fn the_examples_without_signature_in_other_forms_and_algorithms_are_refused() {
    let flattened = format!(
        r#"{{"payload":"{JOE}","protected":"eyJhbGciOiJFUzI1NiJ9","header":{{"kid":"e9bc097a-ce51-4036-9562-d2ade882db0d"}},"signature":"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"}}"#
    );
    let detached = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9..s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0";
    for (name, token) in [
        ("RFC 7515 A.5, none", format!("eyJhbGciOiJub25lIn0.{JOE}.")),
        ("RFC 7515 A.7, flattened", flattened),
        ("RFC 7515 appendix F, detached", detached.to_owned()),
        (
            "RFC 7515 E, crit",
            format!(
                "eyJhbGciOiJub25lIiwNCiAiY3JpdCI6WyJodHRwOi8vZXhhbXBsZS5jb20vVU5ERUZJTkVEIl0sDQogImh0dHA6Ly9leGFtcGxlLmNvbS9VTkRFRklORUQiOnRydWUNCn0.{JOE}."
            ),
        ),
        (
            "RFC 7515 A.4, ES512",
            format!(
                "eyJhbGciOiJFUzUxMiJ9.{JOE}.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"
            ),
        ),
    ] {
        for example in examples() {
            assert!(
                Keys::from(example.key()).open(&token).is_err(),
                "{name} by {}",
                example.name
            );
        }
    }
}
