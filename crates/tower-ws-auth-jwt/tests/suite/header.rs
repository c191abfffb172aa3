use std::io::ErrorKind;
use std::net::TcpListener;

use crate::support::*;
use tower_ws_auth_jwt::{Algorithm, Jwt, Key, Keys};

const EXP: &str = r#"{"exp":1700000060}"#;

mod compact_serialization_rfc7515_7_1 {
    use super::*;

    #[test]
    fn a_token_has_exactly_three_parts() {
        let good = good();
        assert_eq!(verdict(&jwt(), &good), "accepted");
        let parts: Vec<_> = good.split('.').collect();
        for bad in [
            String::new(),
            ".".into(),
            "..".into(),
            "...".into(),
            parts[0].into(),
            parts[..2].join("."),
            format!("{good}."),
            format!(".{good}"),
            format!("{good}.{}", parts[2]),
            format!("{}..{}", parts[0], parts[2]),
            format!("{}.{}.", parts[0], parts[1]),
            format!(".{}.{}", parts[1], parts[2]),
            format!("{good} "),
            format!(" {good}"),
        ] {
            assert_eq!(verdict(&jwt(), &bad), "token_invalid", "{bad:?}");
        }
    }

    #[test]
    fn eight_kib_are_the_limit_and_more_is_not_even_split() {
        let of_length = |length: usize| {
            let mut token = String::new();
            for pad in 0.. {
                token = claims(format!(
                    r#"{{"exp":1700000060,"pad":"{}"}}"#,
                    "x".repeat(pad)
                ));
                if token.len() >= length {
                    break;
                }
            }
            token
        };
        let longest = of_length(8 * 1024 - 1);
        assert!(longest.len() <= 8 * 1024, "{}", longest.len());
        assert_eq!(verdict(&jwt(), &longest), "accepted");
        let longer = of_length(8 * 1024 + 1);
        assert_eq!(
            detail(&jwt(), &longer),
            "the token is longer than its carrier allows (8 KiB by default)"
        );
        let dots = ".".repeat(60_000);
        assert_eq!(
            detail(&jwt(), &dots),
            "the token is longer than its carrier allows (8 KiB by default)"
        );
    }

    #[test]
    fn base64url_is_without_padding_stray_bits_and_foreign_characters() {
        // Signed as they are, so that only the decoder can refuse them.
        let (header, payload) = (b64(HEADER), b64(EXP));
        assert_eq!(payload.len() % 4, 0);
        let spaced = b64(r#"{"exp":1700000060 }"#);
        assert!(spaced.ends_with('Q'));
        let stray = format!("{}R", spaced.strip_suffix('Q').unwrap());
        assert_eq!(verdict(&jwt(), &sign(&header, &spaced)), "accepted");
        for bad in [
            stray,
            format!("{spaced}=="),
            format!("{spaced}="),
            format!("{payload}="),
            format!("{payload}A"),
            format!("{payload} "),
            format!("{payload}\n"),
            format!("{payload}?"),
            format!("{payload}~~~~"),
            format!("{payload}+/+/"),
            format!("{payload}é"),
        ] {
            let token = sign(&header, &bad);
            let want = if bad.contains('=') {
                "the token has `=` padding, which a JWS never has (RFC 7515 §2)"
            } else {
                "the payload is not UTF-8 in base64url"
            };
            assert_eq!(detail(&jwt(), &token), want, "{bad:?}");
            let token = sign(&bad, &payload);
            assert_eq!(verdict(&jwt(), &token), "token_invalid", "{bad:?}");
        }
        let good = good();
        for bad in [format!("{good}="), format!("{good}A"), format!("{good}==")] {
            assert_eq!(verdict(&jwt(), &bad), "token_invalid", "{bad:?}");
        }
    }

    #[test]
    fn a_signature_with_stray_bits_is_refused() {
        let good = good();
        let (rest, last) = good.split_at(good.len() - 1);
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let index = alphabet.find(last).unwrap();
        let accepted = (0..64)
            .filter(|&other| {
                verdict(&jwt(), &format!("{rest}{}", &alphabet[other..=other])) == "accepted"
            })
            .collect::<Vec<_>>();
        assert_eq!(accepted, [index]);
    }
}

mod jose_header_rfc7515_4 {
    use super::*;

    fn with(header: &str) -> &'static str {
        verdict(&jwt(), &token(header, EXP))
    }

