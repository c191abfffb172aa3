use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Empty;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use tower_layer::Layer;
use tower_service::Service;
use tower_ws_auth_core::credential::MessageCredential;
use tower_ws_auth_core::private::{BodyError, read_body};
use tower_ws_auth_core::relay::NodeRelay;
use tower_ws_auth_core::{
    Auth, AuthLayer, Authenticate, BoxFuture, Rejection, RejectionKind, ResponseBody,
};

use crate::lease::renewals::decide::{decide, target};
use crate::lease::renewals::endpoint::{Endpoint, Target};
use crate::lease::renewals::nodes::Nodes;
use crate::lease::{Lease, Leases};

/// Renews open connections by fresh credentials. Made by [`Leases::renewals`].
///
/// # Over HTTP
///
/// Mount it at a path such as `POST /ws/renew`. The credential travels as in a handshake, and the
/// body names the connection by its [id](crate::lease::ConnectionId): `{"connection":"…"}`.
///
/// | answer | |
/// |---|---|
/// | 204 | the connection has the new credential |
/// | 400 `request_malformed` | the body names no connection |
/// | 400, 401, 403, 429, 503 | the credential is refused, as at a handshake; the connection stays as it was |
/// | 403 `forbidden` | the user has lost a permission: the connection is ended too, 4403 `forbidden` |
/// | 404 `connection_unknown` | there is no such connection of this user, or it is over |
/// | 405 `method_not_allowed` | the method is not `POST` |
/// | 408 `request_timeout` | the body does not come within [`body_timeout`](Self::body_timeout) |
/// | 413 `request_too_large` | the body is longer than 1 KiB |
///
/// # On the open connection
///
/// [`messages`](Self::messages) answers a client that sends the credential in a message, and
/// [`renew`](Self::renew) is for a handler that reads it by itself.
///
/// # Rules
///
/// - The whole strategy decides, with its conditions, revocations and limits, as about a handshake.
///   A condition sees the head of this request, not that of the handshake.
/// - All revocations that can end the connection are asked about the credential, those of the layer
///   and those of the strategy. Each of them can still end it.
/// - The connection is found by the user and the id together. So nobody renews the connection of
///   another user, or learns that there is one.
/// - A credential that is older than that of the connection is refused as an invalid one: by its
///   time of issue, or by its end where one of them has none.
/// - A connection that has ended stays so. One that is renewed while a revocation of its old
///   credential is being told may end all the same.
/// - A refusal spends no single-use credential, such as a ticket, if its store can peek at it. Only
///   a limit of another node is found after it is spent.
/// - It renews the connections of this node, and of others with [`across`](Self::across).
///
/// ```
/// # use std::time::{Duration, SystemTime};
/// # use axum::{Router, extract::ws::WebSocketUpgrade, routing::{any, any_service}};
/// # use http::{Request, StatusCode, request::Parts};
/// # use tower::{Service, ServiceBuilder};
/// # use tower_ws_auth_core::{AuthLayer, Grant, Rejection, RejectionKind};
/// use tower_ws_auth_socket::lease::{Lease, LeaseLayer};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let strategy = || |head: &mut Parts| {
/// #     let user = head.headers.remove("user").and_then(|user| Some(user.to_str().ok()?.to_owned()));
/// #     async move {
/// #         let missing = Rejection::new(RejectionKind::CredentialsMissing, "no user");
/// #         Ok(Grant::new(user.ok_or(missing)?).until(SystemTime::now() + Duration::from_secs(60)))
/// #     }
/// # };
/// let lease = LeaseLayer::expiry_only().renewable_by(|user: &String| user.clone());
/// let renewals = lease.leases().renewals(strategy())?;
/// let sockets = ServiceBuilder::new().layer(AuthLayer::new(strategy())).layer(lease);
/// # let (told, mut id) = tokio::sync::mpsc::unbounded_channel();
/// # let chat = move |upgrade: WebSocketUpgrade, lease: Lease| { let told = told.clone(); async move {
/// #     upgrade.on_upgrade(move |mut socket| async move {
/// #         // Tell the client how its connection is called.
/// #         let _ = told.send(lease.connection_id().unwrap().encode());
/// #         while let Some(Ok(_)) = socket.recv().await {}
/// #     })
/// # }};
/// let app = Router::new()
///     .route("/ws", any(chat).layer(sockets))
///     .route("/ws/renew", any_service(renewals.clone()));
///
/// # let mut renewals = renewals;
/// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// # let url = format!("ws://{}/ws", listener.local_addr()?);
/// # tokio::spawn(async move { axum::serve(listener, app).await });
/// # let mut handshake = tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(url)?;
/// # handshake.headers_mut().insert("user", "ada".parse()?);
/// # let (socket, _) = tokio_tungstenite::connect_async(handshake).await?;
/// # let id = id.recv().await.unwrap();
/// # let mut status = async |user: &str| {
/// #     let request = Request::post("/ws/renew").header("user", user);
/// #     let body = http_body_util::Full::<bytes::Bytes>::from(format!(r#"{{"connection":"{id}"}}"#));
/// #     renewals.call(request.body(body).unwrap()).await.unwrap().status()
/// # };
/// assert_eq!(status("ada").await, StatusCode::NO_CONTENT);
/// // Eve has learnt the id, and no more.
/// assert_eq!(status("eve").await, StatusCode::NOT_FOUND);
/// # Ok(())
/// # }
/// ```
pub struct Renewals<A: Authenticate> {
    pub(super) auth: Auth<A, Endpoint<A::Identity>>,
    body_timeout: Duration,
}

/// The longest body: it holds one id.
const MAX_BODY: usize = 1024;

