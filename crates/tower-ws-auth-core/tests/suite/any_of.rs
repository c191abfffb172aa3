//! Several strategies on one path: one credential decides, and nothing falls through.

use std::future::{Ready, ready};

use http::Request;
use http::request::Parts;
use tower_ws_auth_core::credential::{Carriers, Credential};
use tower_ws_auth_core::{
    AllowedOrigin, Authenticate, AuthenticateExt, Grant, Rejection, RejectionKind,
};

/// Accepts `good` in its carriers and says which strategy it was.
struct Named(&'static str, Carriers);

impl Authenticate for Named {
    type Credential = Credential;
    type Verified = &'static str;
    type Identity = &'static str;
    type Future = Ready<Result<Grant<&'static str>, Rejection>>;

    fn take(&self, head: &mut Parts) -> Result<Option<Credential>, Rejection> {
        self.1.take(head)
    }

    fn verify(&self, credential: Credential, _head: &Parts) -> Self::Future {
        ready(match credential.as_str() {
            "good" => Ok(Grant::new(self.0)),
            _ => Err(Rejection::new(RejectionKind::TokenInvalid, self.0)),
        })
    }

    fn admit(&self, verified: &'static str, _head: &Parts) -> Result<&'static str, Rejection> {
        Ok(verified)
    }
}

fn in_query(name: &'static str) -> Named {
    Named(name, Carriers::builder().query(name).build().unwrap())
}

fn in_cookie(name: &'static str) -> Named {
    Named(name, Carriers::builder().cookie(name).build().unwrap())
}

/// The decision of a strategy: the identity, or reason and detail of the rejection.
async fn ask<A: Authenticate>(
    strategy: &A,
    query: &str,
    cookie: &str,
) -> Result<A::Identity, (&'static str, &'static str)> {
    let request = Request::get(format!("/ws{query}")).header("cookie", cookie);
    let (mut head, ()) = request.body(()).unwrap().into_parts();
    head.extensions.insert(AllowedOrigin::vouch_for(
        "https://app.example".parse().unwrap(),
    ));
    let decided = async {
        let missing = Rejection::new(RejectionKind::CredentialsMissing, "");
        let credential = strategy.take(&mut head)?.ok_or(missing)?;
        let (verified, _) = strategy.verify(credential, &head).await?.into_parts();
        strategy.admit(verified, &head)
    };
    let decided = decided
        .await
        .map_err(|rejection: Rejection| (rejection.reason(), rejection.detail()));
    assert!(
        head.uri.query().is_none_or(|left| left == "x=1"),
        "{}",
        head.uri
    );
    assert!(
        head.headers
            .get("cookie")
            .is_none_or(|left| left.is_empty() || left == "x=1"),
        "{:?}",
        head.headers
    );
    decided
}

#[tokio::test]
async fn the_strategy_whose_credential_is_presented_decides() {
    let any = in_query("jwt").or(in_query("ticket")).or(in_cookie("sid"));
    assert_eq!(ask(&any, "?jwt=good&x=1", "x=1").await, Ok("jwt"));
    assert_eq!(ask(&any, "?ticket=good", "").await, Ok("ticket"));
    assert_eq!(ask(&any, "", "sid=good").await, Ok("sid"));
    assert_eq!(ask(&any, "", "").await, Err(("credentials_missing", "")));
}

#[tokio::test]
async fn a_bad_deciding_credential_is_refused_without_a_fallback() {
    let any = in_cookie("sid").or(in_query("jwt")).or(in_query("ticket"));
    assert_eq!(
        ask(&any, "?jwt=bad", "sid=good").await,
        Err(("token_invalid", "jwt"))
    );
    assert_eq!(
        ask(&any, "?ticket=bad", "sid=good").await,
        Err(("token_invalid", "ticket"))
    );
    assert_eq!(
        ask(&any, "", "sid=bad").await,
        Err(("token_invalid", "sid"))
    );
    let malformed = ask(&any, "?jwt=", "sid=good").await.unwrap_err();
    assert_eq!(malformed.0, "credentials_malformed");
}

#[tokio::test]
async fn an_explicit_credential_decides_before_an_ambient_one_in_either_order() {
    for cookie in ["sid=good", "sid=bad", "sid=", "sid=good; sid=good"] {
        let any = in_cookie("sid").or(in_query("jwt"));
        assert_eq!(ask(&any, "?jwt=good", cookie).await, Ok("jwt"), "{cookie}");
        let any = in_query("jwt").or(in_cookie("sid"));
        assert_eq!(ask(&any, "?jwt=good", cookie).await, Ok("jwt"), "{cookie}");
    }
}

#[tokio::test]
async fn two_explicit_credentials_are_malformed_even_if_both_are_valid() {
    let any = in_query("jwt").or(in_query("ticket")).or(in_cookie("sid"));
    for query in [
        "?jwt=good&ticket=good",
        "?jwt=bad&ticket=good",
        "?jwt=&ticket=good",
    ] {
        let refused = ask(&any, query, "sid=good").await.unwrap_err();
        assert_eq!(refused.0, "credentials_malformed", "{query}");
    }
}

#[tokio::test]
async fn of_two_ambient_credentials_the_strategy_named_first_decides() {
    let any = in_cookie("a").or(in_cookie("b"));
    assert_eq!(ask(&any, "", "b=good; a=good").await, Ok("a"));
    assert_eq!(
        ask(&any, "", "b=good; a=bad").await,
        Err(("token_invalid", "a"))
    );
}

#[tokio::test]
async fn permissions_are_those_of_the_strategy_that_decided() {
    let any = in_query("jwt")
        .authorize(|_, _| false)
        .or(in_query("ticket"))
        .map(str::len);
    assert_eq!(ask(&any, "?jwt=good", "").await.unwrap_err().0, "forbidden");
    assert_eq!(ask(&any, "?ticket=good", "").await, Ok("ticket".len()));
}

#[tokio::test]
async fn optional_admits_a_missing_credential_and_never_a_bad_one() {
    let optional = in_query("jwt").optional();
    assert_eq!(ask(&optional, "", "").await, Ok(None));
    assert_eq!(ask(&optional, "?jwt=good", "").await, Ok(Some("jwt")));
    assert_eq!(
        ask(&optional, "?jwt=bad", "").await,
        Err(("token_invalid", "jwt"))
    );
    assert_eq!(
        ask(&optional, "?jwt=", "").await.unwrap_err().0,
        "credentials_malformed"
    );
    let forbidden = in_query("jwt").authorize(|_, _| false).optional();
    assert_eq!(
        ask(&forbidden, "?jwt=good", "").await.unwrap_err().0,
        "forbidden"
    );
    assert_eq!(ask(&forbidden, "", "").await, Ok(None));
}
