//! Questions between the nodes of an application.

use std::error::Error;
use std::sync::{Arc, Weak};

use crate::BoxFuture;

/// How a node answers the questions of others. `None` if it has nothing to say.
pub type Answers = dyn Fn(Vec<u8>) -> BoxFuture<Option<Vec<u8>>> + Send + Sync;

/// Carries questions between the nodes of an application, to the one that can answer.
///
/// `RedisRelay` of `tower-ws-auth-redis` does so over Redis. The renewals of
/// `tower-ws-auth-socket` use it: a request reaches any node, and its connection is on another one.
pub trait NodeRelay: Send + Sync {
    /// Asks all other nodes, and returns the first answer. `None` if none came in time. Answer
    /// within a bounded time.
    fn ask(&self, question: Vec<u8>) -> BoxFuture<Result<Option<Vec<u8>>, RelayError>>;

    /// Receives, once, how this node answers, for as long as somebody else holds it.
    fn attach(&self, here: Weak<Answers>);
}

impl<R: NodeRelay + ?Sized> NodeRelay for Arc<R> {
    fn ask(&self, question: Vec<u8>) -> BoxFuture<Result<Option<Vec<u8>>, RelayError>> {
        (**self).ask(question)
    }

    fn attach(&self, here: Weak<Answers>) {
        (**self).attach(here);
    }
}

/// The other nodes could not be asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the other nodes could not be asked: {0}")]
pub struct RelayError(#[source] Arc<dyn Error + Send + Sync>);

impl RelayError {
    /// Wraps the error behind it, or a text.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(Arc::from(source.into()))
    }
}
