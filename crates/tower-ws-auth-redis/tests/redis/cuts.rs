//! The connection breaks at every byte of the request and of the answer of a take.

use test_servers::{Proxy, Server};
use tower_ws_auth_redis::RedisTickets;
use tower_ws_auth_ticket::TicketStore as _;

use crate::{TTL, in_time, key, soon, unhurried};

const ENTRY: &[u8] = b"{\"user\":\"ada\"}";

/// Takes a ticket across a cut, and once more. Whether the cut was made, and which takes got it.
async fn across(cut: impl Fn(&Proxy, usize), after: usize, setup: &Setup) -> (bool, [bool; 2]) {
    let n = setup.next();
    setup
        .direct
        .issue(key(n), ENTRY.to_vec(), None, TTL)
        .await
        .unwrap();
    cut(&setup.proxy, after);
    let first = in_time(setup.proxied.take(key(n))).await;
    let has_cut = setup.proxy.has_cut();
    let first = match first {
        Ok(entry) => {
            assert_eq!(entry.as_deref(), Some(ENTRY), "a cut is no answer");
            true
        }
        Err(_) => false,
    };
    // The next request works, and the taken ticket is gone. A request in the moment of a break
    // after the whole answer may be refused.
    let second = if first && has_cut {
        soon(async || setup.proxied.take(key(n)).await).await
    } else {
        in_time(setup.proxied.take(key(n))).await.unwrap()
    };
    assert!(
        !(first && second.is_some()),
        "accepted twice, cut after {after}"
    );
    (has_cut, [first, second.is_some()])
}

struct Setup {
    proxy: Proxy,
    proxied: RedisTickets,
    direct: RedisTickets,
    tickets: std::cell::Cell<usize>,
}

impl Setup {
    async fn to(server: &Server) -> Self {
        let proxy = Proxy::to(server.port()).await;
        Self {
            proxied: RedisTickets::new(unhurried(&proxy.url()).await),
            direct: RedisTickets::new(unhurried(&server.url()).await),
            proxy,
            tickets: 0.into(),
        }
    }

    fn next(&self) -> usize {
        self.tickets.replace(self.tickets.get() + 1)
    }
}

#[tokio::test]
async fn of_the_request_the_ticket_stays_or_the_answer_is_lost() {
    let server = Server::start();
    let setup = Setup::to(&server).await;
    let mut stayed = 0;
    for after in 0.. {
        let (cut, [first, second]) = across(Proxy::cut_request, after, &setup).await;
        if !cut {
            assert!(first, "not cut after {after}, and yet refused");
            // Every length up to the whole request was tried.
            assert!(
                after > ENTRY.len() && stayed == after - 1,
                "{stayed} of {after}"
            );
            return;
        }
        assert!(!first);
        stayed += usize::from(second);
    }
}

#[tokio::test]
async fn of_the_answer_the_ticket_is_lost_and_not_reported_as_used() {
    let server = Server::start();
    let setup = Setup::to(&server).await;
    for after in 0.. {
        let (cut, [first, second]) = across(Proxy::cut_answer, after, &setup).await;
        assert!(!second);
        if !cut {
            assert!(first && after > ENTRY.len());
            return;
        }
    }
}