    #[test]
    fn it_is_a_json_object_and_nothing_else() {
        assert_eq!(with(HEADER), "accepted");
        assert_eq!(with(" { \"alg\" : \"HS256\" } \n"), "accepted");
        for bad in [
            "",
            "null",
            "[]",
            r#"["HS256"]"#,
            r#""HS256""#,
            r#"{"alg":"HS256"}x"#,
            r#"{"alg":"HS256"}{}"#,
            r#"{"alg":"HS256""#,
            r#"{"alg":"HS256",}"#,
            "\u{feff}{\"alg\":\"HS256\"}",
            "{'alg':'HS256'}",
        ] {
            assert_eq!(with(bad), "token_invalid", "{bad}");
        }
        let not_utf8 = token(b"{\"alg\":\"HS256\",\"x\":\"\xff\"}", EXP);
        assert_eq!(verdict(&jwt(), &not_utf8), "token_invalid");
    }

    #[test]
    fn names_are_unique_at_any_depth_however_they_are_written() {
        for bad in [
            r#"{"alg":"HS256","alg":"HS256"}"#,
            r#"{"alg":"HS256","al\u0067":"HS256"}"#,
            r#"{"alg":"HS256","x":1,"x":1}"#,
            r#"{"alg":"HS256","x":{"y":1,"y":1}}"#,
            r#"{"alg":"HS256","x":[[{"y":{"z":1,"\u007a":1}}]]}"#,
        ] {
            assert_eq!(with(bad), "token_invalid", "{bad}");
        }
        for good in [
            r#"{"alg":"HS256","x":{"alg":"none","x":{"x":1}},"y":{"x":1}}"#,
            r#"{"alg":"HS256","x":[{"x":1},{"x":1}]}"#,
        ] {
            assert_eq!(with(good), "accepted", "{good}");
        }
    }

