//! Flags that contradict each other, have no effect or cannot be understood.

use clap::{Arg, CommandFactory, Parser};
use gateway::{Gateway, Options};

use crate::peer::{ORIGIN, SECRET};

/// What the program says before it ends.
async fn error(flags: &[&str]) -> String {
    let common = [
        "gateway",
        "--upstream",
        "http://127.0.0.1:1",
        "--origin",
        ORIGIN,
    ];
    let listen = ["--listen", "127.0.0.1:0"];
    let listen = listen.iter().filter(|_| !flags.contains(&"--listen"));
    let flags = common.iter().chain(listen).chain(flags);
    match Options::try_parse_from(flags) {
        Err(error) => error.to_string(),
        Ok(options) => match Gateway::bind(options).await {
            Err(error) => error.to_string(),
            Ok(_) => "it starts".to_owned(),
        },
    }
}

#[tokio::test]
async fn without_an_effect_are_errors_that_name_what_they_need() {
    let secret = ["--jwt-secret", SECRET];
    for (flags, named, needs) in [
        (
            &["--dangerous-jwks-plain-http"][..],
            "--dangerous-jwks-plain-http",
            "--jwks-url",
        ),
        (
            &["--session-recheck", "1"][..],
            "--session-recheck",
            "--strategy session or any",
        ),
        (
            &["--session-prefix", "a:"],
            "--session-prefix",
            "--strategy session or any",
        ),
        (
            &["--session-secret", SECRET],
            "--session-secret",
            "--strategy session or any",
        ),
        (&["--ticket-ttl", "9"], "--ticket-ttl", "--strategy ticket"),
        (
            &["--ticket-path", "/t"],
            "--ticket-path",
            "--strategy ticket",
        ),
        (
            &["--http-timeout", "9"],
            "--http-timeout",
            "--http or --path",
        ),
        (
            &["--strategy", "session"],
            "--jwt-secret",
            "--strategy jwt or any",
        ),
        (
            &["--strategy", "ticket", "--keep-credential"],
            "--keep-credential",
            "leave the flag out",
        ),
        (
            &["--strategy", "ticket", "--http", "authenticate"],
            "--http authenticate",
            "--http pass or refuse",
        ),
    ] {
        let error = error(&[&secret, flags].concat()).await;
        assert!(
            error.contains(named) && error.contains(needs),
            "{flags:?}: {error}"
        );
    }
    for flag in [
        ["--jwt-query", "jwt"],
        ["--jwt-scheme", "JWT"],
        ["--jwt-subprotocol", "jupyter"],
        ["--jwt-max-length", "16384"],
    ] {
        let error = error(&[&["--strategy", "session"], &flag[..]].concat()).await;
        let expected = format!("{} has no effect: it needs --strategy jwt or any", flag[0]);
        assert!(error.contains(&expected), "{error}");
    }
    let ticket = ["--strategy", "ticket", "--ticket-for", "session"];
    let session = ["--session-secret", SECRET, "--session-recheck", "1"];
    let said = error(&[ticket, session].concat()).await;
    assert!(said.contains("--session-recheck has no effect"), "{said}");
    for (flags, named, needs) in [
        (
            &["--jwt-algorithm", "HS512"][..],
            "--jwt-algorithm",
            "--jwt-secret",
        ),
        (
            &["--dangerous-short-jwt-secret"],
            "--dangerous-short-jwt-secret",
            "--jwt-secret",
        ),
        (
            &["--jwt-issuer", "https://a.example"],
            "--jwt-issuer",
            "--oidc-issuer names itself",
        ),
    ] {
        let issuer = ["--oidc-issuer", "https://issuer.example"];
        let error = error(&[&issuer, flags].concat()).await;
        assert!(
            error.contains(named) && error.contains(needs),
            "{flags:?}: {error}"
        );
    }
}

#[tokio::test]
async fn about_what_comes_later_are_errors_where_it_cannot_come() {
    for (flags, named, needs) in [
        (
            &["--first-message-timeout", "9"][..],
            "--first-message-timeout",
            "--first-message",
        ),
        (
            &["--renew-query", "connection"],
            "--renew-query",
            "--renew-path",
        ),
        (
            &["--renew-path", "/renew", "--renew-query", "token"],
            "--renew-query",
            "connection",
        ),
        (
            &["--first-message", "graphql-ws"],
            "--first-message",
            "--keep-credential",
        ),
        (
            &["--strategy", "ticket", "--renew-path", "/ticket"],
            "--renew-path",
            "another path",
        ),
        (
            &["--socket-io-path", "/a/socket.io"],
            "--socket-io-path",
            "--http or --path with authenticate",
        ),
        (
            &["--socket-io-secret", SECRET, "--http", "pass"],
            "--socket-io-secret",
            "--http or --path with authenticate",
        ),
    ] {
        let error = error(&[&["--jwt-secret", SECRET], flags].concat()).await;
        assert!(
            error.contains(named) && error.contains(needs),
            "{flags:?}: {error}"
        );
    }
    let session = ["--strategy", "session", "--first-message", "plain"];
    let said = error(&session).await;
    assert!(said.contains("--first-message has no effect"), "{said}");
}

