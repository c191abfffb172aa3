use serde_json::json;
use socket_tests::{Answer, end_of};

use crate::{APP, SECRET, body, cookie, many_routes, page, request, start, text, token};

#[tokio::test]
async fn each_of_five_routes_has_its_own_guard() {
    let address = start(|listener| many_routes::serve(listener, SECRET)).await;
    let page_of = request(address, "GET /", "\r\n").await;
    assert!(page_of.ends_with("the page"), "{page_of}");

    let nothing = format!("Origin: {APP}\r\nContent-Length: 0\r\n");
    let form = format!(
        "Origin: {APP}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: 7\r\n\r\nsub=ada"
    );
    let login = request(address, "POST /login", &form).await;
    let cookie = cookie(&login);
    let stranger = request(address, "POST /ticket", &format!("{nothing}\r\n")).await;
    assert!(stranger.starts_with("HTTP/1.1 401 "), "{stranger}");
    let lines = format!("{nothing}Cookie: {cookie}\r\n\r\n");
    let minted = request(address, "POST /ticket", &lines).await;
    let minted: serde_json::Value = serde_json::from_str(body(&minted)).unwrap();
    let ticket = minted["ticket"].as_str().unwrap();

    let person = token(json!({ "sub": "ada" }));
    let machine = token(json!({ "sub": "machine:7" }));
    for (target, hello) in [
        (format!("/ws?ticket={ticket}"), "hello ada"),
        (format!("/ws?token={person}"), "hello ada"),
        (format!("/machines?token={machine}"), "hello machine:7"),
    ] {
        let (seen, _client) = text(page(address, &target).await).await;
        assert_eq!(seen, hello);
    }
    for (target, code, reason) in [
        (format!("/ws?ticket={ticket}"), 4401, "ticket_invalid"),
        // The middleware inside of the guard refuses.
        (format!("/machines?token={person}"), 4403, "forbidden"),
        (
            format!("/machines?ticket={ticket}"),
            4401,
            "credentials_missing",
        ),
    ] {
        let opened = page(address, &target).await;
        assert_eq!(
            end_of(opened).await,
            Answer::closed(code, reason),
            "{target}"
        );
    }
}
