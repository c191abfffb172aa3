use rusqlite::Connection;
use sha2::{Digest, Sha256};
use socket_tests::{Answer, end_of};

use crate::{APP, api_keys, open, start, text};

fn database(table: &str) -> Connection {
    let database = Connection::open_in_memory().unwrap();
    let create = format!("CREATE TABLE {table} (digest BLOB PRIMARY KEY, name TEXT NOT NULL)");
    database.execute(&create, []).unwrap();
    let insert = format!("INSERT INTO {table} VALUES (?1, 'acme')");
    let digest = Sha256::digest("k-123").to_vec();
    database.execute(&insert, [digest]).unwrap();
    database
}

#[tokio::test]
async fn a_key_of_the_database_opens_a_socket_and_no_other_does() {
    let address = start(|listener| api_keys::serve(listener, database("partners"))).await;
    let (hello, _client) = text(open(address, "/ws", &[("x-api-key", "k-123")]).await).await;
    assert_eq!(hello, "hello acme");
    let guessed = [("origin", APP), ("x-api-key", "' OR 1=1 --")];
    let opened = open(address, "/ws", &guessed).await;
    assert_eq!(end_of(opened).await, Answer::closed(4401, "token_invalid"));
    let opened = open(address, "/ws", &[]).await;
    assert_eq!(
        end_of(opened).await,
        Answer::http(401, "credentials_missing")
    );
}

#[tokio::test]
async fn a_database_that_fails_is_503_and_no_pass() {
    let address = start(|listener| api_keys::serve(listener, database("elsewhere"))).await;
    let known = [("origin", APP), ("x-api-key", "k-123")];
    let opened = open(address, "/ws", &known).await;
    assert_eq!(end_of(opened).await, Answer::closed(4503, "unavailable"));
}
