use super::*;

fn read(format: &MessageFormat, message: &str) -> Result<Option<String>, ()> {
    match format.read(message) {
        Read::Credential(credential) => Ok(credential),
        Read::Answer(answer) => Ok(Some(answer.to_owned())),
        Read::Malformed => Err(()),
    }
}

#[test]
fn each_format_finds_its_credential() {
    let found = |text: &str| Ok(Some(text.to_owned()));
    let own = MessageFormat::from_fn(|text| text.strip_prefix("LOGIN ").map(str::to_owned));
    for (format, message, credential) in [
        (MessageFormat::plain(), "abc", found("abc")),
        (MessageFormat::plain(), "Bearer  abc", found("abc")),
        (
            MessageFormat::json("a.b"),
            r#"{"a":{"b":"abc"}}"#,
            found("abc"),
        ),
        (MessageFormat::json("a.b"), r#"{"a":{}}"#, Ok(None)),
        (MessageFormat::json("a.b"), r#"{"a":{"b":1}}"#, Err(())),
        (MessageFormat::json("a.b"), "abc", Err(())),
        (
            MessageFormat::json("a").expecting("type", "auth"),
            r#"{"a":"x","type":"auth"}"#,
            found("x"),
        ),
        (
            MessageFormat::json("a").expecting("type", "auth"),
            r#"{"a":"x"}"#,
            Err(()),
        ),
        (
            MessageFormat::graphql_ws("token"),
            r#"{"type":"connection_init","payload":{"token":"abc"}}"#,
            found("abc"),
        ),
        (
            MessageFormat::graphql_ws("token"),
            r#"{"type":"connection_init"}"#,
            Ok(None),
        ),
        (
            MessageFormat::graphql_ws("token"),
            r#"{"type":"ping"}"#,
            found(r#"{"type":"pong"}"#),
        ),
        (
            MessageFormat::graphql_ws("token"),
            r#"{"type":"subscribe","payload":{"token":"abc"}}"#,
            Err(()),
        ),
        (
            MessageFormat::phoenix("token"),
            r#"["1","1","room:1","phx_join",{"token":"abc"}]"#,
            found("abc"),
        ),
        (
            MessageFormat::phoenix("token"),
            r#"["1","1","room:1","shout",{"token":"abc"}]"#,
            Err(()),
        ),
        (
            MessageFormat::centrifugo(),
            r#"{"id":1,"connect":{"token":"abc","name":"js"}}"#,
            found("abc"),
        ),
        (
            MessageFormat::stomp("passcode"),
            "CONNECT\npasscode:abc\n\n\0",
            found("abc"),
        ),
        (
            MessageFormat::stomp("passcode"),
            "SEND\npasscode:abc\n\n\0",
            Err(()),
        ),
        (
            MessageFormat::home_assistant("1"),
            r#"{"type":"auth","access_token":"abc"}"#,
            found("abc"),
        ),
        (own.clone(), "LOGIN abc", found("abc")),
        (own, "HELLO", Err(())),
    ] {
        assert_eq!(read(&format, message), credential, "{message}");
    }
}

#[test]
fn socket_io_has_it_in_auth() {
    let found = |text: &str| Ok(Some(text.to_owned()));
    for (member, message, credential) in [
        ("token", r#"40{"token":"Bearer abc"}"#, found("abc")),
        ("a.b", r#"40/admin,{"a":{"b":"abc"}}"#, found("abc")),
        ("token", "40", Ok(None)),
        ("token", "40{}", Ok(None)),
        ("token", "40{", Err(())),
        ("token", r#"40{"token":["abc"]}"#, Err(())),
        ("token", "2probe", Err(())),
        ("token", r#"42{"token":"abc"}"#, Err(())),
    ] {
        let format = MessageFormat::socket_io(member);
        assert_eq!(read(&format, message), credential, "{message}");
    }
}
