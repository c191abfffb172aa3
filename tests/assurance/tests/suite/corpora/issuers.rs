//! Tokens in the shape of well-known issuers, each with the configuration that its documentation
//! suggests: accepted as they are, and refused when one thing about them is wrong.

mod table;

use http::Uri;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tower_ws_auth::Clock;
use tower_ws_auth::jwt::{
    self, Document, FetchError, Jwks, Jwt, JwtBuilder, Key, KeySource, UserClaim,
};

use self::table::all;
use crate::forge::{EC, ED, NOW, RSA, SECRET, use_aws};

const RSA_JWK: &str = r#""kty":"RSA","e":"AQAB","n":"r3Js1Lg_RDG6U6VJq_MdXeEY_jjVGi6UkhV6h2TrW93dIQ3dOS4Cy9eZ2IKQhxEZ1_BxJNiZ5hwwFS6-y1C9cJPBfkc-L5uDoTcwe52pOt8HvSi9KFyvTXHOu1T08GRczcwEBnytBy7W8ow__duLJka7KZTgWvTxTG3NS7DKavpKB1UGtbOpHa6l0db7mkjs9y_yLYplIjU2fQcAvtQYH-R8KX5236RBgRYyNWJY15DpD1emkB3JyAGmi0K2fiL_cL5fPVDfRVdXWbPsQpWPaEHWcY-fxw-5BBe5t0RhITxwstLvBifDuUvutvogsqnWHckb7jFTQie7C1z_lcu6Vw""#;
const EC_JWK: &str = r#""kty":"EC","crv":"P-256","x":"EsCzPEoCeMSQDecrG2nRxEkAk6glsOof7PTrPwUOwlw","y":"A_s59-WOV0S-ZcI1Q8TmlZxyVf2Ma1woXqr9EqcUqi8""#;
const ED_JWK: &str =
    r#""kty":"OKP","crv":"Ed25519","x":"RzkT2oq-ow8s38DIkR6CrCqc9mRzWd7wOFNv9jfwD4o""#;

