use tower_ws_auth_jwt::{Algorithm, Key, KeyError, SigningKey};

mod hmac_rfc7518_3_2 {
    use super::*;

    #[test]
    fn a_secret_has_at_least_the_hashs_length() {
        for (algorithm, least) in [
            (Algorithm::HS256, 32),
            (Algorithm::HS384, 48),
            (Algorithm::HS512, 64),
        ] {
            assert!(Key::hmac(algorithm, vec![1; least]).is_ok());
            assert!(Key::hmac(algorithm, vec![1; 200]).is_ok());
            let error = Key::hmac(algorithm, vec![1; least - 1]).unwrap_err();
            assert!(
                error.to_string().contains("dangerous_short_hmac"),
                "{error}"
            );
            assert_eq!(
                SigningKey::hmac(algorithm, vec![1; least - 1]).unwrap_err(),
                error
            );
            assert!(Key::dangerous_short_hmac(algorithm, [1]).is_ok());
            assert!(SigningKey::dangerous_short_hmac(algorithm, [1]).is_ok());
        }
    }

    #[test]
    fn an_empty_secret_is_never_right() {
        assert_eq!(Key::hs256("").unwrap_err(), KeyError::EmptySecret);
        let short = Key::dangerous_short_hmac(Algorithm::HS256, "");
        assert_eq!(short.unwrap_err(), KeyError::EmptySecret);
        assert_eq!(SigningKey::hs256("").unwrap_err(), KeyError::EmptySecret);
    }

    #[test]
    fn a_pem_file_is_no_secret() {
        let pem = include_str!("../data/rsa-2048.pub.pem");
        assert_eq!(Key::hs256(pem).unwrap_err(), KeyError::SecretIsPem);
        let short = Key::dangerous_short_hmac(Algorithm::HS256, format!("\n{pem}"));
        assert_eq!(short.unwrap_err(), KeyError::SecretIsPem);
    }

    #[test]
    fn only_hmac_takes_a_secret_and_hmac_takes_nothing_else() {
        let error = Key::hmac(Algorithm::RS256, [1; 64]).unwrap_err();
        assert_eq!(error, KeyError::NotHmac(Algorithm::RS256));
        let pem = include_str!("../data/rsa-2048.pub.pem");
        let error = Key::from_pem(Algorithm::HS256, pem).unwrap_err();
        assert_eq!(error, KeyError::Hmac(Algorithm::HS256));
        let pem = include_str!("../data/rsa-2048.pem");
        let error = SigningKey::from_pem(Algorithm::HS256, pem).unwrap_err();
        assert_eq!(error, KeyError::Hmac(Algorithm::HS256));
    }
}

#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
#[test]
fn without_a_backend_a_key_pair_is_an_error_that_names_the_features() {
    let pem = include_str!("../data/rsa-2048.pub.pem");
    let error = Key::from_pem(Algorithm::RS256, pem)
        .unwrap_err()
        .to_string();
    assert!(error.contains("aws-lc-rs") && error.contains("rust-crypto"));
    let pem = include_str!("../data/ed25519.pem");
    let error = SigningKey::from_pem(Algorithm::EdDSA, pem).unwrap_err();
    assert_eq!(error, KeyError::NoBackend(Algorithm::EdDSA));
}

