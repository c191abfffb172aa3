use tower_ws_auth_core::credential::CarriersError;

use crate::Algorithm;

/// Why a key, or a set of keys, cannot be used. It says what to do and never shows the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is no key at all.
    #[error("there is no key: add one with `Keys::with`")]
    NoKey,
    /// A shared secret for an algorithm that takes none.
    #[error("{0} takes no shared secret: make the key with `from_pem`, `from_der` or `from_jwk`")]
    NotHmac(Algorithm),
    /// A key pair for an algorithm that takes a shared secret.
    #[error("{0} takes a shared secret: make the key with `hmac`")]
    Hmac(Algorithm),
    /// An HMAC secret without a single byte.
    #[error("the HMAC secret is empty: is the variable set that it comes from?")]
    EmptySecret,
    /// An HMAC secret that is easier to guess than the hash (RFC 7518 §3.2).
    #[error(
        "the HMAC secret has {length} bytes and {algorithm} wants {least}: take a random one of that \
         length, or accept the risk with `dangerous_short_hmac`"
    )]
    ShortSecret {
        /// The algorithm.
        algorithm: Algorithm,
        /// The secret's length in bytes.
        length: usize,
        /// The least length in bytes.
        least: usize,
    },
    /// A PEM file where a secret should be, which as a rule everybody knows.
    #[error("the HMAC secret is a PEM file: load it with `from_pem` and its own algorithm")]
    SecretIsPem,
    /// No cryptography for this algorithm is compiled in.
    #[error(
        "{0} needs the feature {features} of tower-ws-auth-jwt: turn it on, or let the issuer sign with \
         another algorithm", features = features(*.0)
    )]
    NoBackend(Algorithm),
    /// Text that is not one usable PEM block.
    #[error("the PEM text cannot be used: {0}")]
    Pem(&'static str),
    /// Bytes that are not the DER of a key.
    #[error("the DER bytes cannot be used: {0}")]
    Der(&'static str),
    /// A JWK that is malformed, contradicts itself or is not meant for verifying.
    #[error("the JWK cannot be used: {0}")]
    Jwk(&'static str),
    /// A JWK for something else than the signatures that are verified here, such as encryption.
    #[error("the JWK is for something else: {0}")]
    Foreign(&'static str),
    /// A key of another kind than the algorithm takes.
    #[error("{algorithm} does not go with {found}: name the key's own algorithm")]
    WrongKind {
        /// The algorithm.
        algorithm: Algorithm,
        /// What the key is.
        found: &'static str,
    },
    /// An RSA key that does not protect anything.
    #[error("the RSA key cannot be used: {0}")]
    Rsa(&'static str),
    /// The cryptography refuses the key, for instance for a point off its curve.
    #[error("the bytes of the key for {0} are not a valid key: was it copied completely?")]
    Invalid(Algorithm),
    /// More keys of one name and algorithm than a token is tried with.
    #[error("more than four keys for one algorithm have the kid {0:?}: give each its own")]
    DuplicateKid(String),
    /// A name that is longer than the 256 bytes that a token may use.
    #[error("a kid has more than 256 bytes: choose a shorter one")]
    LongKid,
    /// More keys without a name than a token is tried with.
    #[error("there are more than 8 keys without a kid: name them with `Keys::with_kid`")]
    TooManyUnnamed,
}

/// The features that bring the cryptography of an algorithm.
fn features(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::ES512 => "`aws-lc-rs`",
        _ => "`aws-lc-rs` or `rust-crypto`",
    }
}

/// Why [`JwtBuilder::build`](crate::JwtBuilder::build) failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The carriers cannot be used.
    #[error(transparent)]
    Carriers(#[from] CarriersError),
    /// An empty list, or an empty text, where one was announced.
    #[error(
        "`{0}` was given nothing or an empty text: leave the call out if the rule is not wanted"
    )]
    Empty(&'static str),
    /// A leeway beyond a minute.
    #[error(
        "the leeway is longer than 60 s: set the clocks, or accept the risk with `dangerous_long_leeway`"
    )]
    Leeway,
    /// A lifetime that no token can have.
    #[error("`max_lifetime` is zero, which would refuse every token: choose a longer one")]
    MaxLifetime,
    /// Keys that belong to one issuer, and rules that demand another.
    #[cfg(feature = "jwks")]
    #[error(
        "the fetched keys belong to the issuer {0:?}, which `issuer` does not allow: name it there"
    )]
    ForeignKeys(String),
    /// A place that cannot name a user.
    #[error(
        "{0:?} names no claim that can hold a user: write a JSON Pointer such as `/sub`, `/user_id` or \
         `/extend/id`"
    )]
    UserClaim(String),
    /// Of several issuers, one that cannot be told from the others.
    #[error("{0}")]
    Issuers(&'static str),
    /// Two settings of which one undoes the other.
    #[error("`{0}` and `{1}` contradict each other: leave one of them out")]
    Conflict(&'static str, &'static str),
    /// A single-use token whose use would be forgotten before the token ends.
    #[cfg(feature = "single-use")]
    #[error(
        "a used token must be remembered until it ends: set `max_lifetime`, and give the store a \
         `max_ttl` of at least that plus twice the leeway"
    )]
    ForgetfulStore,
}
