use std::time::Duration;

use crate::support::*;
use serde::Deserialize;
use tower_ws_auth_core::Clock;
use tower_ws_auth_jwt::{Jwt, Key};

mod registered_claims_rfc7519_4_1 {
    use super::*;

    const EXP: &str = r#""exp":1700000060"#;

    #[test]
    fn the_payload_is_a_json_object_with_unique_names() {
        for bad in [
            String::new(),
            "foo".to_owned(),
            "123400".to_owned(),
            "[]".to_owned(),
            "null".to_owned(),
            format!("{{{EXP}}} x"),
            format!("{{{EXP},{EXP}}}"),
            format!(r#"{{{EXP},"\u0065xp":1}}"#),
            format!(r#"{{{EXP},"a":{{"b":1,"b":2}}}}"#),
            format!(r#"{{{EXP},"a":[{{"b":[{{"c":1,"c":1}}]}}]}}"#),
            format!(r#"{{{EXP},"a":"\ud800"}}"#),
            format!(r#"{{{EXP},"a":{}{}}}"#, "[".repeat(300), "]".repeat(300)),
        ] {
            assert_eq!(verdict(&jwt(), &claims(&bad)), "token_invalid", "{bad}");
        }
        let good = format!(r#"{{{EXP},"a":{{"exp":1,"b":1}},"b":[{{"b":1}},{{"b":1}}]}}"#);
        assert_eq!(verdict(&jwt(), &claims(good)), "accepted");
    }

    #[test]
    fn many_members_and_long_payloads_are_fine_and_still_unique() {
        let members: Vec<_> = (0..100).map(|n| format!(r#""m{n}":"é""#)).collect();
        let good = format!("{{{},{EXP}}}", members.join(","));
        assert_eq!(verdict(&jwt(), &claims(good)), "accepted");
        for twice in [0, 15, 16, 17, 99] {
            let bad = format!(r#"{{{},{EXP},"m{twice}":1}}"#, members.join(","));
            assert_eq!(verdict(&jwt(), &claims(bad)), "token_invalid", "{twice}");
        }
        for length in 970..1030 {
            let good = format!(r#"{{{EXP},"a":"{}"}}"#, "x".repeat(length));
            assert_eq!(verdict(&jwt(), &claims(good)), "accepted", "{length}");
        }
    }

    #[test]
    fn exp_is_demanded_unless_that_is_waived_by_name() {
        let none = claims("{}");
        assert_eq!(detail(&jwt(), &none), "`exp` is missing");
        let waived = builder().dangerous_allow_missing_exp().build().unwrap();
        let grant = waived.verify_token(&none).unwrap();
        assert_eq!(grant.validity().end(), None);
        assert_eq!(verdict(&waived, &claims(r#"{"exp":1}"#)), "token_expired");
        assert_eq!(
            verdict(&waived, &claims(r#"{"exp":null}"#)),
            "token_invalid"
        );
    }

    #[test]
    fn exp_has_passed_as_soon_as_the_clock_shows_it() {
        for (exp, leeway, expected) in [
            (NOW + 1, 0, "accepted"),
            (NOW, 0, "token_expired"),
            (NOW - 1, 0, "token_expired"),
            (NOW, 60, "accepted"),
            (NOW - 59, 60, "accepted"),
            (NOW - 60, 60, "token_expired"),
        ] {
            let leeway = Duration::from_secs(leeway);
            let jwt = builder().leeway(leeway).build().unwrap();
            let token = claims(format!(r#"{{"exp":{exp}}}"#));
            assert_eq!(verdict(&jwt, &token), expected, "{exp} {leeway:?}");
        }
    }

    #[test]
    fn times_are_numbers_of_any_size_and_nothing_else() {
        let far = "accepted";
        for (exp, expected) in [
            ("0", "token_expired"),
            ("-0", "token_expired"),
            ("-0.0", "token_expired"),
            ("-1", "token_expired"),
            ("1.5", "token_expired"),
            ("1e-400", "token_expired"),
            ("-1e30", "token_expired"),
            ("-9223372036854775808", "token_expired"),
            ("1699999999.9", "token_expired"),
            ("1700000000.5", "accepted"),
            ("1700000000.0", "token_expired"),
            ("17000000010e-1", "accepted"),
            ("1e30", far),
            ("1e308", far),
            ("18446744073709551615", far),
            ("18446744073709551616", far),
            ("9007199254740993", far),
            ("1e400", "token_invalid"),
            ("\"1\"", "token_invalid"),
            ("\"1700000060\"", "token_invalid"),
            ("null", "token_invalid"),
            ("true", "token_invalid"),
            ("[1700000060]", "token_invalid"),
            ("{}", "token_invalid"),
            ("NaN", "token_invalid"),
            ("Infinity", "token_invalid"),
            ("01700000060", "token_invalid"),
            ("+1700000060", "token_invalid"),
        ] {
            let token = claims(format!(r#"{{"exp":{exp}}}"#));
            let patient = builder().max_exp_ahead(Duration::MAX);
            assert_eq!(
                verdict(&patient.build().unwrap(), &token),
                expected,
                "{exp}"
            );
            let generous = builder().dangerous_long_leeway(Duration::MAX);
            let generous = generous.max_exp_ahead(Duration::MAX);
            let verdict = verdict(&generous.build().unwrap(), &token);
            let invalid = expected == "token_invalid";
            assert_eq!(verdict == "token_invalid", invalid, "{exp}");
        }
        for name in ["nbf", "iat"] {
            for bad in ["\"1\"", "[]", "true", "{}"] {
                let token = claims(format!(r#"{{{EXP},"{name}":{bad}}}"#));
                assert_eq!(verdict(&jwt(), &token), "token_invalid", "{name} {bad}");
            }
        }
    }

    #[test]
    fn no_clock_makes_the_arithmetic_fail() {
        for now in [0, 1, u64::MAX] {
            for exp in ["0", "-1", "1e30", "18446744073709551615"] {
                for leeway in [Duration::ZERO, Duration::MAX] {
                    let jwt = builder()
                        .clock(Clock::fixed(now))
                        .dangerous_long_leeway(leeway)
                        .max_lifetime(Duration::MAX)
                        .build()
                        .unwrap();
                    let times = format!(r#"{{"exp":{exp},"nbf":{exp},"iat":{exp}}}"#);
                    let _ = verdict(&jwt, &claims(times));
                }
            }
        }
    }

    #[test]
    fn an_optional_claim_that_is_null_is_absent_and_stands_for_nothing() {
        let null = claims(format!(r#"{{{EXP},"aud":null,"iat":null,"nbf":null}}"#));
        assert_eq!(verdict(&jwt(), &null), "accepted");
        let empty = claims(format!(r#"{{{EXP},"aud":[]}}"#));
        assert_eq!(verdict(&jwt(), &empty), "accepted");
        let demanding = [
            builder().audience("a"),
            builder().require_claim("iat"),
            builder().require_claim("nbf"),
            builder().require_claim("aud"),
        ];
        for jwt in demanding {
            let jwt = jwt.build().unwrap();
            assert_eq!(verdict(&jwt, &null), "token_invalid", "{jwt:?}");
        }
        let jwt = builder().audience("a").build().unwrap();
        assert_eq!(detail(&jwt, &null), "`aud` is missing");
        assert_eq!(detail(&jwt, &empty), "`aud` is missing");
    }

    #[test]
    fn an_exp_in_milliseconds_is_refused_and_the_log_asks_for_it() {
        let in_millis = claims(r#"{"exp":1700000060000}"#);
        assert!(detail(&jwt(), &in_millis).ends_with("is it in milliseconds?"));
        let day = Duration::from_secs(86_400);
        let short = builder().max_exp_ahead(day).build().unwrap();
        assert_eq!(
            verdict(&short, &claims(r#"{"exp":1700086400}"#)),
            "accepted"
        );
        assert_eq!(
            verdict(&short, &claims(r#"{"exp":1700086401}"#)),
            "token_invalid"
        );
        let ten_years = |more: u64| claims(format!(r#"{{"exp":{}}}"#, NOW + 315_360_000 + more));
        assert_eq!(verdict(&jwt(), &ten_years(0)), "accepted");
        assert_eq!(verdict(&jwt(), &ten_years(1)), "token_invalid");
    }

    #[test]
    fn nbf_must_have_come() {
        for (nbf, leeway, expected) in [
            ("1700000000", 0, "accepted"),
            ("1700000001", 0, "token_not_yet_valid"),
            ("1700000000.5", 0, "token_not_yet_valid"),
            ("1700000030", 30, "accepted"),
            ("1700000031", 30, "token_not_yet_valid"),
            ("-1", 0, "accepted"),
            ("18446744073709551615", 60, "token_not_yet_valid"),
            ("1e30", 60, "token_not_yet_valid"),
        ] {
            let jwt = builder().leeway(Duration::from_secs(leeway));
            let jwt = jwt.max_exp_ahead(Duration::MAX);
            let token = claims(format!(r#"{{"exp":1e31,"nbf":{nbf}}}"#));
            assert_eq!(verdict(&jwt.build().unwrap(), &token), expected, "{nbf}");
        }
    }

    #[test]
    fn iat_alone_refuses_nothing() {
        let token = claims(format!(r#"{{{EXP},"iat":1e30}}"#));
        assert_eq!(verdict(&jwt(), &token), "accepted");
    }

    #[test]
    fn iss_is_one_of_the_configured_issuers() {
        let jwt = builder().issuer("a").issuers(["b", "c"]).build().unwrap();
        for good in ["a", "b", "c"] {
            let token = claims(format!(r#"{{{EXP},"iss":"{good}"}}"#));
            assert_eq!(verdict(&jwt, &token), "accepted", "{good}");
        }
        for bad in [
            "",
            r#","iss":"d""#,
            r#","iss":"A""#,
            r#","iss":"a/""#,
            r#","iss":"""#,
            r#","iss":null"#,
            r#","iss":7"#,
            r#","iss":["a"]"#,
            r#","iss":{"a":"a"}"#,
        ] {
            let token = claims(format!("{{{EXP}{bad}}}"));
            assert_eq!(verdict(&jwt, &token), "token_invalid", "{bad}");
        }
        let escaped = builder().issuer("https://a").build().unwrap();
        let token = claims(format!(r#"{{{EXP},"iss":"https:\/\/a"}}"#));
        assert_eq!(verdict(&escaped, &token), "accepted");
    }

    #[test]
    fn aud_names_a_configured_audience_alone_or_among_others() {
        let jwt = builder().audience("a").audiences(["b"]).build().unwrap();
        for good in [
            r#""a""#,
            r#""b""#,
            r#"["a"]"#,
            r#"["x","b"]"#,
            r#"["b","a"]"#,
        ] {
            let token = claims(format!(r#"{{{EXP},"aud":{good}}}"#));
            assert_eq!(verdict(&jwt, &token), "accepted", "{good}");
        }
        assert_eq!(
            detail(&jwt, &claims(format!("{{{EXP}}}"))),
            "`aud` is missing"
        );
        for bad in [
            r#""x""#,
            r#""A""#,
            r#""""#,
            "[]",
            r#"["x"]"#,
            r#"["a",7]"#,
            r#"["a",null]"#,
            r#"[["a"]]"#,
            r#"{"a":"a"}"#,
            "null",
            "7",
            "true",
        ] {
            let token = claims(format!(r#"{{{EXP},"aud":{bad}}}"#));
            assert_eq!(verdict(&jwt, &token), "token_invalid", "{bad}");
        }
    }

    #[test]
    fn a_token_for_somebody_is_refused_where_no_audience_is_configured() {
        let lax = builder().dangerous_ignore_audience().build().unwrap();
        for aud in [r#""a""#, r#"["a"]"#, "[7]", "[null]", "7", "{}"] {
            let token = claims(format!(r#"{{{EXP},"aud":{aud}}}"#));
            assert_eq!(
                detail(&jwt(), &token),
                "the token has an `aud` and no audience is configured",
                "{aud}"
            );
            assert_eq!(verdict(&lax, &token), "accepted", "{aud}");
        }
    }

    #[test]
    fn sub_is_the_configured_subject() {
        let jwt = builder().subject("ada").build().unwrap();
        let with = |sub: &str| verdict(&jwt, &claims(format!("{{{EXP}{sub}}}")));
        assert_eq!(with(r#","sub":"ada""#), "accepted");
        for bad in ["", r#","sub":"bob""#, r#","sub":null"#, r#","sub":["ada"]"#] {
            assert_eq!(with(bad), "token_invalid", "{bad}");
        }
    }

    #[test]
    fn required_claims_are_there_and_not_null() {
        let jwt = builder()
            .require_claim("jti")
            .require_claim("iat")
            .require_claim("jti")
            .build()
            .unwrap();
        let with = |rest: &str| verdict(&jwt, &claims(format!("{{{EXP}{rest}}}")));
        assert_eq!(with(r#","jti":"x","iat":1"#), "accepted");
        assert_eq!(with(r#","jti":false,"iat":0"#), "accepted");
        for bad in [
            "",
            r#","jti":"x""#,
            r#","iat":1"#,
            r#","jti":null,"iat":1"#,
            r#","a":{"jti":"x","iat":1}"#,
        ] {
            assert_eq!(with(bad), "token_invalid", "{bad}");
        }
    }
}

mod lifetime {
    use super::*;

    fn with(leeway: u64, claims_text: &str) -> &'static str {
        let jwt = builder()
            .leeway(Duration::from_secs(leeway))
            .max_lifetime(Duration::from_secs(300))
            .build()
            .unwrap();
        verdict(&jwt, &claims(claims_text))
    }

    #[test]
    fn from_issue_to_end_it_is_no_longer_than_configured() {
        assert_eq!(
            with(0, r#"{"iat":1699999800,"exp":1700000100}"#),
            "accepted"
        );
        assert_eq!(
            with(60, r#"{"iat":1699999800,"exp":1700000101}"#),
            "token_invalid"
        );
    }

    #[test]
    fn without_iat_what_is_left_counts() {
        assert_eq!(with(0, r#"{"exp":1700000300}"#), "accepted");
        assert_eq!(with(0, r#"{"exp":1700000301}"#), "token_invalid");
        assert_eq!(with(60, r#"{"exp":1700000360}"#), "accepted");
        assert_eq!(with(60, r#"{"exp":1700000361}"#), "token_invalid");
    }

    #[test]
    fn a_later_iat_does_not_stretch_it() {
        assert_eq!(
            with(0, r#"{"iat":1700000100,"exp":1700000400}"#),
            "token_invalid"
        );
        assert_eq!(
            with(0, r#"{"iat":1700000001,"exp":1700000100}"#),
            "token_not_yet_valid"
        );
        assert_eq!(
            with(60, r#"{"iat":1700000060,"exp":1700000100}"#),
            "accepted"
        );
        assert_eq!(
            with(60, r#"{"iat":1700000061,"exp":1700000100}"#),
            "token_not_yet_valid"
        );
    }
}

mod which_reason_wins {
    use super::*;

    #[derive(Clone, Debug, Deserialize)]
    #[allow(dead_code)]
    struct Claims {
        user: String,
    }

    fn jwt() -> Jwt<Claims> {
        Jwt::builder(Key::hs256(SECRET).unwrap())
            .clock(Clock::fixed(NOW))
            .issuer("a")
            .build()
            .unwrap()
    }

    fn reason(payload: &str) -> &'static str {
        jwt().verify_token(&claims(payload)).unwrap_err().reason()
    }

    #[test]
    fn a_bad_signature_before_everything() {
        let mut token = claims(r#"{"iss":"a","exp":1}"#);
        token.replace_range(token.len() - 10..token.len() - 5, "AAAAA");
        let rejection = jwt().verify_token(&token).unwrap_err();
        assert_eq!(rejection.detail(), "the signature is not good");
    }

    #[test]
    fn a_strangers_token_before_its_expiry() {
        assert_eq!(
            reason(r#"{"iss":"b","exp":1,"user":"ada"}"#),
            "token_invalid"
        );
    }

    #[test]
    fn expiry_before_claims_that_do_not_fit() {
        assert_eq!(reason(r#"{"iss":"a","exp":1}"#), "token_expired");
        assert_eq!(
            reason(r#"{"iss":"a","exp":1e9,"nbf":1.8e9}"#),
            "token_expired"
        );
        assert_eq!(
            reason(r#"{"iss":"a","exp":1.9e9,"nbf":1.8e9}"#),
            "token_not_yet_valid"
        );
        assert_eq!(reason(r#"{"iss":"a","exp":1.9e9}"#), "token_invalid");
    }

    #[test]
    fn expiry_before_whatever_else_is_missing() {
        let strict = builder()
            .issuer("a")
            .audience("b")
            .subject("c")
            .require_claim("jti");
        let strict = strict.build().unwrap();
        assert_eq!(
            verdict(&strict, &claims(r#"{"iss":"a","exp":1}"#)),
            "token_expired"
        );
        assert_eq!(
            verdict(&strict, &claims(r#"{"iss":"b","exp":1}"#)),
            "token_invalid"
        );
        let live = claims(r#"{"iss":"a","exp":1700000060}"#);
        assert_eq!(detail(&strict, &live), "`aud` is missing");
    }

    #[test]
    fn the_log_learns_what_does_not_fit_and_no_value() {
        use std::error::Error as _;
        let source = |payload: &str| {
            let rejection = jwt().verify_token(&claims(payload)).unwrap_err();
            let source = rejection.source().unwrap();
            format!("{source} {source:?} {rejection:?}")
        };
        let missing = source(r#"{"iss":"a","exp":1.9e9}"#);
        assert!(missing.contains("missing field `user`"), "{missing}");
        for payload in [
            r#"{"iss":"a","exp":1.9e9,"user":["canary"]}"#,
            r#"{"iss":"a","exp":1.9e9,"user":{"canary":1}}"#,
            r#"{"iss":"a","exp":1.9e9,"user":424242}"#,
        ] {
            let text = source(payload);
            assert!(text.contains("at line 1 column"), "{text}");
            assert!(
                !text.contains("canary") && !text.contains("424242"),
                "{text}"
            );
        }
    }
}

mod the_grant {
    use super::*;

    #[test]
    fn it_ends_at_exp_plus_leeway() {
        let jwt = builder().leeway(Duration::from_secs(30));
        let jwt = jwt.max_exp_ahead(Duration::MAX).build().unwrap();
        for (exp, end) in [
            ("1700000060", Clock::at(1_700_000_090)),
            // To the fraction: what the handshake accepts is not over on the open connection.
            (
                "1700000060.5",
                Clock::at(1_700_000_090) + Duration::from_millis(500),
            ),
            ("18446744073709551615", Clock::at(u64::MAX)),
            ("1e30", Clock::at(u64::MAX)),
        ] {
            let grant = jwt.verify_token(&claims(format!(r#"{{"exp":{exp}}}"#)));
            assert_eq!(grant.unwrap().validity().end(), Some(end), "{exp}");
        }
    }

    #[test]
    fn it_was_issued_at_iat_unless_that_lies_in_the_future() {
        let jwt = builder().leeway(Duration::from_secs(30)).build().unwrap();
        for (iat, issued) in [
            (r#""iat":1700000000.25,"#, Some((1_700_000_000, 250))),
            (r#""iat":1600000000,"#, Some((1_600_000_000, 0))),
            // Within the leeway and a second.
            (r#""iat":1700000031,"#, Some((1_700_000_031, 0))),
            (r#""iat":1700000032,"#, None),
            (r#""iat":1e30,"#, None),
            ("", None),
        ] {
            let grant = jwt.verify_token(&claims(format!(r#"{{{iat}"exp":1700000060}}"#)));
            let issued =
                issued.map(|(seconds, millis)| Clock::at(seconds) + Duration::from_millis(millis));
            assert_eq!(grant.unwrap().validity().issued_at(), issued, "{iat}");
        }
    }

    #[test]
    fn its_identity_is_the_claims() {
        let grant = jwt().verify_token(&claims(r#"{"exp":1700000060,"sub":7,"a":[1,"é\/"]}"#));
        let expected = serde_json::json!({"exp": 1_700_000_060, "sub": 7, "a": [1, "é/"]});
        assert_eq!(grant.unwrap().identity(), &expected);
    }
}
