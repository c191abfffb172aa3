//! The flags that say which tokens are good.

use std::str::FromStr;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use http::HeaderName;
use serde_json::Value;
use tower_ws_auth::credential::SubprotocolFormat;
use tower_ws_auth::jwt::{Algorithm, UserClaim};

use super::{Secret, seconds};

/// Which tokens are good.
#[derive(Clone, Debug, Args)]
pub struct JwtOptions {
    /// A shared secret that verifies tokens, at least as long as the algorithm's hash. `@FILE` reads
    /// it from a file.
    #[arg(long, env = "GATEWAY_JWT_SECRET", hide_env_values = true)]
    pub jwt_secret: Vec<Secret>,

    /// Accepts a secret that is too short, which can be guessed offline from one token.
    #[arg(long, env = "GATEWAY_DANGEROUS_SHORT_JWT_SECRET", value_parser = BoolishValueParser::new())]
    pub dangerous_short_jwt_secret: bool,

    /// The algorithm of the secrets.
    #[arg(long, env = "GATEWAY_JWT_ALGORITHM", value_enum, default_value_t)]
    pub jwt_algorithm: Hmac,

    /// A public key in PEM. An RSA key is for RS256, unless another algorithm stands in front, as
    /// in `PS256=key.pem`.
    #[arg(
        long,
        env = "GATEWAY_JWT_PUBLIC_KEY",
        value_delimiter = ',',
        value_name = "FILE"
    )]
    pub jwt_public_key: Vec<String>,

    /// A JSON Web Key Set whose public keys verify tokens.
    #[arg(long, env = "GATEWAY_JWKS_URL", value_name = "URL")]
    pub jwks_url: Option<String>,

    /// Fetches that set over plain HTTP from another machine. An attacker on the way can put keys
    /// into it.
    #[arg(long = "dangerous-jwks-plain-http", alias = "jwks-plain-http", env = "GATEWAY_DANGEROUS_JWKS_PLAIN_HTTP", value_parser = BoolishValueParser::new())]
    pub jwks_plain_http: bool,

    /// An issuer whose keys are found by `OpenID` Connect Discovery. They verify its own tokens
    /// only.
    #[arg(
        long,
        env = "GATEWAY_OIDC_ISSUER",
        value_delimiter = ',',
        value_name = "URL"
    )]
    pub oidc_issuer: Vec<String>,

    /// The issuers of which a token must name one. Tokens of an `--oidc-issuer` need no entry.
    #[arg(long, env = "GATEWAY_JWT_ISSUER", value_delimiter = ',')]
    pub jwt_issuer: Vec<String>,

    /// The audiences of which a token must name one.
    #[arg(long, env = "GATEWAY_JWT_AUDIENCE", value_delimiter = ',')]
    pub jwt_audience: Vec<String>,

    /// The claim that names the user, text or an integer (RFC 6901). The first one that is there
    /// decides.
    #[arg(
        long,
        env = "GATEWAY_JWT_USER",
        default_value = "/sub",
        value_delimiter = ',',
        value_name = "POINTER"
    )]
    pub jwt_user: Vec<String>,

    /// Another claim for the upstream, as in `email=/email`: in the header field
    /// `X-Auth-Claim-Email`, if it is text, a number, `true`, `false` or a list of such.
    #[arg(
        long,
        env = "GATEWAY_JWT_HEADER",
        value_delimiter = ',',
        value_name = "NAME=POINTER"
    )]
    pub jwt_header: Vec<ClaimHeader>,

    /// The query keys that carry a token. After `Authorization=` the value may begin with `Bearer `.
    #[arg(
        long,
        env = "GATEWAY_JWT_QUERY",
        default_value = "token,access_token,Authorization",
        value_delimiter = ',',
        value_name = "KEY"
    )]
    pub jwt_query: Vec<String>,

    /// The schemes of `Authorization` that carry a token, such as `JWT`.
    #[arg(
        long,
        env = "GATEWAY_JWT_SCHEME",
        default_value = "Bearer",
        value_delimiter = ',',
        value_name = "SCHEME"
    )]
    pub jwt_scheme: Vec<String>,

    /// Another header field whose whole value is a token, such as `Cf-Access-Jwt-Assertion`. It
    /// cannot be one that the gateway removes, such as `X-Auth-Token`.
    #[arg(
        long,
        env = "GATEWAY_JWT_HEADER_NAME",
        value_delimiter = ',',
        value_name = "NAME"
    )]
    pub jwt_header_name: Vec<String>,

    /// How a token is written among the subprotocols.
    #[arg(
        long,
        env = "GATEWAY_JWT_SUBPROTOCOL",
        value_enum,
        default_value = "phoenix",
        value_delimiter = ',',
        value_name = "FORMAT"
    )]
    pub jwt_subprotocol: Vec<Offer>,

    /// A cookie that carries a token. It decides without another token, and for an allowed page.
    #[arg(long, env = "GATEWAY_JWT_COOKIE", value_name = "NAME")]
    pub jwt_cookie: Option<String>,

    /// How many bytes a token may have, 16384 at most.
    #[arg(
        long,
        env = "GATEWAY_JWT_MAX_LENGTH",
        default_value_t = 8192,
        value_name = "BYTES"
    )]
    pub jwt_max_length: usize,

    /// How long a token is still accepted after it has expired, 60 seconds at most.
    #[arg(long, env = "GATEWAY_JWT_LEEWAY", default_value = "0", value_parser = seconds, value_name = "SECONDS")]
    pub jwt_leeway: Duration,
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

/// A claim, and the header field that tells the upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimHeader {
    pub(crate) name: HeaderName,
    /// The names of members, from the outside in.
    pointer: Vec<String>,
}

impl ClaimHeader {
    /// The claim, through objects alone.
    pub(crate) fn of<'c>(&self, claims: &'c Value) -> Option<&'c Value> {
        let inside = |value: &'c Value, name: &String| value.as_object()?.get(name);
        self.pointer.iter().try_fold(claims, inside)
    }
}

impl FromStr for ClaimHeader {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const INSTEAD: &str = "write NAME=/CLAIM, or NAME=/CLAIM/NAME for what is inside";
        let (name, pointer) = text.split_once('=').ok_or(INSTEAD)?;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let pointer = pointer.strip_prefix('/').ok_or(INSTEAD)?;
        if name.is_empty() || !name.bytes().all(is_name) || pointer.is_empty() {
            return Err(INSTEAD.to_owned());
        }
        let name = HeaderName::try_from(format!("x-auth-claim-{name}"));
        // RFC 6901 §4.
        let names = pointer
            .split('/')
            .map(|name| name.replace("~1", "/").replace("~0", "~"));
        Ok(Self {
            name: name.map_err(|_| INSTEAD)?,
            pointer: names.collect(),
        })
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
