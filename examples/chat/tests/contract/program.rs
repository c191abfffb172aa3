//! The program as a newcomer starts it.

use std::os::fd::OwnedFd;
use std::process::Stdio;

use chat::{Chat, Options};
use clap::{Arg, CommandFactory, Parser};
use test_support::{settle, signal};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::Command;
use tokio::time::timeout;

use crate::peer::{PATIENCE, close_of, connect, next, refusal, start};

#[tokio::test]
async fn wrong_options_end_it_with_a_sentence_that_says_what_to_do() {
    for (arguments, sentence) in [
        (
            &["--jwt-secret", "short"][..],
            "--dangerous-short-jwt-secret",
        ),
        (&["--origin", "https://app.example/path"], "--origin"),
        (&["--jwt-leeway", "86400"], "--jwt-leeway: write a number"),
        (&["--jwt-issuer", ""], "--jwt-issuer: a name is empty"),
        (&["--jwt-audience", "a,"], "--jwt-audience: a name is empty"),
        (
            &["--oidc-issuer", "https://id.example,https://id.example"],
            "--oidc-issuer: two are the same",
        ),
        (&["--oidc-issuer", "http://id.example"], "--oidc-issuer: "),
        (&["--jwks-url", "http://id.example/jwks"], "--jwks-url"),
        (&["--redis", "localhost"], "--redis"),
        (&["--redis", "redis://127.0.0.1:9"], "--redis"),
        (&["--tls-cert", "none.pem"], "--tls-key"),
        (
            &["--tls-cert", "none.pem", "--tls-key", "none.pem"],
            "--tls-cert",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_chat"))
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .output();
        let output = timeout(PATIENCE, output).await.unwrap().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && error.contains(sentence),
            "{arguments:?}: {error}"
        );
        // Of the library, whose users write Rust.
        assert!(!error.contains("dangerous_"), "{error}");
    }
    start(&["--dangerous-short-jwt-secret"]).await;
}

