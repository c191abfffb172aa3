use std::net::IpAddr;

use http::Uri;
use http::uri::Scheme;

use super::JwksError;

/// Reads a URL that may be fetched from: `https`, or `http` to the own machine, where nobody
/// stands between, or anywhere if somebody insists.
pub(crate) fn read(text: &str, plain: bool) -> Result<Uri, JwksError> {
    let refused = |why| JwksError::Url(redacted(text), why);
    let url: Uri = text
        .parse()
        .map_err(|_| refused("it is not an absolute URL"))?;
    let (Some(scheme), Some(authority)) = (url.scheme(), url.authority()) else {
        return Err(refused("it is not an absolute URL"));
    };
    if authority.as_str().contains('@') {
        return Err(refused(
            "it names a user: let the HTTP client add credentials",
        ));
    }
    if *scheme != Scheme::HTTPS && *scheme != Scheme::HTTP {
        return Err(refused("it is neither `https` nor `http`"));
    }
    if *scheme == Scheme::HTTP && !plain && !is_loopback(authority.host()) {
        return Err(refused(
            "who stands between could put in keys of their own: use `https`, or accept the risk with `dangerous_plain_http`",
        ));
    }
    Ok(url)
}

/// Where an issuer's configuration stands (`OpenID` Connect Discovery 1.0 §4.1).
pub(crate) fn configuration(issuer: &str, plain: bool) -> Result<Uri, JwksError> {
    if issuer.contains(['?', '#']) {
        let why = "an issuer has neither query nor fragment";
        return Err(JwksError::Url(redacted(issuer), why));
    }
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    read(&format!("{base}/.well-known/openid-configuration"), plain)
}

pub(crate) fn is_plain(url: &Uri) -> bool {
    url.scheme() == Some(&Scheme::HTTP)
}

pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Without user and query, which may be secrets.
fn redacted(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    match text.rsplit_once('@') {
        Some((before, after)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            format!("{scheme}://…@{after}")
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_the_own_machine() {
        for good in [
            "https://issuer.example/jwks",
            "HTTPS://issuer.example:8443/jwks?tenant=a",
            "http://127.0.0.1:8080/jwks",
            "http://127.9.9.9/",
            "http://[::1]:8080/jwks",
            "http://LOCALHOST/jwks",
        ] {
            assert!(read(good, false).is_ok(), "{good}");
        }
        for bad in [
            "http://issuer.example/jwks",
            "http://127.0.0.1.issuer.example/jwks",
            "http://localhost.issuer.example/jwks",
            "http://0.0.0.0/jwks",
            "http://10.0.0.1/jwks",
            "http://[::2]/",
            "https://user:password@issuer.example/jwks",
            "http://127.0.0.1@issuer.example/",
            "ftp://issuer.example/jwks",
            "file:///etc/jwks.json",
            "/jwks",
            "issuer.example",
            "",
        ] {
            assert!(read(bad, false).is_err(), "{bad}");
        }
        assert!(read("http://issuer.example/jwks", true).is_ok());
        assert!(read("https://user@issuer.example/jwks", true).is_err());
    }

    #[test]
    fn an_error_keeps_user_and_query_to_itself() {
        let error = read("https://ada:canary@issuer.example/jwks?key=canary", false).unwrap_err();
        assert!(error.to_string().contains("issuer.example"), "{error}");
        assert!(!format!("{error} {error:?}").contains("canary"));
    }

    #[test]
    fn the_configuration_stands_below_the_issuer() {
        for (issuer, expected) in [
            (
                "https://a.example",
                "https://a.example/.well-known/openid-configuration",
            ),
            (
                "https://a.example/",
                "https://a.example/.well-known/openid-configuration",
            ),
            (
                "https://a.example/b/",
                "https://a.example/b/.well-known/openid-configuration",
            ),
        ] {
            assert_eq!(configuration(issuer, false).unwrap(), expected);
        }
        assert!(configuration("https://a.example?b", false).is_err());
        assert!(configuration("https://a.example#b", false).is_err());
        assert!(configuration("http://a.example", false).is_err());
    }
}
