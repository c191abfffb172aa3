//! Sessions of Engine.IO, which Socket.IO opens by polling: each is good for its own user.

use std::convert::Infallible;

use http::header::ACCEPT_ENCODING;
use http::uri::PathAndQuery;
use http::{Request, Response, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tower::{Layer, ServiceExt, service_fn};
use tower_ws_auth::PollingLayer;

use crate::body::Body;
use crate::headers::Kept;
use crate::identity::User;
use crate::options::{Options, PathPolicy, Policy};
use crate::policy::Policies;

/// Where servers of Engine.IO are, and what binds their sessions.
#[derive(Clone)]
pub(crate) struct EngineIo {
    polling: PollingLayer<User>,
    paths: Policies,
    policies: Policies,
}

/// In the extensions of an answer that the upstream has not given.
#[derive(Clone, Copy)]
pub(crate) struct Ours;

/// The same for one that it has given, or could not give.
#[derive(Clone, Copy)]
struct OfUpstream;

/// Of the secret, in bytes.
pub(crate) const SECRET: usize = 32;

impl EngineIo {
    /// Without a secret among the options, this one counts.
    ///
    /// # Errors
    ///
    /// A short secret, or a file that cannot be read.
    pub(crate) fn new(options: &Options, random: &[u8; SECRET]) -> Result<Self, String> {
        const FLAG: &str = "--socket-io-secret";
        let polling = match &options.http.socket_io_secret {
            None => PollingLayer::new(random, |user: &User| user.name().to_owned()),
            Some(secret) => {
                PollingLayer::new(secret.read(FLAG)?, |user: &User| user.name().to_owned())
            }
        };
        let prefixes = options.http.socket_io_path.iter();
        let prefixes: Vec<_> = prefixes
            .map(|prefix| PathPolicy {
                prefix: prefix.clone(),
                policy: Policy::Authenticate,
            })
            .collect();
        Ok(Self {
            polling: polling.map_err(|error| format!("{FLAG}: {error}"))?,
            paths: Policies::new(Policy::Pass, &prefixes)
                .map_err(|_| "--socket-io-path: a prefix stands there twice".to_owned())?,
            policies: Policies::new(options.http.http, &options.http.path)?,
        })
    }

    /// Where nobody needs a credential to poll, a session is everybody's.
    fn is_at(&self, path: &str) -> bool {
        self.paths.of(path) == Policy::Authenticate
            && self.policies.of(path) == Policy::Authenticate
    }

    /// Answers as the upstream does, if it may read the request.
    pub(crate) async fn answer<F>(
        &self,
        request: Request<Incoming>,
        upstream: impl Fn(Request<Incoming>) -> F,
    ) -> Response<Body>
    where
        F: Future<Output = Response<Body>>,
    {
        if !self.is_at(request.uri().path()) {
            return upstream(request).await;
        }
        let upstream = service_fn(|mut request: Request<Incoming>| {
            adapt(&mut request);
            let answer = upstream(request);
            async move {
                let mut answer = answer.await;
                answer.extensions_mut().insert(OfUpstream);
                Ok::<_, Infallible>(answer)
            }
        });
        let Ok(answer) = self.polling.layer(upstream).oneshot(request).await;
        let mut answer = answer.map(BodyExt::boxed_unsync);
        if answer.extensions_mut().remove::<OfUpstream>().is_none() {
            answer.extensions_mut().insert(Ours);
        }
        answer
    }
}

/// What is kept for the upstream names its own `sid` too. An answer that opens a session is read
/// here, so it must not be compressed.
fn adapt<B>(request: &mut Request<B>) {
    let query = request.uri().query().unwrap_or_default();
    let sid = query.split('&').find(|pair| pair.starts_with("sid="));
    let sid = sid.map(str::to_owned);
    let kept = request.extensions_mut().get_mut::<Kept>();
    match (sid, kept) {
        (Some(sid), Some(kept)) => kept.uri = with_sid(&kept.uri, &sid),
        (Some(_), None) => {}
        (None, kept) => {
            if let Some(kept) = kept {
                kept.headers.remove(ACCEPT_ENCODING);
            }
            request.headers_mut().remove(ACCEPT_ENCODING);
        }
    }
}

fn with_sid(target: &Uri, sid: &str) -> Uri {
    let query = target.query().unwrap_or_default().split('&');
    let query: Vec<_> = query
        .map(|pair| if pair.starts_with("sid=") { sid } else { pair })
        .collect();
    let query = query.join("&");
    let target_of_upstream = PathAndQuery::try_from(format!("{}?{query}", target.path()));
    let mut parts = target.clone().into_parts();
    parts.path_and_query = target_of_upstream.ok();
    Uri::from_parts(parts).unwrap_or_default()
}