#[tokio::test]
async fn the_program_prints_its_address_three_tokens_and_three_commands() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_chat"))
        .args(["--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let mut introduction = Vec::new();
    while introduction.len() < 11 {
        let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
        introduction.push(line.unwrap());
    }
    let address = introduction[0]
        .strip_prefix("listening on http://")
        .unwrap()
        .parse()
        .unwrap();
    let tokens: Vec<_> = introduction
        .iter()
        .filter(|line| line.contains("  eyJ"))
        .map(|line| line.rsplit(' ').next().unwrap())
        .collect();
    assert_eq!(tokens.len(), 3, "{introduction:?}");
    assert_eq!(
        introduction
            .iter()
            .filter(|line| line.contains("/ws/jwt?token="))
            .count(),
        3
    );

    let mut socket = connect(address, &format!("jwt?token={}", tokens[0]), &[])
        .await
        .unwrap();
    assert_eq!(next(&mut socket).await["user"], "ada");
    for refused in &tokens[1..] {
        assert!(
            connect(address, &format!("jwt?token={refused}"), &[])
                .await
                .is_err()
        );
    }

    // The path does not exist, and a typing error must not log a token.
    for (path, key) in [
        ("/ws%2Fjwt", "token"),
        ("//ws/jwt", "token"),
        ("/ws/jwt/", "token"),
        ("/wss", "Token"),
        ("/", "x/../ws/jwt/"),
    ] {
        let (mut stream, mut answer) = (TcpStream::connect(address).await.unwrap(), String::new());
        let request = format!("GET {path}?{key}={}&room=lobby HTTP/1.1", tokens[0]);
        let request = format!("{request}\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let all = stream.read_to_string(&mut answer);
        timeout(PATIENCE, all).await.unwrap().unwrap();
        let status = if path == "/" { "200" } else { "404" };
        let expected = format!("HTTP/1.1 {status}");
        assert!(answer.starts_with(&expected), "{path}: {answer}");
    }
    // Nor is one in the place of a key that this program does not know.
    for query in ["authorization", "TOKEN", "jwt", "token%3D"] {
        let opened = connect(address, &format!("jwt?{query}={}", tokens[0]), &[]).await;
        assert_eq!(
            refusal(opened).await,
            (401, "credentials_missing".to_owned())
        );
    }

    // On a regular stop the open connections are told.
    signal(program.id().unwrap(), "TERM");
    assert_eq!(close_of(socket).await, (1001, "going_away".to_owned()));

    // The log about them shows no token.
    let output = timeout(PATIENCE, program.wait_with_output()).await;
    let output = output.unwrap().unwrap();
    assert!(output.status.success(), "{}", output.status);
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(
        log.contains("token_expired")
            && log.contains(r#"route="/ws/jwt""#)
            && log.contains(r#"route="none""#),
        "{log}"
    );
    for token in tokens {
        assert!(!log.contains(token.rsplit('.').next().unwrap()), "{log}");
    }
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_keep_the_program_from_stopping() {
    let options = ["chat", "--listen", "127.0.0.1:0"];
    let chat = Chat::bind(Options::try_parse_from(options).unwrap())
        .await
        .unwrap();
    let address = chat.address();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(chat.serve(async move {
        let _ = stopped.await;
    }));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET /ws/jwt HTTP/1.1\r\nHost: x\r\nX:")
        .await
        .unwrap();
    // Until it has been read.
    settle().await;
    stop.send(()).unwrap();
    timeout(PATIENCE, serving).await.unwrap().unwrap().unwrap();
}

/// A supervisor may stop it as soon as it has read the first line. The program then still writes,
/// and nobody reads the rest.
#[tokio::test]
async fn the_program_stops_well_as_soon_as_it_has_said_where_it_listens() {
    let (mut output, stdout) = narrow_pipe().await;
    // As long as a token may be: the six of them are several times what the pipe holds.
    let issuer = "i".repeat(5_900);
    let mut program = Command::new(env!("CARGO_BIN_EXE_chat"))
        .args(["--listen", "127.0.0.1:0", "--jwt-issuer", &issuer])
        .stdout(stdout)
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut first = Vec::new();
    while first.last() != Some(&b'\n') {
        first.push(timeout(PATIENCE, output.read_u8()).await.unwrap().unwrap());
    }
    assert!(first.starts_with(b"listening on http://"));
    signal(program.id().unwrap(), "TERM");

    let mut rest = Vec::new();
    let reading = timeout(PATIENCE, output.read_to_end(&mut rest)).await;
    let status = timeout(PATIENCE, program.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{status}");
    reading.unwrap().unwrap();
    let rest = String::from_utf8(rest).unwrap();
    let tokens = rest.lines().filter(|line| line.contains("eyJ"));
    assert_eq!(tokens.count(), 6, "{rest}");
}

/// The end to read from and one for a program to write to, with room for a few kilobytes between
/// them.
async fn narrow_pipe() -> (TcpStream, Stdio) {
    const ROOM: u32 = 4 * 1024;
    let listener = TcpSocket::new_v4().unwrap();
    listener.set_recv_buffer_size(ROOM).unwrap();
    listener.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = listener.listen(1).unwrap();
    let writer = TcpSocket::new_v4().unwrap();
    writer.set_send_buffer_size(ROOM).unwrap();
    let writer = writer.connect(listener.local_addr().unwrap());
    let writer = writer.await.unwrap().into_std().unwrap();
    // As a program expects its standard output to be.
    writer.set_nonblocking(false).unwrap();
    let (reader, _) = listener.accept().await.unwrap();
    (reader, Stdio::from(OwnedFd::from(writer)))
}

#[test]
fn each_flag_is_in_the_readme_and_the_readme_names_no_other() {
    let readme = include_str!("../../README.md");
    let program = Options::command();
    let arguments = program.get_arguments();
    let names = arguments.filter_map(Arg::get_long_and_visible_aliases);
    let flags = names.flatten().map(|name| format!("--{name}"));
    let mut flags: Vec<_> = flags.collect();
    let is_of_flag = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let words = readme.split(|c: char| !is_of_flag(c));
    let is_flag = |word: &&str| {
        word.starts_with("--") && word.as_bytes().get(2).is_some_and(u8::is_ascii_alphabetic)
    };
    let said: Vec<_> = words.filter(is_flag).collect();
    for flag in &flags {
        assert!(said.contains(&flag.as_str()), "{flag} is missing");
    }
    // An alias.
    flags.extend(["--client-protocol"].map(str::to_owned));
    for name in said {
        assert!(flags.iter().any(|flag| flag == name), "{name}");
    }
}
