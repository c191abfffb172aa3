use crate::support::*;
use tower_ws_auth_jwt::{Algorithm, Key, KeyError, Keys};

mod shared_secrets_rfc7518_6_4 {
    use super::*;

    fn oct(rest: &str) -> String {
        format!(r#"{{"kty":"oct","k":"{}"{rest}}}"#, b64(SECRET))
    }

    #[test]
    fn the_secret_verifies_under_its_alg_and_kid() {
        let key = Key::from_jwk(&oct(r#","alg":"HS256","kid":"a","use":"sig""#)).unwrap();
        assert_eq!((key.algorithm(), key.kid()), (Algorithm::HS256, Some("a")));
        let keys = Keys::from(key);
        assert!(
            keys.open(&token(r#"{"alg":"HS256","kid":"a"}"#, "{}"))
                .is_ok()
        );
        assert!(
            keys.open(&token(r#"{"alg":"HS256","kid":"b"}"#, "{}"))
                .is_err()
        );
    }

    #[test]
    fn without_alg_it_must_be_named() {
        let error = Key::from_jwk(&oct("")).unwrap_err();
        assert!(error.to_string().contains("from_jwk_with"));
        assert!(Key::from_jwk_with(Algorithm::HS256, &oct("")).is_ok());
        assert!(Key::from_jwk_with(Algorithm::HS256, &oct(r#","alg":"HS256""#)).is_ok());
        assert!(Key::from_jwk_with(Algorithm::HS256, &oct(r#","alg":"HS384""#)).is_err());
        assert!(Key::from_jwk_with(Algorithm::RS256, &oct("")).is_err());
        let short = Key::from_jwk_with(Algorithm::HS384, &oct(""));
        assert!(matches!(short, Err(KeyError::ShortSecret { .. })));
    }

    #[test]
    fn what_contradicts_itself_or_is_meant_for_something_else_is_refused() {
        for good in [
            r#","alg":"HS256","key_ops":["sign","verify"]"#,
            r#","alg":"HS256","use":null,"key_ops":null,"kid":null"#,
            r#","alg":"HS256","use":"sig","key_ops":["verify"],"x5t":"?","ext":true"#,
        ] {
            assert!(Key::from_jwk(&oct(good)).is_ok(), "{good}");
        }
        for bad in [
            r#","alg":"HS256","use":"enc""#,
            r#","alg":"HS256","key_ops":["sign"]"#,
            r#","alg":"HS256","key_ops":[]"#,
            r#","alg":"HS256","key_ops":["sign, verify"]"#,
            r#","alg":"HS256","key_ops":[7,"verify"]"#,
            r#","alg":"HS999""#,
            r#","alg":"none""#,
            r#","alg":"A256GCM""#,
            r#","alg":"RS256""#,
            r#","alg":"ES256""#,
            r#","alg":["HS256"]"#,
            r#","alg":"HS256","alg":"HS256""#,
            r#","alg":"HS256","x":{"a":1,"a":1}"#,
            r#","alg":"HS256","crv":"P-256""#,
            r#","alg":"HS256","kty":"RSA""#,
        ] {
            assert!(Key::from_jwk(&oct(bad)).is_err(), "{bad}");
        }
        let long = format!(r#","alg":"HS256","kid":"{}""#, "k".repeat(257));
        assert_eq!(Key::from_jwk(&oct(&long)).unwrap_err(), KeyError::LongKid);
    }

    #[test]
    fn base64url_is_strict_here_too() {
        for k in [
            "",
            "===",
            "AAA=",
            "A",
            &b64([1; 31]),
            &format!("{}=", b64(SECRET)),
        ] {
            let jwk = format!(r#"{{"kty":"oct","alg":"HS256","k":"{k}"}}"#);
            assert!(Key::from_jwk(&jwk).is_err(), "{k}");
        }
        for bad in [
            "",
            "[]",
            "7",
            r#"{"keys":[]}"#,
            r#"{"kty":"oct","alg":"HS256"}"#,
        ] {
            assert!(Key::from_jwk(bad).is_err(), "{bad}");
        }
    }
}

#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod public_keys_rfc7518_6 {
    use super::*;

    // RFC 7515 §A.2 and §A.3, RFC 8037 §A.2 to §A.5: keys, and signatures over other payloads.
    const RSA: &str = r#""kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB""#;
    const P256: &str = r#""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;
    const ED: &str =
        r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;

    fn jwk(members: &str, rest: &str) -> String {
        format!("{{{members}{rest}}}")
    }

    #[test]
    fn a_curve_implies_its_algorithm_and_rsa_does_not() {
        let key = Key::from_jwk(&jwk(P256, r#","kid":"a""#)).unwrap();
        assert_eq!((key.algorithm(), key.kid()), (Algorithm::ES256, Some("a")));
        let key = Key::from_jwk(&jwk(ED, "")).unwrap();
        assert_eq!(key.algorithm(), Algorithm::EdDSA);
        assert!(Key::from_jwk(&jwk(RSA, "")).is_err());
        assert!(Key::from_jwk(&jwk(RSA, r#","alg":"PS384""#)).is_ok());
        assert!(Key::from_jwk_with(Algorithm::RS256, &jwk(RSA, "")).is_ok());
    }

    #[test]
    fn the_rfcs_own_tokens_verify() {
        let rs256 = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
        let es256 = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        let eddsa = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        for (members, algorithm, token) in [
            (RSA, Algorithm::RS256, rs256),
            (P256, Algorithm::ES256, es256),
            (ED, Algorithm::EdDSA, eddsa),
        ] {
            let keys = Keys::from(Key::from_jwk_with(algorithm, &jwk(members, "")).unwrap());
            assert!(keys.open(token).is_ok(), "{algorithm}");
        }
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        for bad in [
            jwk(P256, r#","alg":"ES384""#),
            jwk(P256, r#","alg":"RS256""#),
            jwk(P256, r#","alg":"HS256""#),
            jwk(P256, r#","k":"AAAA""#),
            jwk(P256, r#","d":"AAAA""#),
            jwk(P256, r#","use":"enc""#),
            jwk(P256, r#","key_ops":["encrypt"]"#),
            jwk(&P256.replace("P-256", "P-384"), ""),
            jwk(&P256.replace("P-256", "secp256k1"), ""),
            jwk(&P256.replace("\"EC\"", "\"OKP\""), ""),
            jwk(&P256.replace("\"EC\"", "\"ec\""), ""),
            jwk(&P256.replace("\"EC\"", "\"RSA\""), r#","alg":"RS256""#),
            jwk(&P256.replace("5a0\"", "5a4\""), ""),
            jwk(&P256.replace("5a0\"", "5a1\""), ""),
            jwk(&P256.replace("f83O", ""), ""),
            jwk(&ED.replace("11qY", ""), ""),
            jwk(ED, r#","alg":"ES256""#),
            jwk(RSA, r#","alg":"ES256""#),
            jwk(RSA, r#","alg":"HS256""#),
            jwk(RSA, r#","alg":"RS256","d":"AAAA""#),
            jwk(&RSA.replace("AQAB", "AQ"), r#","alg":"RS256""#),
            jwk(&RSA.replace("AQAB", "AA"), r#","alg":"RS256""#),
            jwk(
                &RSA.replace("\"n\":\"ofgW", "\"n\":\"AAAA"),
                r#","alg":"RS256""#,
            ),
            jwk(&RSA.replace("AQAB", "AQAB="), r#","alg":"RS256""#),
        ] {
            assert!(Key::from_jwk(&bad).is_err(), "{bad}");
        }
    }
}

#[test]
fn an_rsa_modulus_may_begin_with_zeros() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    let mut n = vec![0xa5_u8; 256];
    n[255] = 0xa7;
    for zeros in [0, 1, 3] {
        let padded = URL_SAFE_NO_PAD.encode([vec![0; zeros], n.clone()].concat());
        let jwk = format!(r#"{{"kty":"RSA","alg":"RS256","e":"AQAB","n":"{padded}"}}"#);
        let key = tower_ws_auth_jwt::Key::from_jwk(&jwk);
        let built = cfg!(any(feature = "aws-lc-rs", feature = "rust-crypto"));
        assert_eq!(key.is_ok(), built, "{zeros} {key:?}");
    }
    // Zeros make no key longer.
    let short = URL_SAFE_NO_PAD.encode([vec![0; 128], n[128..].to_vec()].concat());
    let jwk = format!(r#"{{"kty":"RSA","alg":"RS256","e":"AQAB","n":"{short}"}}"#);
    assert!(tower_ws_auth_jwt::Key::from_jwk(&jwk).is_err());
}
