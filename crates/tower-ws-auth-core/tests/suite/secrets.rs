//! A credential is printed nowhere: not by a type, not in a response, not in a panic.

use std::fmt::{self, Debug, Formatter};
use std::future::{Ready, ready};
use std::pin::pin;
use std::task::{Context, Waker};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Empty};
use test_support::Printed;
use tower::{Layer, Service};
use tower_ws_auth_core::credential::{Carriers, SubprotocolFormat};
use tower_ws_auth_core::private::Gate;
use tower_ws_auth_core::{AuthLayer, Authenticate, AuthenticateExt, Grant, Rejection};

use crate::support::{Inner, Token, handshake, rejection, send};

/// The credential, plain, escaped and in base64.
const SECRETS: [&str; 3] = ["canary", "Y2FuYXJ5", "c%61nary"];

fn requests() -> [Request<()>; 7] {
    let header = |name, value: &str| handshake("/ws").header(name, value);
    [
        handshake("/ws?token=canary"),
        handshake("/ws?token=c%61nary"),
        handshake("/ws?token=canary&token=canary"),
        header("authorization", "Bearer canary"),
        header(
            "sec-websocket-protocol",
            "chat, base64url.bearer.phx.Y2FuYXJ5",
        ),
        header("cookie", "jwt=canary"),
        header("cookie", "jwt=canary; jwt=canary"),
    ]
    .map(|request| request.body(()).unwrap())
}

#[test]
fn not_by_values_read_from_a_request() {
    let strategy = Token::new().or(Token::new()).optional();
    for request in requests() {
        let mut printed = Printed::default();
        let mut head = request.into_parts().0;
        match strategy.take(&mut head) {
            Err(rejection) => {
                printed.debug(&rejection).debug(&rejection.to_string());
            }
            Ok(credential) => {
                printed.debug(&credential);
                let verifying = strategy.verify(credential.unwrap(), &head);
                printed.debug(&verifying);
                let verified = tokio_test::block_on(verifying);
                printed.debug(&verified);
            }
        }
        printed.debug(&head).holds_none_of(&SECRETS);
    }
}

#[test]
fn not_by_a_layer_or_its_service() {
    for request in requests() {
        let mut printed = Printed::default();
        let strategy = Token::new().map(|user| user).authorize(|_, _| true);
        printed.debug(&strategy);
        let layer = AuthLayer::new(strategy);
        let mut service = layer.layer(Inner::new());
        printed.debug(&layer).debug(&service);

        let mut cx = Context::from_waker(Waker::noop());
        assert!(service.poll_ready(&mut cx).is_ready());
        let mut response = pin!(service.call(request));
        printed.debug(&response);
        let polled = response.as_mut().poll(&mut cx);
        printed
            .debug(&response)
            .debug(&polled)
            .holds_none_of(&SECRETS);
    }
}

#[test]
fn not_by_a_gate_that_has_yet_to_answer() {
    type Answer = std::future::Ready<Result<http::Response<Empty<Bytes>>, ()>>;
    for request in requests() {
        let mut head: Parts = request.into_parts().0;
        let Err(rejection) = Token::new().take(&mut head) else {
            continue;
        };
        let gate: Gate<Answer> = Gate::refuse(rejection, head);
        let mut printed = Printed::default();
        printed.debug(&gate);
        let response = tokio_test::block_on(gate).unwrap();
        printed.debug(&response).holds_none_of(&SECRETS);
    }
}

#[test]
fn not_by_a_configuration() {
    let builder = Carriers::builder()
        .query("token")
        .subprotocol(SubprotocolFormat::Kubernetes)
        .cookie("jwt");
    let mut printed = Printed::default();
    printed.debug(&builder).debug(&builder.build());
    for bad in ["", "a b"] {
        let error = Carriers::builder().query(bad).build().unwrap_err();
        printed.debug(&error).debug(&error.to_string());
    }
    // The layer must not print the strategy's values.
    let layer = AuthLayer::new(Keeper("canary"));
    assert!(format!("{:?}", Keeper("canary")).contains("canary"));
    printed.debug(&layer).debug(&layer.layer(Inner::new()));
    printed.holds_none_of(&SECRETS);
}

/// A strategy that prints its secret.
struct Keeper(&'static str);

impl Debug for Keeper {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Authenticate for Keeper {
    type Credential = ();
    type Verified = ();
    type Identity = ();
    type Future = Ready<Result<Grant<()>, Rejection>>;

    fn take(&self, _head: &mut Parts) -> Result<Option<()>, Rejection> {
        Ok(None)
    }

    fn verify(&self, (): (), _head: &Parts) -> Self::Future {
        ready(Ok(Grant::new(())))
    }

    fn admit(&self, (): (), _head: &Parts) -> Result<(), Rejection> {
        Ok(())
    }
}

#[tokio::test]
async fn not_in_a_response() {
    let layer = AuthLayer::new(Token::new());
    for request in requests() {
        let mut builder = Request::builder().uri(request.uri());
        *builder.headers_mut().unwrap() = request.headers().clone();
        let response = send(&layer, &Inner::new(), builder).await;
        let mut printed = Printed::default();
        printed.debug(&rejection(&response)).debug(&response);
        let (parts, body) = response.into_parts();
        let headers: HeaderMap = parts.headers;
        let body = body.collect().await.unwrap().to_bytes();
        printed.debug(&headers).debug(&body).holds_none_of(&SECRETS);
    }
}