    #[test]
    fn it_is_small_and_not_nested_without_end() {
        let members = |count: usize| {
            let members: Vec<_> = (1..count).map(|n| format!(r#""m{n}":{n}"#)).collect();
            format!(r#"{{"alg":"HS256",{}}}"#, members.join(","))
        };
        assert_eq!(with(&members(32)), "accepted");
        assert_eq!(with(&members(33)), "token_invalid");
        let deep = |depth| {
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            format!(r#"{{"alg":"HS256","x":{open}{close}}}"#)
        };
        assert_eq!(with(&deep(100)), "accepted");
        assert_eq!(with(&deep(2_000)), "token_invalid");
    }

    #[test]
    fn a_header_longer_than_the_stack_buffer_is_read_as_well() {
        for length in 200..300 {
            let header = format!(r#"{{"alg":"HS256","x":"{}"}}"#, "x".repeat(length));
            assert_eq!(with(&header), "accepted", "{length}");
        }
    }

    #[test]
    fn alg_is_the_keys_algorithm_in_exactly_its_spelling() {
        for bad in [
            r#"{"typ":"JWT"}"#,
            r#"{"alg":null}"#,
            r#"{"alg":256}"#,
            r#"{"alg":["HS256"]}"#,
            r#"{"alg":""}"#,
            r#"{"alg":"none"}"#,
            r#"{"alg":"None"}"#,
            r#"{"alg":"NONE"}"#,
            r#"{"alg":"nOnE"}"#,
            r#"{"alg":"hs256"}"#,
            r#"{"alg":"HS256 "}"#,
            r#"{"alg":"HS384"}"#,
            r#"{"alg":"HS512"}"#,
            r#"{"alg":"RS256"}"#,
            r#"{"alg":"ES256"}"#,
            r#"{"alg":"ES512"}"#,
            r#"{"alg":"PS256"}"#,
            r#"{"alg":"EdDSA"}"#,
            r#"{"alg":"A128KW"}"#,
        ] {
            assert_eq!(with(bad), "token_invalid", "{bad}");
        }
        assert_eq!(with(r#"{"alg":"HS\u0032\u0035\u0036"}"#), "accepted");
        let unsigned = format!("{}.{}.", b64(r#"{"alg":"none"}"#), b64(EXP));
        assert_eq!(verdict(&jwt(), &unsigned), "token_invalid");
    }

    #[test]
    fn any_crit_and_every_extension_that_changes_the_meaning_is_refused() {
        for member in [
            r#""crit":["exp"]"#,
            r#""crit":[]"#,
            r#""crit":null"#,
            r#""b64":false"#,
            r#""b64":true"#,
            r#""zip":"DEF""#,
            r#""enc":"A128GCM""#,
        ] {
            for bad in [
                format!(r#"{{"alg":"HS256",{member}}}"#),
                format!(r#"{{{member},"alg":"HS256","x":1}}"#),
            ] {
                assert_eq!(with(&bad), "token_invalid", "{bad}");
            }
        }
    }

    #[test]
    fn keys_in_the_header_are_never_used() {
        // Who fetches a key comes here.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let embedded = format!(
            r#"{{"alg":"HS256","jwk":{{"kty":"oct","k":"{}"}},"jku":"{url}","x5u":"{url}","x5c":["AA=="]}}"#,
            b64(SECRET)
        );
        assert_eq!(with(&embedded), "accepted");
        let other = Key::hs256([9; 32]).unwrap();
        let error = Keys::from(other.clone())
            .open(&token(&embedded, EXP))
            .unwrap_err();
        assert_eq!(error.detail(), "the signature is not good");
        let jwt = Jwt::<serde_json::Value>::builder(other).build().unwrap();
        assert_eq!(verdict(&jwt, &token(embedded, EXP)), "token_invalid");
        let heard = listener.accept().unwrap_err();
        assert_eq!(heard.kind(), ErrorKind::WouldBlock, "a key was fetched");
    }

    #[test]
    fn nothing_of_the_payload_is_read_before_the_signature_is_good() {
        let forged = format!("{}.***.{}", b64(HEADER), b64([0; 32]));
        assert_eq!(detail(&jwt(), &forged), "the signature is not good");
    }
}

mod explicit_typing_rfc8725_3_11 {
    use super::*;

    #[test]
    fn typ_ignores_case_and_the_prefix_and_nothing_else() {
        let with = |configured: &str, typ: &str| {
            let jwt = builder().typ(configured).build().unwrap();
            verdict(&jwt, &token(format!(r#"{{"alg":"HS256"{typ}}}"#), EXP))
        };
        for configured in ["at+jwt", "AT+JWT", "application/at+jwt"] {
            for good in [
                "at+jwt",
                "At+Jwt",
                "application/at+jwt",
                "Application/AT+JWT",
            ] {
                let typ = format!(r#","typ":"{good}""#);
                assert_eq!(with(configured, &typ), "accepted", "{configured} {good}");
            }
            for bad in [
                "",
                r#","typ":null"#,
                r#","typ":7"#,
                r#","typ":["at+jwt"]"#,
                r#","typ":"""#,
                r#","typ":"JWT""#,
                r#","typ":"at+jwt ""#,
                r#","typ":"text/at+jwt""#,
                r#","typ":"application/application/at+jwt""#,
            ] {
                assert_eq!(with(configured, bad), "token_invalid", "{configured} {bad}");
            }
        }
    }

    #[test]
    fn without_a_configured_typ_anything_but_a_wrong_type_goes() {
        for header in [r#"{"alg":"HS256"}"#, r#"{"alg":"HS256","typ":"whatever"}"#] {
            assert_eq!(verdict(&jwt(), &token(header, EXP)), "accepted");
        }
    }
}

mod key_ids_rfc7515_4_1_4 {
    use super::*;

    fn open(keys: &Keys, header: &str) -> bool {
        keys.open(&token(header, EXP)).is_ok()
    }

    fn hs(byte: u8) -> Key {
        Key::hs256([byte; 32]).unwrap()
    }

    fn right() -> Key {
        Key::hs256(SECRET).unwrap()
    }

    const NAMED: &str = r#"{"alg":"HS256","kid":"a"}"#;
    const UNNAMED: &str = r#"{"alg":"HS256"}"#;

    #[test]
    fn a_kid_chooses_the_key_of_that_name_and_no_other() {
        let keys = Keys::new().with_kid("a", right()).with_kid("b", hs(1));
        assert!(open(&keys, NAMED));
        assert!(!open(&keys, r#"{"alg":"HS256","kid":"b"}"#));
        assert!(!open(&keys, r#"{"alg":"HS256","kid":"c"}"#));
        assert!(!open(&keys, r#"{"alg":"HS256","kid":"A"}"#));
        let keys = Keys::new().with_kid("a", hs(1)).with(right());
        assert!(!open(&keys, NAMED));
    }

    #[test]
    fn an_unknown_kid_leaves_the_unnamed_keys_and_no_kid_does_too() {
        let keys = Keys::new().with_kid("b", hs(1)).with(hs(2)).with(right());
        assert!(open(&keys, NAMED));
        assert!(open(&keys, UNNAMED));
        let keys = Keys::new().with_kid("b", right()).with(hs(2));
        assert!(!open(&keys, NAMED));
        assert!(!open(&keys, UNNAMED));
    }

    #[test]
    fn without_a_kid_up_to_four_named_keys_that_fit_are_tried() {
        let others = |count: u8| {
            let kid = |n: u8| format!("other-{n}");
            (0..count).fold(Keys::new(), |keys, n| keys.with_kid(kid(n), hs(n)))
        };
        assert!(open(&others(3).with_kid("a", right()), UNNAMED));
        let crowded = others(4).with_kid("a", right());
        let refused = crowded.open(&token(UNNAMED, EXP)).unwrap_err();
        assert_eq!(
            refused.detail(),
            "the token has no `kid`, and more than four keys fit its `alg`"
        );
        assert!(open(&crowded, NAMED));
        // Another algorithm does not count.
        let long = Key::hmac(Algorithm::HS384, [1; 48]).unwrap();
        let mixed = others(3).with_kid("a", right()).with_kid("long", long);
        assert!(open(&mixed, UNNAMED));
    }

    #[test]
    fn up_to_four_keys_for_one_algorithm_share_a_kid() {
        let keys = (0..3).fold(Keys::new(), |keys, n| keys.with_kid("a", hs(n)));
        let long = Key::hmac(Algorithm::HS384, [1; 48]).unwrap();
        let keys = keys.with_kid("a", right()).with_kid("a", long);
        assert!(open(&keys, NAMED));
        let strangers = Keys::new().with_kid("a", hs(1)).with_kid("b", right());
        // A key of another name verifies nothing under this one.
        assert!(!open(&strangers, NAMED));
    }

    #[test]
    fn a_kid_and_a_typ_that_are_null_are_absent() {
        let keys = Keys::from(right());
        assert!(open(&keys, r#"{"alg":"HS256","kid":null,"typ":null}"#));
        let typed = builder().typ("at+jwt").build().unwrap();
        let null = token(r#"{"alg":"HS256","typ":null}"#, EXP);
        assert_eq!(verdict(&typed, &null), "token_invalid");
    }

    #[test]
    fn a_single_named_key_needs_no_kid() {
        let keys = Keys::new().with_kid("a", right());
        assert!(open(&keys, UNNAMED));
        assert!(!open(&keys, r#"{"alg":"HS256","kid":"b"}"#));
    }

    #[test]
    fn the_algorithm_must_fit_whichever_key_is_chosen() {
        let long = Key::hmac(Algorithm::HS384, [1; 48]).unwrap();
        let keys = Keys::new().with_kid("a", long);
        assert!(!open(&keys, NAMED));
        let token = token(NAMED, EXP);
        assert_eq!(
            keys.open(&token).unwrap_err().detail(),
            "there is no key for the token's `kid` and `alg`"
        );
    }

    #[test]
    fn it_is_an_opaque_name_of_at_most_256_bytes() {
        for kid in [
            "",
            "../../etc/passwd",
            "' OR 1=1 --",
            "a\u{0}b",
            "é",
            &"k".repeat(256),
        ] {
            let keys = Keys::new().with_kid(kid, right());
            let header = serde_json::json!({"alg": "HS256", "kid": kid}).to_string();
            assert!(open(&keys, &header), "{kid:?}");
        }
        let header = format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "k".repeat(257));
        assert_eq!(
            Keys::from(right())
                .open(&token(header, EXP))
                .unwrap_err()
                .detail(),
            "`kid` has more than 256 bytes"
        );
        for bad in ["7", "[\"a\"]", "{}"] {
            let header = format!(r#"{{"alg":"HS256","kid":{bad}}}"#);
            assert!(!open(&Keys::from(right()), &header), "{bad}");
        }
    }

    #[test]
    fn a_set_with_a_fault_opens_nothing() {
        let crowd = (0..5).fold(Keys::new(), |keys, _| keys.with_kid("a", right()));
        assert!(!open(&crowd, NAMED));
        assert!(!open(&Keys::new(), UNNAMED));
    }
}

mod open {
    use super::*;

    #[test]
    fn the_payload_may_be_anything() {
        let keys = Keys::from(Key::hs256(SECRET).unwrap());
        for payload in [&b""[..], b"foo", b"{\"exp\":1}", b"\xff\x00", &[7; 5_000]] {
            assert_eq!(keys.open(&token(HEADER, payload)).unwrap(), payload);
        }
    }
}
