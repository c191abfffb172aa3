//! Bare hyper, with services of different bodies.

type Full = http_body_util::Full<bytes::Bytes>;
type Empty = http_body_util::Empty<bytes::Bytes>;
type Boxed = http_body_util::combinators::BoxBody<bytes::Bytes, std::convert::Infallible>;

macro_rules! service {
    (full, $stack:expr) => {
        service!(@ crate::matrix::hyper_bodies::Full, $stack)
    };
    (empty, $stack:expr) => {
        service!(@ crate::matrix::hyper_bodies::Empty, $stack)
    };
    (boxed, $stack:expr) => {
        service!(@ crate::matrix::hyper_bodies::Boxed, $stack)
    };
    (@ $body:ty, $stack:expr) => {
        stacks_tests::serve_hyper($stack.service_fn(stacks_tests::bare_echo::<$body>))
    };
}

cells!(service, full);
cells!(service, empty);
cells!(service, boxed);
