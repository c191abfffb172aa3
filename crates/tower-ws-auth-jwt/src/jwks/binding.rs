//! Fetched keys that belong to an issuer verify the tokens of that issuer alone, also where the
//! rules allow others for other keys.

use crate::rules::Rules;
use crate::{ConfigError, KeySource};

impl Rules {
    /// Agrees with the issuer that the keys belong to.
    pub(crate) fn bind(&mut self, keys: &KeySource) -> Result<(), ConfigError> {
        let Some(issuer) = issuer_of(keys) else {
            return Ok(());
        };
        if !self.issuers.is_empty() && !self.issuers.iter().any(|known| known == issuer) {
            return Err(ConfigError::ForeignKeys(issuer.to_owned()));
        }
        if keys.is_fetched_only() {
            self.issuers = vec![issuer.to_owned()];
        }
        Ok(())
    }

    /// The rules for a token that a fetched key verified, where they are others.
    pub(crate) fn of_fetched(&self, keys: &KeySource) -> Option<Self> {
        let issuer = issuer_of(keys)?;
        let mut rules = self.clone();
        rules.issuers = vec![issuer.to_owned()];
        Some(rules)
    }
}

fn issuer_of(keys: &KeySource) -> Option<&str> {
    keys.fetched()?.issuer()
}
