use serde_json::json;
use socket_tests::{Answer, end_of};

use crate::{SECRET, page, rooms_by_path, start, text, token};

#[tokio::test]
async fn a_token_opens_the_rooms_that_it_names_and_no_other() {
    let address = start(|listener| rooms_by_path::serve(listener, SECRET)).await;
    let token = token(json!({ "sub": "ada", "rooms": ["blue", "a b"] }));
    for (path, hello) in [
        ("/tenants/7/rooms/blue", "ada in blue"),
        ("/tenants/7/rooms/bl%75e", "ada in blue"),
        ("/tenants/7/rooms/a%20b", "ada in a b"),
    ] {
        let (hello_read, _client) =
            text(page(address, &format!("{path}?token={token}")).await).await;
        assert_eq!(hello_read, hello);
    }
    for path in [
        "/tenants/7/rooms/red",
        "/tenants/7/rooms/bl%2575e",
        "/tenants/x/rooms/blue",
    ] {
        let opened = page(address, &format!("{path}?token={token}")).await;
        assert_eq!(
            end_of(opened).await,
            Answer::closed(4403, "forbidden"),
            "{path}"
        );
    }
    let opened = page(address, "/tenants/7/rooms/blue").await;
    assert_eq!(
        end_of(opened).await,
        Answer::closed(4401, "credentials_missing")
    );
}
