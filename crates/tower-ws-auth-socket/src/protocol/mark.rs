use http::request::Parts;
use tower_ws_auth_core::handshake::subprotocols;

/// A mark of a handshake by which a client library is detected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Query(String),
    Subprotocol(String),
}

impl Mark {
    /// A pair in the query, such as `EIO=4`, as it stands there.
    pub fn query(name: &str, value: &str) -> Self {
        Self(Kind::Query(format!("{name}={value}")))
    }

    /// A subprotocol that the client offers.
    pub fn subprotocol(name: impl Into<String>) -> Self {
        Self(Kind::Subprotocol(name.into()))
    }

    /// Whether this handshake has it.
    pub(crate) fn is_on(&self, head: &Parts) -> bool {
        match &self.0 {
            Kind::Query(pair) => head
                .uri
                .query()
                .is_some_and(|query| query.split('&').any(|found| found == pair)),
            Kind::Subprotocol(name) => subprotocols(&head.headers).any(|offer| offer == name),
        }
    }

    /// The pair that it looks for in the query.
    pub(crate) fn pair(&self) -> Option<&str> {
        match &self.0 {
            Kind::Query(pair) => Some(pair),
            Kind::Subprotocol(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_a_whole_pair_or_a_whole_name() {
        let on = |mark: &Mark, target: &str| {
            let request = http::Request::get(target);
            let request = request.header("sec-websocket-protocol", "graphql-ws, x");
            mark.is_on(&request.body(()).unwrap().into_parts().0)
        };
        let socket_io = Mark::query("EIO", "4");
        assert!(on(&socket_io, "/?a=b&EIO=4"));
        for target in ["/?EIO=40", "/?xEIO=4", "/EIO=4", "/"] {
            assert!(!on(&socket_io, target), "{target}");
        }
        assert!(on(&Mark::subprotocol("graphql-ws"), "/"));
        assert!(!on(&Mark::subprotocol("graphql"), "/"));
    }
}