impl Leases {
    /// A service by which clients renew these connections, with the strategy of their route.
    ///
    /// # Errors
    ///
    /// [`RenewalsError`] if the layer is not
    /// [`renewable_by`](crate::lease::LeaseLayer::renewable_by) users of this identity.
    pub fn renewals<A: Authenticate>(&self, strategy: A) -> Result<Renewals<A>, RenewalsError> {
        let user = self
            .users()
            .and_then(|users| users.user_of::<A::Identity>());
        let endpoint = Endpoint {
            leases: self.clone(),
            user: user.ok_or(RenewalsError(()))?,
            refused: Vec::new(),
            nodes: None,
        };
        Ok(Renewals {
            auth: AuthLayer::new(strategy).checked_request().layer(endpoint),
            body_timeout: Duration::from_secs(10),
        })
    }
}

impl<A: Authenticate> Renewals<A> {
    /// Renews the connections of other nodes too, whichever node a request reaches. Each node takes
    /// a relay of its own to the same place.
    ///
    /// The identity travels to the other node, and the credential does not. Anybody who can send by the
    /// relay can give a connection any identity of its user, so protect it like a store of sessions.
    ///
    /// If no node answers in time, the answer is 404. If the relay fails, it is 503.
    ///
    /// Revocations are asked about once, on the node that the request reaches. The node of the
    /// connection asks again if a key of the credential is new to the connection, if the connection
    /// has been left a [margin](tower_ws_auth_core::Revocations::revoke_within), if the two nodes have no
    /// [shared store](tower_ws_auth_core::RevocationStore::shared_name), or if the first answer is more
    /// than five seconds old by their clocks. Otherwise a revocation in between has ended the
    /// connection there, or will.
    #[must_use]
    pub fn across(mut self, relay: impl NodeRelay + 'static) -> Self
    where
        A::Identity: Serialize + DeserializeOwned,
    {
        let endpoint = self.auth.get_mut();
        endpoint.nodes = None;
        let nodes = Nodes::join(Arc::new(relay), endpoint.clone());
        endpoint.nodes = Some(Arc::new(nodes));
        self
    }

    /// How long to wait for the body. 10 seconds by default.
    #[must_use]
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.body_timeout = timeout;
        self
    }

    /// Renews the connection of this handler, by a credential that its client has sent in a
    /// message. The strategy reads it by its
    /// [`Carriers`](tower_ws_auth_core::credential::Carriers), as a [`MessageCredential`].
    ///
    /// # Errors
    ///
    /// Those of the strategy, as at a handshake. [`Forbidden`](RejectionKind::Forbidden) for
    /// another user. [`TokenExpired`](RejectionKind::TokenExpired) if the connection has ended
    /// meanwhile. If the user has lost a permission, it is ended. Otherwise it stays as it was.
    pub async fn renew(&self, lease: &Lease, credential: impl Into<String>) -> Result<(), Rejection>
    where
        A: Send + Sync + 'static,
        A::Future: Send,
        A::Credential: Send,
    {
        let target = Target::Held(lease.clone());
        let mut request = Request::new(target);
        let credential = MessageCredential::new(credential);
        request.extensions_mut().insert(credential);
        let response = decide(self.auth.clone(), request).await;
        match response.status() {
            StatusCode::NO_CONTENT => Ok(()),
            StatusCode::NOT_FOUND if lease.disconnect_reason().is_some() => {
                let over = "the lease has ended meanwhile";
                Err(Rejection::new(RejectionKind::TokenExpired, over))
            }
            StatusCode::NOT_FOUND => {
                let other = "the new credential is another user's";
                Err(Rejection::new(RejectionKind::Forbidden, other))
            }
            _ => Err(response.extensions().get().cloned().unwrap_or_else(|| {
                Rejection::new(RejectionKind::Unavailable, "a refusal without a reason")
            })),
        }
    }
}

impl<A, B> Service<Request<B>> for Renewals<A>
where
    A: Authenticate + Send + Sync + 'static,
    A::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
{
    type Response = Response<ResponseBody<Empty<Bytes>>>;
    type Error = Infallible;
    type Future = RenewalFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> RenewalFuture {
        let (auth, limit) = (self.auth.clone(), self.body_timeout);
        RenewalFuture(Box::pin(async move {
            let (head, body) = request.into_parts();
            // Before the decision, so that this one is not old when it counts.
            let read = timeout(limit, read_body(&head.method, body, MAX_BODY)).await;
            let body = read.unwrap_or(Err(BodyError::Timeout));
            let target = body.and_then(|body| target(&body).ok_or(BodyError::Malformed));
            match target {
                Ok(target) => decide(auth, Request::from_parts(head, target)).await,
                Err(error) => error.into_response(head.version),
            }
        }))
    }
}

/// The response of [`Renewals`].
pub struct RenewalFuture(BoxFuture<Response<ResponseBody<Empty<Bytes>>>>);

impl Future for RenewalFuture {
    type Output = Result<Response<ResponseBody<Empty<Bytes>>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().0.as_mut().poll(cx).map(Ok)
    }
}

/// The layer is not renewable by users of this identity: see
/// [`LeaseLayer::renewable_by`](crate::lease::LeaseLayer::renewable_by).
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "the LeaseLayer is not `renewable_by` users of the strategy's identity: set it before `leases`"
)]
pub struct RenewalsError(());

impl<A: Authenticate> Clone for Renewals<A> {
    fn clone(&self) -> Self {
        Self {
            auth: self.auth.clone(),
            body_timeout: self.body_timeout,
        }
    }
}

impl<A: Authenticate> fmt::Debug for Renewals<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewals")
            .field("body_timeout", &self.body_timeout)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RenewalFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RenewalFuture")
    }
}