/// How an issuer signs.
#[derive(Clone, Copy, PartialEq)]
enum Signs {
    /// A JWKS whose key has these members beside its `kid`.
    Rsa(&'static str),
    Ec(&'static str),
    Ed(&'static str),
    Shared(jwt::Algorithm),
}

struct Issuer {
    name: &'static str,
    signs: Signs,
    kid: Option<&'static str>,
    typ: Option<&'static str>,
    claims: Value,
    /// What is demanded of `iss` and `aud`, if anything.
    iss: Option<&'static str>,
    aud: Option<&'static str>,
    user: &'static str,
    name_of_user: &'static str,
}

impl Issuer {
    fn kid(self, kid: &'static str) -> Self {
        let kid = Some(kid);
        Self { kid, ..self }
    }

    fn typ(self, typ: Option<&'static str>) -> Self {
        Self { typ, ..self }
    }

    fn demands(self, iss: &'static str, aud: &'static str) -> Self {
        let some = |text: &'static str| (!text.is_empty()).then_some(text);
        let (iss, aud) = (some(iss), some(aud));
        Self { iss, aud, ..self }
    }

    fn user(self, user: &'static str, name_of_user: &'static str) -> Self {
        Self {
            user,
            name_of_user,
            ..self
        }
    }

    fn keys(&self) -> KeySource {
        let (jwk, rest) = match self.signs {
            Signs::Shared(algorithm) => return Key::hmac(algorithm, SECRET).unwrap().into(),
            Signs::Rsa(rest) => (RSA_JWK, rest),
            Signs::Ec(rest) => (EC_JWK, rest),
            Signs::Ed(rest) => (ED_JWK, rest),
        };
        let kid = self.kid.unwrap_or("of-no-token");
        let other =
            r#"{"kty":"RSA","kid":"enc","use":"enc","alg":"RSA-OAEP","n":"AQAB","e":"AQAB"}"#;
        let set = format!("\u{feff}{{\"keys\":[{other},{{{jwk},\"kid\":\"{kid}\"{rest}}}]}}");
        let jwks = Jwks::builder("https://issuer.example/jwks").fetch(move |_: Uri| {
            let set = set.clone();
            async move { Ok::<_, FetchError>(Document::new(set)) }
        });
        let jwks = match self.iss {
            Some(iss) => jwks.issuer(iss),
            None => jwks,
        };
        jwks.start().unwrap().into()
    }

    fn jwt(&self) -> Jwt<Value> {
        let jwt: JwtBuilder<Value> = Jwt::builder(self.keys()).clock(Clock::fixed(NOW));
        let mut jwt = jwt.user_claim(UserClaim::new([self.user]).unwrap());
        if let Some(iss) = self.iss {
            jwt = jwt.issuer(iss);
        }
        if let Some(aud) = self.aud {
            jwt = jwt.audience(aud);
        }
        jwt.build().unwrap()
    }

    fn sign(&self, claims: &Value) -> String {
        use_aws();
        let (algorithm, key) = match self.signs {
            Signs::Rsa(_) => (Algorithm::RS256, EncodingKey::from_rsa_pem(RSA.as_bytes())),
            Signs::Ec(_) => (Algorithm::ES256, EncodingKey::from_ec_pem(EC.as_bytes())),
            Signs::Ed(_) => (Algorithm::EdDSA, EncodingKey::from_ed_pem(ED.as_bytes())),
            Signs::Shared(shared) => {
                let algorithm = shared.name().parse().unwrap();
                (algorithm, EncodingKey::from_secret(SECRET))
            }
        };
        let mut header = Header::new(algorithm);
        header.kid = self.kid.map(str::to_owned);
        header.typ = self.typ.map(str::to_owned);
        jsonwebtoken::encode(&header, claims, &key.unwrap()).unwrap()
    }
}

/// Reason, and what an operator reads.
async fn refused(jwt: &Jwt<Value>, token: &str) -> (String, String) {
    let rejection = jwt.verify_token_or_wait(token).await.unwrap_err();
    let source = std::error::Error::source(&rejection).map(ToString::to_string);
    let line = format!("{} {}", rejection.detail(), source.unwrap_or_default());
    (rejection.reason().to_owned(), line)
}

#[tokio::test]
async fn a_token_of_each_issuer_is_accepted_with_its_usual_configuration() {
    for issuer in all() {
        let token = issuer.sign(&issuer.claims);
        let jwt = issuer.jwt();
        let granted = jwt.verify_token_or_wait(&token).await;
        let granted = granted.unwrap_or_else(|refused| panic!("{}: {refused:?}", issuer.name));
        let user = UserClaim::new([issuer.user])
            .unwrap()
            .of(granted.identity());
        assert_eq!(
            user.as_deref(),
            Some(issuer.name_of_user),
            "{}",
            issuer.name
        );
    }
}

#[tokio::test]
async fn a_token_of_each_issuer_is_refused_when_one_thing_is_wrong_and_the_log_names_it() {
    const CANARY: &str = "canary-4711";
    for issuer in all() {
        let jwt = issuer.jwt();
        let good = &issuer.claims;
        let with = |name: &str, value: Value| {
            let mut claims = good.clone();
            claims[name] = value;
            issuer.sign(&claims)
        };
        let top = issuer.user[1..].split('/').next().unwrap();
        let top = top.replace("~1", "/");
        let mut wrong = vec![
            (with("exp", json!(NOW - 1)), "token_expired", "`exp`"),
            (
                with("exp", json!(exp_in_millis())),
                "token_invalid",
                "milliseconds?",
            ),
            (with("exp", json!(CANARY)), "token_invalid", "`exp`"),
            (with("nbf", json!(NOW + 60)), "token_not_yet_valid", "`nbf`"),
            (with(&top, json!([CANARY])), "token_invalid", issuer.user),
            (with(&top, Value::Null), "token_invalid", issuer.user),
        ];
        if issuer.iss.is_some() {
            wrong.push((with("iss", json!(CANARY)), "token_invalid", "`iss`"));
            wrong.push((with("iss", Value::Null), "token_invalid", "`iss`"));
        }
        // A token for somebody else, also where nobody is configured.
        wrong.push((with("aud", json!(CANARY)), "token_invalid", "`aud`"));
        wrong.push((with("aud", json!([CANARY])), "token_invalid", "`aud`"));
        if issuer.aud.is_some() {
            wrong.push((with("aud", Value::Null), "token_invalid", "`aud`"));
            wrong.push((with("aud", json!([])), "token_invalid", "`aud`"));
        }
        let token = issuer.sign(good);
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let other = if signature.starts_with('A') { "B" } else { "A" };
        let forged = format!("{signed}.{other}{}", &signature[1..]);
        wrong.push((forged, "token_invalid", "the signature is not good"));
        wrong.push((format!("{token}=="), "token_invalid", "padding"));
        wrong.push((format!("{token}.a.b"), "token_invalid", "JWE"));
        for (token, reason, named) in wrong {
            let (said, line) = refused(&jwt, &token).await;
            assert_eq!(said, reason, "{}: {line}", issuer.name);
            assert!(line.contains(named), "{}: {named} in {line}", issuer.name);
            assert!(!line.contains(CANARY), "{}: {line}", issuer.name);
        }
        // Whatever else is missing, an expired token of this issuer has expired.
        let mut bare = json!({ "exp": NOW - 1 });
        if let Some(iss) = issuer.iss {
            bare["iss"] = json!(iss);
        }
        assert_eq!(refused(&jwt, &issuer.sign(&bare)).await.0, "token_expired");
    }
}

fn exp_in_millis() -> u64 {
    (NOW + 600) * 1000
}