#[tokio::test]
async fn that_cannot_be_understood_are_errors_with_an_example() {
    let secret = ["--jwt-secret", SECRET];
    for (flags, example) in [
        (["--listen", ":4000"], "0.0.0.0:4000"),
        (["--listen", "localhost:4000"], "127.0.0.1:4000"),
        (["--admin-listen", "9000"], "127.0.0.1:4000"),
        (["--hold-ms", "999999999999"], "60000"),
        (["--path", "/socket.io"], "/PREFIX=authenticate"),
        (["--path", "socket.io=pass"], "/PREFIX=pass"),
        (["--path", "/a/../b=pass"], "without escapes"),
        (["--path", "/%61=pass"], "without escapes"),
        (["--path", "/a=pass,/A=refuse"], "two policies"),
        (
            ["--strip", "Sec-WebSocket-*"],
            "a handshake needs this field",
        ),
        (["--strip", "a b"], "write NAME"),
        (["--first-message", "json"], "json:FIELD"),
        (["--first-message", "json:a..b"], "json:FIELD"),
        (["--first-message", "plain:token"], "json:FIELD"),
        (["--first-message", "stomp:"], "stomp:HEADER"),
        (["--first-message-per-address", "0"], "1.."),
        (["--renew-path", "renew"], "not a plain path"),
        (["--socket-io-path", "socket.io"], "write /socket.io"),
        (["--socket-io-path", "/%73ocket.io"], "without escapes"),
        (["--jwt-header", "email"], "NAME=/CLAIM"),
        (["--jwt-header", "e mail=/email"], "NAME=/CLAIM"),
        (["--ticket-path", "ticket"], "/ticket"),
        (["--jwt-secret", "@"], "@FILE"),
        (["--jwt-secret", "@/nowhere"], "--jwt-secret @/nowhere: "),
        (["--redis", "@/nowhere"], "--redis @/nowhere: "),
        (
            ["--jwks-url", "http://keys.example/"],
            "--dangerous-jwks-plain-http",
        ),
    ] {
        let error = error(&[secret, flags].concat()).await;
        assert!(error.contains(example), "{flags:?}: {error}");
    }
}

#[tokio::test]
async fn that_cannot_work_are_errors_in_the_words_of_the_command_line() {
    // Beside the one that all have.
    let eight = ["--jwt-secret", SECRET].repeat(8);
    for (flags, wanted) in [
        (
            &["--jwt-header", "a=/a", "--jwt-header", "A=/b"][..],
            "--jwt-header: two claims would be in x-auth-claim-a",
        ),
        (
            &["--jwt-header-name", "Host"],
            "--jwt-header-name: a handshake needs",
        ),
        (
            &["--jwt-header-name", "Authorization"],
            "use --jwt-scheme, --jwt-cookie or --jwt-subprotocol",
        ),
        (
            &["--jwt-header-name", "X-Auth-Token"],
            "--jwt-header-name: the gateway removes X-Auth-Token",
        ),
        (
            &["--jwt-header-name", "X-Jwt", "--strip", "X-J*"],
            "--jwt-header-name: the gateway removes X-Jwt",
        ),
        (&["--jwt-leeway", "61"], "--jwt-leeway: write a number"),
        (&["--jwt-issuer", ""], "--jwt-issuer: a name is empty"),
        (&["--jwt-audience", "a,"], "--jwt-audience: a name is empty"),
        (
            &eight[..],
            "--jwt-secret and --jwt-public-key: there are more",
        ),
        (
            &["--oidc-issuer", "https://id.example,https://id.example"],
            "--oidc-issuer: two are the same",
        ),
        (
            &["--oidc-issuer", "http://id.example"],
            "in keys of their own: use `https`",
        ),
        (
            &["--jwt-max-length", "0"],
            "--jwt-max-length: write a number",
        ),
        (
            &["--jwks-url", "http://id.example/keys"],
            "accept the risk with --dangerous-jwks-plain-http",
        ),
        (
            &[
                "--first-message",
                "plain",
                "--first-message-subprotocol",
                "a b",
            ],
            "not a subprotocol",
        ),
        (&["--first-message", "socket-io:a..b"], "write json:FIELD"),
        (&["--first-message", "socket-io"], "--keep-credential"),
        (
            &["--origin", "same-as-host,null"],
            "--dangerous-origin null",
        ),
    ] {
        let error = error(&[&["--jwt-secret", SECRET], flags].concat()).await;
        assert!(error.contains(wanted), "{flags:?}: {error}");
        // Of the library, whose users write Rust.
        assert!(!error.contains('_'), "{error}");
    }
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
    // Of cargo, of clap, and of the client in the example.
    flags.extend(["--help", "--connect"].map(str::to_owned));
    for name in said {
        assert!(flags.iter().any(|flag| flag == name), "{name}");
    }
}
