use std::any::Any;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// A measurement, under a name that the goals refer to.
pub struct Case {
    pub(crate) id: &'static str,
    pub(crate) crypto: Crypto,
    /// Left out of the short form.
    pub(crate) slow: bool,
    pub(crate) untimed: bool,
    pub(crate) kind: Kind,
}

/// Prepared when its turn comes: most runs take only some of the cases. Prepared again where it
/// could not be measured.
pub(crate) enum Kind {
    Call(Prepare<dyn FnMut()>),
    Clocked(Prepare<Turn>),
    Kept(f64, Prepare<dyn FnOnce() -> Box<dyn Any>>),
    Number(Box<dyn Fn() -> f64>),
}

type Prepare<T> = Box<dyn Fn() -> Box<T>>;

/// Takes its own time, in nanoseconds.
pub(crate) type Turn = dyn FnMut() -> f64;

/// The cryptography of jsonwebtoken while instructions are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crypto {
    /// aws-lc: for RSA, EC and `EdDSA`.
    AwsLc,
    /// The sha2 crate and the like: for HMAC.
    Rust,
}

impl Crypto {
    pub(crate) fn install(self) {
        let provider = match self {
            Self::AwsLc => &jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER,
            Self::Rust => &jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER,
        };
        provider.install_default().expect("nobody was before us");
    }
}

impl Case {
    /// Time, instructions and allocations of one call of the closure from `prepare`.
    pub fn call<F: FnMut() + 'static>(id: &'static str, prepare: impl Fn() -> F + 'static) -> Self {
        Self::new(id, Kind::Call(Box::new(move || Box::new(prepare()))))
    }

    /// A time that the case measures itself: each call returns nanoseconds.
    pub fn clocked<F: FnMut() -> f64 + 'static>(
        id: &'static str,
        prepare: impl Fn() -> F + 'static,
    ) -> Self {
        Self::new(id, Kind::Clocked(Box::new(move || Box::new(prepare()))))
    }

    /// The bytes that remain allocated for each of the `count` values that the call made.
    pub fn kept<T: 'static, F: FnOnce() -> T + 'static>(
        id: &'static str,
        count: f64,
        prepare: impl Fn() -> F + 'static,
    ) -> Self {
        Self::new(
            id,
            Kind::Kept(
                count,
                Box::new(move || {
                    let build = prepare();
                    Box::new(|| Box::new(build()))
                }),
            ),
        )
    }

    /// A number that is measured once, in the unit of the goal.
    pub fn number(id: &'static str, measure: impl Fn() -> f64 + 'static) -> Self {
        Self::new(id, Kind::Number(Box::new(measure)))
    }

    fn new(id: &'static str, kind: Kind) -> Self {
        Self {
            id,
            crypto: Crypto::Rust,
            slow: false,
            untimed: false,
            kind,
        }
    }

    /// For signatures that are computed by aws-lc.
    #[must_use]
    pub fn by_aws_lc(mut self) -> Self {
        self.crypto = Crypto::AwsLc;
        self
    }

    /// For a call that can only be repeated a few times.
    #[must_use]
    pub fn untimed(mut self) -> Self {
        self.untimed = true;
        self
    }

    /// Not for the short form.
    #[must_use]
    pub fn slow(mut self) -> Self {
        self.slow = true;
        self
    }
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The output of a future that never waits.
pub fn now<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}
