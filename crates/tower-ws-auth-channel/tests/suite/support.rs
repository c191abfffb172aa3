use std::convert::Infallible;
use std::future::Future;

use tower::{Layer, ServiceExt, service_fn};
use tower_ws_auth_channel::{ChannelAuthLayer, Join, JoinOutcome, Policy};

/// The user of the handshake; the message says nothing more.
pub(crate) type TestJoin = Join<&'static str, ()>;

pub(crate) fn join(channel: &str) -> TestJoin {
    Join::new("ada", channel, ())
}

pub(crate) fn join_with(channel: &str, credential: &str) -> TestJoin {
    join(channel).with_credential(Some(credential.to_owned()))
}

/// The outcome of a join, with an inner service that returns the join.
pub(crate) async fn ask<P, I, M>(
    layer: &ChannelAuthLayer<P>,
    join: Join<I, M>,
) -> JoinOutcome<Join<I, M>>
where
    P: Policy<I, M>,
{
    let service = layer.layer(service_fn(async |join: Join<I, M>| {
        assert_eq!(join.credential(), None, "the credential is gone");
        Ok::<_, Infallible>(join)
    }));
    service.oneshot(join).await.unwrap()
}

/// `joined`, or the token of the denial.
pub(crate) async fn effect<P, I, M>(layer: &ChannelAuthLayer<P>, join: Join<I, M>) -> &'static str
where
    P: Policy<I, M>,
{
    ask(layer, join)
        .await
        .denial()
        .map_or("joined", |denial| denial.reason())
}

/// The same, for a policy that never waits.
pub(crate) fn at_once<P, I, M>(policy: &P, join: &Join<I, M>) -> &'static str
where
    P: Policy<I, M>,
{
    let mut deciding = Box::pin(policy.decide(join));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match deciding.as_mut().poll(&mut cx) {
        std::task::Poll::Ready(Ok(_)) => "joined",
        std::task::Poll::Ready(Err(rejection)) => rejection.reason(),
        std::task::Poll::Pending => panic!("it waits"),
    }
}
