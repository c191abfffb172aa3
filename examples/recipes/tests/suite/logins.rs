use futures_util::SinkExt;
use serde_json::json;
use socket_tests::{Answer, end_of};

use crate::{
    APP, EVIL, SECRET, body, cookie, later_login, open, page, request, session_redis, start, text,
    tickets, token,
};

mod later {
    use super::*;

    #[tokio::test]
    async fn an_anonymous_reader_logs_in_on_the_open_connection() {
        let address = start(|listener| later_login::serve(listener, SECRET)).await;
        let mut client = page(address, "/news").await.unwrap();
        let ada = token(json!({ "sub": "ada" }));
        let bob = token(json!({ "sub": "bob" }));
        for (sent, answer) in [
            ("hi".to_owned(), "log in to write"),
            ("login x".to_owned(), "token_invalid"),
            ("hi".to_owned(), "log in to write"),
            (format!("login {ada}"), "hello ada"),
            ("hi".to_owned(), "ada wrote hi"),
            (format!("login {bob}"), "forbidden"),
            ("hi".to_owned(), "ada wrote hi"),
        ] {
            client.send(sent.into()).await.unwrap();
            let (seen, again) = text(Ok(client)).await;
            assert_eq!(seen, answer);
            client = again;
        }
    }

    #[tokio::test]
    async fn the_connection_ends_with_the_later_token_and_a_bad_one_is_refused() {
        let address = start(|listener| later_login::serve(listener, SECRET)).await;
        let mut client = page(address, "/news").await.unwrap();
        let claims = json!({ "sub": "ada", "exp": socket_tests::now() + 1 });
        let short = socket_tests::token_with(&claims, SECRET.as_bytes());
        client.send(format!("login {short}").into()).await.unwrap();
        let (hello, client) = text(Ok(client)).await;
        assert_eq!(hello, "hello ada");
        assert_eq!(
            end_of(Ok(client)).await,
            Answer::closed(4401, "token_expired")
        );

        let opened = page(address, &format!("/news?token={short}")).await;
        assert_eq!(end_of(opened).await, Answer::closed(4401, "token_expired"));
    }
}

mod ticket {
    use super::*;

    #[tokio::test]
    async fn is_minted_for_the_user_of_the_middleware_and_opens_one_socket() {
        let address = start(tickets::serve).await;
        let answer = request(address, "POST /ticket", "Content-Length: 0\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        let lines = "X-Api-Key: k-ada\r\nContent-Length: 0\r\n\r\n";
        let answer = request(address, "POST /ticket", lines).await;
        let minted: serde_json::Value = serde_json::from_str(body(&answer)).unwrap();
        let target = format!("/ws?ticket={}", minted["ticket"].as_str().unwrap());
        let (hello, _client) = text(page(address, &target).await).await;
        assert_eq!(hello, "hello ada");
        let again = end_of(page(address, &target).await).await;
        assert_eq!(again, Answer::closed(4401, "ticket_invalid"));
    }
}

mod session {
    use super::*;

    #[tokio::test]
    async fn opens_sockets_on_two_nodes_and_the_logout_ends_both() {
        let server = test_servers::Server::start();
        let mut nodes = Vec::new();
        for _ in 0..2 {
            let url = server.url();
            let serve =
                |listener| async move { session_redis::serve(listener, SECRET, &url).await };
            nodes.push(start(serve).await);
        }
        let form = |password: &str, origin: &str| {
            let body = format!("user=ada&password={password}");
            format!(
                "Origin: {origin}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        for (password, origin) in [("guessed", APP), ("hunter2", EVIL)] {
            let answer = request(nodes[0], "POST /login", &form(password, origin)).await;
            assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        }
        let answer = request(nodes[0], "POST /login", &form("hunter2", APP)).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let cookie = cookie(&answer);
        let known = [("origin", APP), ("cookie", cookie.as_str())];
        let mut clients = Vec::new();
        for node in &nodes {
            let (hello, client) = text(open(*node, "/ws", &known).await).await;
            assert_eq!(hello, "hello ada");
            clients.push(client);
        }
        let lines = format!("Origin: {APP}\r\nCookie: {cookie}\r\nContent-Length: 0\r\n\r\n");
        let answer = request(nodes[1], "POST /logout", &lines).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.contains("Max-Age=0"), "{answer}");
        for client in clients {
            let ended = end_of(Ok(client)).await;
            assert_eq!(ended, Answer::closed(4401, "session_ended"));
        }
        let again = end_of(open(nodes[0], "/ws", &known).await).await;
        assert_eq!(again, Answer::closed(4401, "session_invalid"));
    }
}
