//! The flags that say which tokens are good.

use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use tower_ws_auth::credential::SubprotocolFormat;
use tower_ws_auth::jwt::{Algorithm, UserClaim};

use super::Secret;

/// Which tokens are good.
#[derive(Clone, Debug, Args)]
pub struct JwtOptions {
    /// A shared secret that verifies tokens, at least as long as the algorithm's hash. The
    /// first one also signs. Random by default.
    #[arg(long, env = "CHAT_JWT_SECRET", hide_env_values = true)]
    pub jwt_secret: Vec<Secret>,

    /// Accepts a secret that is too short, which can be guessed offline from one token.
    #[arg(long, env = "CHAT_DANGEROUS_SHORT_JWT_SECRET", value_parser = BoolishValueParser::new())]
    pub dangerous_short_jwt_secret: bool,

    /// The algorithm of the secrets.
    #[arg(long, env = "CHAT_JWT_ALGORITHM", value_enum, default_value_t)]
    pub jwt_algorithm: Hmac,

    /// A public key in PEM. An RSA key is for RS256, unless another algorithm stands in front, as
    /// in `PS256=key.pem`.
    #[arg(
        long,
        env = "CHAT_JWT_PUBLIC_KEY",
        value_delimiter = ',',
        value_name = "FILE"
    )]
    pub jwt_public_key: Vec<String>,

    /// A JSON Web Key Set whose public keys verify tokens.
    #[arg(long, env = "CHAT_JWKS_URL", value_name = "URL")]
    pub jwks_url: Option<String>,

    /// An issuer whose keys are found by `OpenID` Connect Discovery. They verify its own tokens
    /// only.
    #[arg(
        long,
        env = "CHAT_OIDC_ISSUER",
        value_delimiter = ',',
        value_name = "URL"
    )]
    pub oidc_issuer: Vec<String>,

    /// The issuers of which a token must name one. Tokens of an `--oidc-issuer` need no entry.
    #[arg(long, env = "CHAT_JWT_ISSUER", value_delimiter = ',')]
    pub jwt_issuer: Vec<String>,

    /// The audiences of which a token must name one.
    #[arg(long, env = "CHAT_JWT_AUDIENCE", value_delimiter = ',')]
    pub jwt_audience: Vec<String>,

    /// The claim that names the user, text or an integer (RFC 6901). The first one that is there
    /// decides.
    #[arg(
        long,
        env = "CHAT_JWT_USER",
        default_value = "/sub,/user",
        value_delimiter = ',',
        value_name = "POINTER"
    )]
    pub jwt_user: Vec<String>,

    /// The query keys that carry a token. After `Authorization=` the value may begin with `Bearer `.
    #[arg(
        long,
        env = "CHAT_JWT_QUERY",
        default_value = "token,access_token,Authorization",
        value_delimiter = ',',
        value_name = "KEY"
    )]
    pub jwt_query: Vec<String>,

    /// The schemes of `Authorization` that carry a token, such as `JWT`.
    #[arg(
        long,
        env = "CHAT_JWT_SCHEME",
        default_value = "Bearer",
        value_delimiter = ',',
        value_name = "SCHEME"
    )]
    pub jwt_scheme: Vec<String>,

    /// Another header field whose whole value is a token, such as `Cf-Access-Jwt-Assertion`.
    #[arg(
        long,
        env = "CHAT_JWT_HEADER_NAME",
        value_delimiter = ',',
        value_name = "NAME"
    )]
    pub jwt_header_name: Vec<String>,

    /// How a token is written among the subprotocols.
    #[arg(
        long,
        env = "CHAT_JWT_SUBPROTOCOL",
        value_enum,
        default_value = "phoenix",
        value_delimiter = ',',
        value_name = "FORMAT"
    )]
    pub jwt_subprotocol: Vec<Offer>,

    /// A cookie that carries a token. It decides without another token, and for an allowed page.
    #[arg(long, env = "CHAT_JWT_COOKIE", value_name = "NAME")]
    pub jwt_cookie: Option<String>,

    /// How many bytes a token may have, 16384 at most.
    #[arg(
        long,
        env = "CHAT_JWT_MAX_LENGTH",
        default_value_t = 8192,
        value_name = "BYTES"
    )]
    pub jwt_max_length: usize,

    /// How long a token is still accepted after it has expired.
    #[arg(long, env = "CHAT_JWT_LEEWAY", default_value = "0", value_parser = seconds, value_name = "SECONDS")]
    pub jwt_leeway: Duration,
}

/// Whole seconds.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "not a whole number".to_owned())?;
    Ok(Duration::from_secs(seconds))
}

impl JwtOptions {
    /// The claim that names the user.
    ///
    /// # Errors
    ///
    /// A text that is not such a place.
    pub fn user(&self) -> Result<UserClaim, String> {
        UserClaim::new(&self.jwt_user).map_err(|error| format!("--jwt-user: {error}"))
    }
}

/// How a token is written as an entry of `Sec-WebSocket-Protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Offer {
    /// `base64url.bearer.phx.<base64>`.
    Phoenix,
    /// `base64url.bearer.authorization.k8s.io.<base64url>`.
    Kubernetes,
    /// `bearer, <token>`.
    BearerPair,
    /// `v1.token.websocket.jupyter.org.<token>`.
    Jupyter,
    /// `header-<base64url>` of a JSON object with `Authorization`.
    Appsync,
    /// `access_token.<token>` as the last entry.
    AccessToken,
}

impl From<Offer> for SubprotocolFormat {
    fn from(offer: Offer) -> Self {
        match offer {
            Offer::Phoenix => Self::Phoenix,
            Offer::Kubernetes => Self::Kubernetes,
            Offer::BearerPair => Self::BearerPair,
            Offer::Jupyter => Self::Jupyter,
            Offer::Appsync => Self::AppSync,
            Offer::AccessToken => Self::LastAfter("access_token."),
        }
    }
}

/// The algorithm of a shared secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Hmac {
    /// HMAC with SHA-256, for secrets of at least 32 bytes.
    #[default]
    #[value(name = "HS256", alias = "hs256")]
    Hs256,
    /// HMAC with SHA-384, for secrets of at least 48 bytes.
    #[value(name = "HS384", alias = "hs384")]
    Hs384,
    /// HMAC with SHA-512, for secrets of at least 64 bytes.
    #[value(name = "HS512", alias = "hs512")]
    Hs512,
}

impl From<Hmac> for Algorithm {
    fn from(hmac: Hmac) -> Self {
        match hmac {
            Hmac::Hs256 => Self::HS256,
            Hmac::Hs384 => Self::HS384,
            Hmac::Hs512 => Self::HS512,
        }
    }
}
