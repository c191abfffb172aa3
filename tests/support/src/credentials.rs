//! The credentials of generated requests, and an oracle that never parses any: each credential
//! knows its worth.

use proptest::collection::vec;
use proptest::prelude::*;

/// The carrier of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// In the query.
    Query,
    /// In `Authorization`.
    Header,
    /// Among the subprotocols.
    Subprotocol,
    /// In a cookie, which a browser sends for any page.
    Cookie,
}

/// The worth of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// It is valid.
    Good,
    /// It is well-formed, and refused.
    Bad,
    /// It is malformed.
    Malformed,
}

/// All credentials of a request.
#[derive(Clone, Debug)]
pub struct Presented(Vec<(Carrier, Value)>);

impl Presented {
    /// One explicit credential decides. Without any, one cookie decides.
    pub fn is_good(&self) -> bool {
        let (cookies, explicit): (Vec<_>, Vec<_>) = self
            .0
            .iter()
            .partition(|(carrier, _)| *carrier == Carrier::Cookie);
        let deciding = if explicit.is_empty() {
            cookies
        } else {
            explicit
        };
        matches!(deciding.as_slice(), [(_, Value::Good)])
    }

    /// Whether all are cookies, which a browser sends by itself.
    pub fn is_ambient(&self) -> bool {
        self.0
            .iter()
            .all(|(carrier, _)| *carrier == Carrier::Cookie)
    }

    /// In the order in which they are presented.
    pub fn iter(&self) -> impl Iterator<Item = (Carrier, Value)> {
        self.0.iter().copied()
    }

    /// Those of one carrier.
    pub fn by(&self, carrier: Carrier) -> impl Iterator<Item = Value> {
        self.iter()
            .filter_map(move |(by, value)| (by == carrier).then_some(value))
    }
}

/// Usually one, and usually a valid one.
pub fn presented() -> impl Strategy<Value = Presented> {
    let carrier = prop::sample::select(
        &[
            Carrier::Query,
            Carrier::Header,
            Carrier::Subprotocol,
            Carrier::Cookie,
        ][..],
    );
    let value = prop_oneof![
        10 => Just(Value::Good),
        1 => Just(Value::Bad),
        1 => Just(Value::Malformed),
    ];
    let one = (carrier, value);
    prop_oneof![6 => vec(one.clone(), 1), 2 => vec(one, 0..4)].prop_map(Presented)
}
