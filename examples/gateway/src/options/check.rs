//! Flags that contradict each other or have no effect.

use std::time::Duration;

use super::{Format, Hmac, Offer, Options, Policy, Strategy, TicketFor, Trust};
use crate::strip::Strip;

impl Options {
    /// Whether a JWT is ever looked at.
    pub(crate) fn reads_jwt(&self) -> bool {
        match self.strategy {
            Strategy::Jwt | Strategy::Any => true,
            Strategy::Session => false,
            Strategy::Ticket => self.ticket.ticket_for != TicketFor::Session,
        }
    }

    /// Whether a session is ever looked at.
    pub(crate) fn reads_session(&self) -> bool {
        match self.strategy {
            Strategy::Session | Strategy::Any => true,
            Strategy::Jwt => false,
            Strategy::Ticket => self.ticket.ticket_for != TicketFor::Jwt,
        }
    }

    /// What concerns tokens alone, and whether it is given.
    fn jwt_flags(&self) -> [(&'static str, bool); 15] {
        const QUERY: [&str; 3] = ["token", "access_token", "Authorization"];
        [
            ("--jwt-secret", !self.jwt.jwt_secret.is_empty()),
            ("--jwt-public-key", !self.jwt.jwt_public_key.is_empty()),
            ("--jwks-url", self.jwt.jwks_url.is_some()),
            ("--oidc-issuer", !self.jwt.oidc_issuer.is_empty()),
            ("--jwt-issuer", !self.jwt.jwt_issuer.is_empty()),
            ("--jwt-audience", !self.jwt.jwt_audience.is_empty()),
            ("--jwt-header", !self.jwt.jwt_header.is_empty()),
            ("--jwt-header-name", !self.jwt.jwt_header_name.is_empty()),
            ("--jwt-query", self.jwt.jwt_query != QUERY),
            ("--jwt-scheme", self.jwt.jwt_scheme != ["Bearer"]),
            (
                "--jwt-subprotocol",
                self.jwt.jwt_subprotocol != [Offer::Phoenix],
            ),
            ("--jwt-max-length", self.jwt.jwt_max_length != 8192),
            ("--jwt-cookie", self.jwt.jwt_cookie.is_some()),
            ("--jwt-user", self.jwt.jwt_user != ["/sub"]),
            ("--jwt-leeway", self.jwt.jwt_leeway != Duration::ZERO),
        ]
    }

    /// The same for sessions.
    fn session_flags(&self) -> [(&'static str, bool); 6] {
        let session = &self.session;
        [
            ("--session-secret", !session.session_secret.is_empty()),
            ("--session-prefix", session.session_prefix != "sess:"),
            ("--session-cookie", session.session_cookie != "connect.sid"),
            ("--session-user", session.session_user != "/user"),
            ("--session-login", session.session_login.is_some()),
            ("--session-recheck", !session.session_recheck.is_zero()),
        ]
    }

    /// # Errors
    ///
    /// A flag that has no effect, with what it needs.
    pub(crate) fn check(&self) -> Result<(), String> {
        let without_jwt = self.jwt_flags();
        let session = &self.session;
        let without_session = self.session_flags();
        let ticket = &self.ticket;
        let without_ticket = [
            ("--ticket-path", ticket.ticket_path != "/ticket"),
            ("--ticket-for", ticket.ticket_for != TicketFor::Jwt),
            ("--ticket-ttl", ticket.ticket_ttl != Duration::from_secs(30)),
        ];
        let secretless = [
            (
                "--dangerous-short-jwt-secret",
                self.jwt.dangerous_short_jwt_secret,
            ),
            ("--jwt-algorithm", self.jwt.jwt_algorithm != Hmac::default()),
        ];
        let keyless = self.jwt.jwt_secret.is_empty()
            && self.jwt.jwt_public_key.is_empty()
            && self.jwt.jwks_url.is_none();
        let groups = [
            (!self.reads_jwt(), "--strategy jwt or any", &without_jwt[..]),
            (
                !self.reads_session(),
                "--strategy session or any",
                &without_session,
            ),
            (
                self.strategy != Strategy::Ticket,
                "--strategy ticket",
                &without_ticket,
            ),
            (
                // A ticket opens its connection without a session.
                self.strategy == Strategy::Ticket,
                "--strategy session or any",
                &[("--session-recheck", !session.session_recheck.is_zero())],
            ),
            (self.jwt.jwt_secret.is_empty(), "--jwt-secret", &secretless),
            (
                session.session_secret.is_empty(),
                "--session-secret",
                &[(
                    "--dangerous-short-session-secret",
                    session.dangerous_short_session_secret,
                )],
            ),
            (
                keyless,
                "--jwt-secret, --jwt-public-key or --jwks-url: an --oidc-issuer names itself",
                &[("--jwt-issuer", !self.jwt.jwt_issuer.is_empty())],
            ),
            (
                self.jwt.jwks_url.is_none(),
                "--jwks-url",
                &[("--dangerous-jwks-plain-http", self.jwt.jwks_plain_http)],
            ),
        ];
        without_effect(&groups)?;
        self.check_fields()?;
        self.check_http()?;
        self.check_messages()?;
        if self.http.trust_forwarded == Trust::None && self.listen.ip().is_unspecified() {
            tracing::info!("--listen: every address of this machine is open");
        }
        Ok(())
    }

    fn check_fields(&self) -> Result<(), String> {
        let headers = &self.jwt.jwt_header;
        for (n, header) in headers.iter().enumerate() {
            if headers[..n].iter().any(|other| other.name == header.name) {
                let name = &header.name;
                return Err(format!(
                    "--jwt-header: two claims would be in {name}: write one of them"
                ));
            }
        }
        let strip = Strip::new(Trust::None, &self.http.strip);
        let mut names = self.jwt.jwt_header_name.iter();
        if let Some(name) = names.find(|name| strip.is_foreign(&name.to_ascii_lowercase())) {
            return Err(format!(
                "--jwt-header-name: the gateway removes {name} of every client: write a name that \
                 begins otherwise, such as X-Token, and that --strip does not list"
            ));
        }
        Ok(())
    }

    fn check_http(&self) -> Result<(), String> {
        let http = &self.http;
        let plain = http.path.iter().map(|path| path.policy).chain([http.http]);
        let all_refused = plain.clone().all(|policy| policy == Policy::Refuse);
        let authenticates = plain.clone().any(|policy| policy == Policy::Authenticate);
        without_effect(&[
            (
                !authenticates,
                "--http or --path with authenticate",
                &[
                    ("--socket-io-path", http.socket_io_path != ["/socket.io"]),
                    ("--socket-io-secret", http.socket_io_secret.is_some()),
                ],
            ),
            (
                all_refused,
                "--http or --path with authenticate or pass",
                &[(
                    "--http-timeout",
                    http.http_timeout != Duration::from_secs(120),
                )],
            ),
        ])?;
        if self.strategy == Strategy::Ticket && http.keep_credential {
            return Err(
                "--keep-credential has no effect with --strategy ticket: a ticket is used \
                        up, so leave the flag out"
                    .to_owned(),
            );
        }
        if self.strategy == Strategy::Ticket && authenticates {
            return Err(
                "--http authenticate cannot read a ticket, which opens one connection: \
                        write --http pass or refuse, or another --strategy"
                    .to_owned(),
            );
        }
        Ok(())
    }

    fn check_messages(&self) -> Result<(), String> {
        let message = &self.message;
        without_effect(&[
            (
                message.first_message.is_none(),
                "--first-message",
                &[
                    (
                        "--first-message-subprotocol",
                        !message.first_message_subprotocol.is_empty(),
                    ),
                    (
                        "--first-message-timeout",
                        message.first_message_timeout != Duration::from_secs(5),
                    ),
                    (
                        "--first-message-per-address",
                        message.first_message_per_address != 256,
                    ),
                ],
            ),
            (
                self.strategy == Strategy::Session,
                "--strategy jwt, any or ticket",
                &[("--first-message", message.first_message.is_some())],
            ),
            (
                message.renew_path.is_none(),
                "--renew-path",
                &[("--renew-query", message.renew_query.is_some())],
            ),
        ])?;
        let is_used_up = self.strategy == Strategy::Ticket;
        let format = message.first_message.as_ref();
        if format.is_some_and(Format::is_for_the_upstream_too)
            && !self.http.keep_credential
            && !is_used_up
        {
            return Err(
                "--first-message: in this format the upstream reads the message too, and the \
                 token in it: accept that with --keep-credential"
                    .to_owned(),
            );
        }
        if is_used_up && message.renew_path.as_ref() == Some(&self.ticket.ticket_path) {
            return Err("--renew-path is --ticket-path: write another path".to_owned());
        }
        let is_taken = |key: &String| match self.strategy {
            Strategy::Ticket => key == "ticket",
            Strategy::Session => false,
            Strategy::Jwt | Strategy::Any => self.jwt.jwt_query.contains(key),
        };
        if message.renew_query.as_ref().is_some_and(is_taken) {
            return Err(
                "--renew-query: the credential has this key: write `connection` for example"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

/// When flags have no effect, what they need, and whether they are given.
type Group<'a> = (bool, &'static str, &'a [(&'static str, bool)]);

fn without_effect(groups: &[Group<'_>]) -> Result<(), String> {
    for (applies, needs, flags) in groups {
        if let Some((flag, _)) = flags.iter().find(|(_, given)| *applies && *given) {
            return Err(format!("{flag} has no effect: it needs {needs}"));
        }
    }
    Ok(())
}
