//! The flags that say which sessions are good.

use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::{Secret, seconds};

/// Which sessions are good.
#[derive(Clone, Debug, Args)]
pub struct SessionOptions {
    /// A secret that signs session cookies, at least 16 bytes; all verify. `@FILE` reads it from a
    /// file.
    #[arg(long, env = "GATEWAY_SESSION_SECRET", hide_env_values = true)]
    pub session_secret: Vec<Secret>,

    /// Accepts a session secret of fewer than 16 bytes, such as `keyboard cat`, which can be guessed
    /// offline from one cookie.
    #[arg(long, env = "GATEWAY_DANGEROUS_SHORT_SESSION_SECRET", value_parser = BoolishValueParser::new())]
    pub dangerous_short_session_secret: bool,

    /// What the keys of sessions begin with in Redis: the `prefix` of connect-redis.
    #[arg(
        long,
        env = "GATEWAY_SESSION_PREFIX",
        default_value = "sess:",
        value_name = "PREFIX"
    )]
    pub session_prefix: String,

    /// The name of the session cookie.
    #[arg(
        long,
        env = "GATEWAY_SESSION_COOKIE",
        default_value = "connect.sid",
        value_name = "NAME"
    )]
    pub session_cookie: String,

    /// Where a session record keeps its user, text or a number (RFC 6901); without it nobody is
    /// logged in.
    #[arg(
        long,
        env = "GATEWAY_SESSION_USER",
        default_value = "/user",
        value_parser = pointer,
        value_name = "POINTER"
    )]
    pub session_user: String,

    /// The field of a session record that says when its login was: milliseconds since the Unix
    /// epoch, or a date as JavaScript writes it. Without it every session of a user whose key was
    /// revoked is refused, also one of a later login.
    #[arg(long, env = "GATEWAY_SESSION_LOGIN", value_name = "FIELD")]
    pub session_login: Option<String>,

    /// How often the session of an open connection is looked up again, so that one that the
    /// application has destroyed ends its connections; 0 for never.
    #[arg(long, env = "GATEWAY_SESSION_RECHECK", default_value = "0", value_parser = seconds, value_name = "SECONDS")]
    pub session_recheck: Duration,
}

/// Every record is an object, and a user never all of it.
fn pointer(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err("it points nowhere: write /NAME, or /NAME/NAME for what is inside".to_owned());
    }
    Ok(text.to_owned())
}