#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod key_pairs {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use tower_ws_auth_jwt::{JwtEncoder, Keys};

    const RSA: &str = include_str!("../data/rsa-2048.pub.pem");
    const RSA_PKCS1: &str = include_str!("../data/rsa-2048.pkcs1.pub.pem");
    const P256: &str = include_str!("../data/ec-p256.pub.pem");
    const P384: &str = include_str!("../data/ec-p384.pub.pem");
    #[cfg(feature = "aws-lc-rs")]
    const P521: &str = include_str!("../data/ec-p521.pub.pem");
    const ED: &str = include_str!("../data/ed25519.pub.pem");
    const RSA_PRIVATE: &str = include_str!("../data/rsa-2048.pem");
    const RSA_PRIVATE_PKCS1: &str = include_str!("../data/rsa-2048.pkcs1.pem");
    const P256_PRIVATE: &str = include_str!("../data/ec-p256.pem");
    const P384_PRIVATE: &str = include_str!("../data/ec-p384.pem");
    #[cfg(feature = "aws-lc-rs")]
    const P521_PRIVATE: &str = include_str!("../data/ec-p521.pem");
    const ED_PRIVATE: &str = include_str!("../data/ed25519.pem");

    const PAIRS: &[(Algorithm, &str, &str)] = &[
        (Algorithm::RS256, RSA_PRIVATE, RSA),
        (Algorithm::RS384, RSA_PRIVATE_PKCS1, RSA_PKCS1),
        (Algorithm::RS512, RSA_PRIVATE, RSA_PKCS1),
        (Algorithm::PS256, RSA_PRIVATE_PKCS1, RSA),
        (Algorithm::PS384, RSA_PRIVATE, RSA),
        (Algorithm::PS512, RSA_PRIVATE, RSA),
        (Algorithm::ES256, P256_PRIVATE, P256),
        (Algorithm::ES384, P384_PRIVATE, P384),
        #[cfg(feature = "aws-lc-rs")]
        (Algorithm::ES512, P521_PRIVATE, P521),
        (Algorithm::EdDSA, ED_PRIVATE, ED),
        (Algorithm::RS256, RSA_PRIVATE_PKCS1, RSA_PKCS1),
    ];

    fn der(pem: &str) -> Vec<u8> {
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        STANDARD.decode(body).unwrap()
    }

    #[test]
    fn what_one_half_signs_the_other_verifies_from_pem_and_der() {
        for &(algorithm, private, public) in PAIRS {
            for signing in [
                SigningKey::from_pem(algorithm, private),
                SigningKey::from_der(algorithm, der(private)),
            ] {
                let token = JwtEncoder::new(signing.unwrap()).encode(&serde_json::json!({}));
                let token = token.unwrap();
                for key in [
                    Key::from_pem(algorithm, public),
                    Key::from_der(algorithm, der(public)),
                ] {
                    let keys = Keys::from(key.unwrap());
                    assert_eq!(keys.open(&token).unwrap(), b"{}", "{algorithm}");
                    let mut forged = token.clone();
                    let at = forged.len() - 20;
                    let other = if &forged[at..=at] == "A" { "B" } else { "A" };
                    forged.replace_range(at..=at, other);
                    assert!(keys.open(&forged).is_err(), "{algorithm}");
                    assert!(keys.open(&format!("{token}AAAA")).is_err(), "{algorithm}");
                    let cut = &token[..=token.rfind('.').unwrap()];
                    assert!(keys.open(cut).is_err(), "{algorithm}");
                }
            }
        }
    }

    #[cfg(feature = "aws-lc-rs")]
    #[test]
    fn a_token_of_another_library_on_p521_is_verified() {
        // Signed by Node's crypto.
        const TOKEN: &str = "eyJhbGciOiJFUzUxMiJ9.eyJzdWIiOiJhZGEiLCJleHAiOjIwMDAwMDAwMDB9.AUiPBkizgdDe1bsIq87n6z6L0xkKBMMfqkTF5nZwli8ggkRMx2by5Bf8-9w4Wl0JhR5FBydPNFjU5gsjcY78pSooAK-tYuCAEGDgerEygJ1xjS794tA6gKC1uAC_2TeBJuisiPHRtKHcMOy83L8987ocp24RXBvdMdsdm99Bc2z6r35Q";
        const JWK: &str = r#"{"kty":"EC","crv":"P-521","x":"AS6Bjq-Zo8kBloQNsIHq4V9yfhWQeCZDUN6vo9wFgEH15AsET8y6vhYhuTQ6HWRkn4gRqh2NZiXXh2cPLX8iF2FJ","y":"AMFshssY1qbCI35q5u9mFJosn1ATu4UK4mnZK4v5c_QpVDSI99A5lxZn5_c49aP6rkpmZJAyoYJ-xoZThmpJFpFi"}"#;
        for key in [Key::from_jwk(JWK), Key::from_pem(Algorithm::ES512, P521)] {
            let key = key.unwrap();
            assert_eq!(key.algorithm(), Algorithm::ES512);
            let keys = Keys::from(key);
            assert!(keys.open(TOKEN).is_ok());
            // Changed, and under another name.
            assert!(keys.open(&TOKEN.replace(".AUiP", ".AUiQ")).is_err());
            assert!(keys.open(&TOKEN.replace("FUzUxMiJ9", "FUzM4NCJ9")).is_err());
        }
        let short = JWK.replace(r#""x":"AS6B"#, r#""x":"S6B"#);
        assert!(Key::from_jwk(&short).is_err());
    }

    #[cfg(not(feature = "aws-lc-rs"))]
    #[test]
    fn a_key_on_p521_is_an_error_that_names_the_feature() {
        let public = include_str!("../data/ec-p521.pub.pem");
        let error = Key::from_pem(Algorithm::ES512, public).unwrap_err();
        assert_eq!(error, KeyError::NoBackend(Algorithm::ES512));
        let error = error.to_string();
        assert!(
            error.contains("ES512") && error.contains("`aws-lc-rs`"),
            "{error}"
        );
        let private = include_str!("../data/ec-p521.pem");
        let error = SigningKey::from_pem(Algorithm::ES512, private).unwrap_err();
        assert_eq!(error, KeyError::NoBackend(Algorithm::ES512));
    }

    #[test]
    fn an_algorithm_takes_only_its_own_kind_of_key() {
        let kinds = [
            ("RSA", RSA, RSA_PRIVATE),
            ("P-256", P256, P256_PRIVATE),
            ("P-384", P384, P384_PRIVATE),
            #[cfg(feature = "aws-lc-rs")]
            ("P-521", P521, P521_PRIVATE),
            ("Ed25519", ED, ED_PRIVATE),
        ];
        for (algorithm, own) in [
            (Algorithm::RS256, "RSA"),
            (Algorithm::PS512, "RSA"),
            (Algorithm::ES256, "P-256"),
            (Algorithm::ES384, "P-384"),
            #[cfg(feature = "aws-lc-rs")]
            (Algorithm::ES512, "P-521"),
            (Algorithm::EdDSA, "Ed25519"),
        ] {
            for (kind, public, private) in kinds {
                let fits = kind == own;
                assert_eq!(Key::from_pem(algorithm, public).is_ok(), fits);
                assert_eq!(Key::from_der(algorithm, der(public)).is_ok(), fits);
                assert_eq!(SigningKey::from_pem(algorithm, private).is_ok(), fits);
                assert_eq!(SigningKey::from_der(algorithm, der(private)).is_ok(), fits);
            }
        }
    }

    #[test]
    fn no_algorithm_is_confused_with_another_of_the_same_key() {
        let algorithms = [
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ];
        for signs in algorithms {
            let signing = SigningKey::from_pem(signs, RSA_PRIVATE).unwrap();
            let token = JwtEncoder::new(signing)
                .encode(&serde_json::json!({}))
                .unwrap();
            for verifies in algorithms {
                let keys = Keys::from(Key::from_pem(verifies, RSA).unwrap());
                assert_eq!(keys.open(&token).is_ok(), signs == verifies);
                // The same with a header that claims what the key wants to hear.
                let header = format!(r#"{{"alg":"{verifies}"}}"#);
                let (_, rest) = token.split_once('.').unwrap();
                let lie = format!("{}.{rest}", crate::support::b64(header));
                assert!(keys.open(&lie).is_err());
            }
        }
    }

    #[test]
    fn a_public_key_is_never_an_hmac_secret() {
        use hmac::{KeyInit as _, Mac as _};
        // What a library that believes `alg` would verify with the bytes that it has.
        for secret in [RSA.as_bytes().to_vec(), der(RSA), der(RSA_PKCS1)] {
            let message = format!(
                "{}.{}",
                crate::support::b64(r#"{"alg":"HS256"}"#),
                crate::support::b64("{}")
            );
            let mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&secret).unwrap();
            let tag = mac.chain_update(&message).finalize().into_bytes();
            let token = format!("{message}.{}", crate::support::b64(tag));
            for key in [
                Key::from_pem(Algorithm::RS256, RSA),
                Key::from_pem(Algorithm::RS256, RSA_PKCS1),
                Key::from_der(Algorithm::RS256, der(RSA)),
                Key::from_der(Algorithm::RS256, der(RSA_PKCS1)),
                Key::from_pem(Algorithm::ES256, P256),
            ] {
                let rejection = Keys::from(key.unwrap()).open(&token).unwrap_err();
                assert_eq!(
                    rejection.detail(),
                    "there is no key for the token's `kid` and `alg`"
                );
            }
        }
    }

    #[test]
    fn the_wrong_file_is_an_error_that_says_what_to_do() {
        for (pem, advice) in [
            (RSA_PRIVATE, "openssl pkey -pubout"),
            (RSA_PRIVATE_PKCS1, "openssl pkey -pubout"),
            (
                include_str!("../data/ec-p256.cert.pem"),
                "openssl x509 -pubkey",
            ),
            (
                include_str!("../data/ec-p256.sec1.pem"),
                "openssl pkey -pubout",
            ),
            (
                include_str!("../data/ec-p256.compressed.pub.pem"),
                "uncompressed",
            ),
            ("", "-----BEGIN"),
            ("MCowBQYDK2VwAyEA", "-----BEGIN"),
            ("-----BEGIN PUBLIC KEY-----\nAAAA", "copied completely"),
            (
                "-----BEGIN PUBLIC KEY-----\nA*AA\n-----END PUBLIC KEY-----",
                "base64",
            ),
            ("-----BEGIN X-----\nAAAA\n-----END X-----", "label"),
            (
                "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
                "content",
            ),
        ] {
            let error = Key::from_pem(Algorithm::ES256, pem)
                .unwrap_err()
                .to_string();
            assert!(error.contains(advice), "{error}");
        }
        let twice = format!("{P256}{P256}");
        let error = Key::from_pem(Algorithm::ES256, twice).unwrap_err();
        assert!(error.to_string().contains("more than one"));
        for (pem, advice) in [
            (P256, "public key"),
            (include_str!("../data/ec-p256.sec1.pem"), "openssl pkcs8"),
        ] {
            let error = SigningKey::from_pem(Algorithm::ES256, pem).unwrap_err();
            assert!(error.to_string().contains(advice), "{error}");
        }
        let commented = format!("my key\n{P256}\nthe end");
        assert!(Key::from_pem(Algorithm::ES256, commented.replace('\n', "\r\n")).is_ok());
    }

    #[test]
    fn rsa_has_at_least_2048_bits() {
        let error = Key::from_pem(Algorithm::RS256, include_str!("../data/rsa-1024.pub.pem"));
        assert!(matches!(error, Err(KeyError::Rsa(_))));
        let error = SigningKey::from_pem(Algorithm::RS256, include_str!("../data/rsa-1024.pem"));
        assert!(matches!(
            error,
            Err(KeyError::Rsa(_) | KeyError::Invalid(_))
        ));
    }

    #[test]
    fn a_point_off_its_curve_is_refused_at_once() {
        for (algorithm, pem) in [
            (Algorithm::ES256, P256),
            (Algorithm::ES384, P384),
            #[cfg(feature = "aws-lc-rs")]
            (Algorithm::ES512, P521),
        ] {
            let mut der = der(pem);
            let last = der.last_mut().unwrap();
            *last ^= 1;
            let error = Key::from_der(algorithm, der).unwrap_err();
            assert_eq!(error, KeyError::Invalid(algorithm));
        }
    }

    #[test]
    fn der_that_is_cut_lengthened_or_changed_never_panics() {
        for &(algorithm, private, public) in PAIRS {
            let public = der(public);
            for cut in 0..public.len() {
                assert!(Key::from_der(algorithm, &public[..cut]).is_err(), "{cut}");
            }
            let longer = [public.as_slice(), &[0]].concat();
            assert!(Key::from_der(algorithm, longer).is_err());
            for at in 0..public.len().min(60) {
                for change in [0x01, 0x80, 0xff] {
                    let mut changed = public.clone();
                    changed[at] ^= change;
                    let _ = Key::from_der(algorithm, changed);
                }
            }
            let private = der(private);
            for cut in (0..private.len()).step_by(7) {
                assert!(
                    SigningKey::from_der(algorithm, &private[..cut]).is_err(),
                    "{cut}"
                );
            }
        }
    }
}
