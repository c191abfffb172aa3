use super::*;

/// What the gateway says to an option.
fn given(option: &str, value: &str) -> Result<Options, String> {
    let with = [
        "gateway",
        "--upstream",
        "http://localhost",
        "--origin",
        "https://app.example",
    ];
    let option = format!("{option}={value}");
    let options = with.into_iter().chain([&*option]);
    Options::try_parse_from(options).map_err(|error| error.to_string())
}

#[test]
fn what_would_fail_every_request_is_an_error_that_names_the_option_and_the_way_out() {
    let host = "write HOST or HOST:PORT";
    for (option, value, way_out) in [
        ("--upstream-host", "", host),
        ("--upstream-host", "a b", host),
        ("--upstream-host", "a/b", host),
        ("--upstream-host", "[::1", host),
        ("--upstream-host", "[h]", host),
        ("--upstream-host", "[fe80::1%eth0]", host),
        ("--upstream-host", "::1", host),
        ("--upstream-host", ":80", host),
        ("--upstream-host", "h:99999", host),
        ("--upstream-host", "h:x", host),
        ("--upstream-host", "root@h", host),
        ("--upstream-host", "http://h", host),
        ("--upstream-host", "zoë.example", host),
        ("--connect-timeout", "0", "write more than 0"),
        ("--connect-timeout", "0.00000000001", "write more than 0"),
        ("--head-timeout", "0", "write more than 0"),
        ("--max-connections", "0", "is not in 1..="),
        ("--session-user", "", "write /NAME"),
        ("--session-user", "user", "write /NAME"),
    ] {
        let error = given(option, value).expect_err(value);
        let named = format!("'{value}' for '{option} ");
        assert!(error.contains(&named) && error.contains(way_out), "{error}");
    }
}

#[test]
fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
    for host in [
        "h",
        "h:80",
        "a.example:65535",
        "127.0.0.1",
        "[::1]",
        "[::1]:80",
    ] {
        let options = given("--upstream-host", host).unwrap();
        assert_eq!(options.upstream_host.unwrap(), host);
    }
}

#[test]
fn zero_stays_what_it_means_elsewhere() {
    for option in [
        "--idle-timeout",
        "--grace",
        "--jwt-leeway",
        "--hold-ms",
        "--max-per-user",
    ] {
        assert!(given(option, "0").is_ok(), "{option}");
    }
}
