//! Row E2: what a lease keeps for an open connection.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::task::{Context, Waker};
use std::time::{Duration, SystemTime};

use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use test_support::memory::hand_over;
use tokio::io::AsyncReadExt as _;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tower::ServiceBuilder;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;
use tower_ws_auth::lease::LeaseLayer;
use tower_ws_auth::{
    AuthLayer, AuthenticateExt as _, Grant, MemoryRevocations, Rejection, ResponseBody, Revocations,
};

use super::connection::{Client, Says, serve};
use crate::{Case, now};

const KEPT: usize = 10_000;

pub(super) fn cases() -> Vec<Case> {
    vec![kept("lease/kept", true), kept("lease/bare-kept", false)]
}

fn kept(id: &'static str, leased: bool) -> Case {
    #[expect(clippy::cast_precision_loss, reason = "ten thousand")]
    Case::kept(id, KEPT as f64, move || {
        let server = Server::new(leased);
        drop(server.open());
        move || {
            let mut open = Vec::new();
            open.extend((0..KEPT).map(|_| server.open()));
            (server, open)
        }
    })
}

type Stack = BoxCloneSyncService<
    Request<Incoming>,
    Response<ResponseBody<ResponseBody<String>>>,
    Infallible,
>;

/// A stack around a service that hands its upgrade over; boxed, so that only the lease differs.
struct Server {
    stack: Stack,
    told: Receiver<OnUpgrade>,
    runtime: Runtime,
}

impl Server {
    fn new(leased: bool) -> Self {
        let (tell, told) = channel();
        let service = tower::service_fn(move |request: Request<Incoming>| {
            hand_over(request, |upgrade| tell.send(upgrade).unwrap())
        });
        let stack = if leased {
            let day = Duration::from_secs(24 * 3600);
            let revocations = Revocations::new(MemoryRevocations::new(day, 100_000));
            let stack = ServiceBuilder::new()
                .layer(AuthLayer::new(strategy.revocable(revocations.clone())))
                .layer(LeaseLayer::new(revocations));
            BoxCloneSyncService::new(stack.service(service))
        } else {
            let stack = ServiceBuilder::new().layer(AuthLayer::new(strategy));
            let service =
                service.map_response(|response: Response<_>| response.map(ResponseBody::inner));
            BoxCloneSyncService::new(stack.service(service))
        };
        Self {
            stack,
            told,
            runtime: Builder::new_current_thread().enable_all().build().unwrap(),
        }
    }

    /// One connection, from the bytes of its request to its handler.
    fn open(&self) -> Upgraded {
        let _entered = self.runtime.enter();
        let gone = Arc::new(Notify::new());
        now(serve(Client::new(Says::Nothing, &gone), self.stack.clone()));
        let mut upgraded = TokioIo::new(now(self.told.recv().unwrap()).unwrap());
        // Until then it holds hyper's read buffer.
        let mut bytes = [0; 8];
        let reading = pin!(upgraded.read(&mut bytes));
        assert!(
            reading
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
        upgraded.into_inner()
    }
}

fn strategy(_: &mut Parts) -> Ready<Result<Grant<u8>, Rejection>> {
    let now = SystemTime::now();
    let grant = Grant::new(7).issued_at(now).revocable_by("user:ada");
    ready(Ok(grant.until(now + Duration::from_secs(3600))))
}
