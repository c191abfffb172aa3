use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::{KeyError, Keys};

/// Keys that are replaced while the server runs, such as an HMAC secret that is rotated.
///
/// Every clone is a handle on the same keys. Who verifies a token sees the set from before or
/// the one from after a replacement, never a mixture, and never waits.
///
/// ```
/// use tower_ws_auth_jwt::{Jwt, JwtEncoder, Key, Keys, RotatingKeys, SigningKey};
///
/// let (old, new) = ([1; 32], [2; 32]);
/// let keys = RotatingKeys::new(Key::hs256(old)?)?;
/// let jwt = Jwt::<serde_json::Value>::builder(keys.clone()).build()?;
/// let claims = serde_json::json!({ "exp": 2_000_000_000_u64 });
/// let token = JwtEncoder::new(SigningKey::hs256(old)?).encode(&claims)?;
/// assert!(jwt.verify_token(&token).is_ok());
///
/// // First both, so that tokens of the old one live out their time; then the new one alone.
/// keys.replace(Keys::new().with(Key::hs256(new)?).with(Key::hs256(old)?))?;
/// assert!(jwt.verify_token(&token).is_ok());
/// keys.replace(Key::hs256(new)?)?;
/// assert!(jwt.verify_token(&token).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RotatingKeys(Arc<ArcSwap<Keys>>);

impl RotatingKeys {
    /// Begins with these keys.
    ///
    /// # Errors
    ///
    /// As for [`Keys::check`].
    pub fn new(keys: impl Into<Keys>) -> Result<Self, KeyError> {
        let keys = keys.into();
        keys.check()?;
        Ok(Self(Arc::new(ArcSwap::from_pointee(keys))))
    }

    /// From now on these keys verify, and no others.
    ///
    /// # Errors
    ///
    /// As for [`Keys::check`]; the keys from before stay then.
    pub fn replace(&self, keys: impl Into<Keys>) -> Result<(), KeyError> {
        let keys = keys.into();
        keys.check()?;
        self.0.store(Arc::new(keys));
        Ok(())
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(&Keys) -> T) -> T {
        look(&self.0.load())
    }
}

impl fmt::Debug for RotatingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with(|keys| f.debug_tuple("RotatingKeys").field(keys).finish())
    }
}
