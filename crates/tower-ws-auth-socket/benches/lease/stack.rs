//! The two stacks, and one connection through them without a socket.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime};

use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::service::TowerToHyperService;
use test_support::at_once;
use test_support::memory::{hand_over, serve};
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt};
use tower_ws_auth_core::{
    AuthLayer, AuthenticateExt, Grant, MemoryRevocations, Rejection, ResponseBody, Revocations,
};
use tower_ws_auth_socket::lease::LeaseLayer;

pub(crate) const REQUEST: &[u8] = b"GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

type Answer = Response<ResponseBody<ResponseBody<String>>>;
pub(crate) type Stack = BoxCloneSyncService<Request<Incoming>, Answer, Infallible>;

/// A grant with two keys, of its own user and token, and with an end.
fn strategy(_: &mut Parts) -> Ready<Result<Grant<u64>, Rejection>> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now();
    let grant = Grant::new(n)
        .issued_at(now)
        .revocable_by(format!("user:{n}"))
        .revocable_by(format!("token:{n}"))
        .until(now + Duration::from_secs(3600));
    ready(Ok(grant))
}

/// The stack around a service that hands the upgrade over and answers 101.
pub(crate) fn stack(
    leased: bool,
    tell: impl Fn(OnUpgrade) + Clone + Send + Sync + 'static,
) -> Stack {
    let service = tower::service_fn(move |request: Request<Incoming>| hand_over(request, &tell));
    // Both are boxed, so that they are one type and differ in the lease alone.
    if leased {
        let day = Duration::from_secs(24 * 3600);
        let revocations = Revocations::new(MemoryRevocations::new(day, 100_000));
        let strategy = strategy.revocable(revocations.clone());
        let stack = ServiceBuilder::new()
            .layer(AuthLayer::new(strategy))
            .layer(LeaseLayer::new(revocations));
        BoxCloneSyncService::new(stack.service(service))
    } else {
        let stack = ServiceBuilder::new().layer(AuthLayer::new(strategy));
        let service =
            service.map_response(|response: Response<_>| response.map(ResponseBody::inner));
        BoxCloneSyncService::new(stack.service(service))
    }
}

/// Both stacks, and what reaches their services.
pub(crate) struct Bench {
    stacks: [Stack; 2],
    told: Receiver<OnUpgrade>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let (tell, told) = channel();
        let stacks = [false, true].map(|leased| {
            let tell = tell.clone();
            stack(leased, move |upgrade| tell.send(upgrade).unwrap())
        });
        Self { stacks, told }
    }

    /// One connection, from the bytes of its request to its handler.
    pub(crate) fn open(&self, leased: bool) -> Upgraded {
        let service = TowerToHyperService::new(self.stacks[usize::from(leased)].clone());
        serve(REQUEST, service);
        at_once(self.told.recv().unwrap()).unwrap()
    }
}
