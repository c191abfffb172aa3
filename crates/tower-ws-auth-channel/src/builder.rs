use std::borrow::Cow;
use std::fmt;

use crate::pattern::Pattern;
use crate::patterns::{Effect, Placeholder, Rule};
use crate::{Patterns, Policy};

/// Configures [`Patterns`]. Finish with [`build`](Self::build).
#[must_use]
pub struct PatternsBuilder<I, M> {
    placeholders: Vec<Placeholder<I>>,
    rules: Vec<(String, Effect<I, M>)>,
}

impl<I, M> PatternsBuilder<I, M> {
    pub(crate) fn new() -> Self {
        Self {
            placeholders: Vec::new(),
            rules: Vec::new(),
        }
    }

    /// Registers a placeholder with the source of its value. `user` is written `{user}`.
    pub fn placeholder(
        mut self,
        name: impl Into<String>,
        value: impl Fn(&I) -> Cow<'_, str> + Send + Sync + 'static,
    ) -> Self {
        let (name, value) = (name.into(), Box::new(value));
        self.placeholders.push(Placeholder { name, value });
        self
    }

    /// Everybody may join a matching channel.
    pub fn allow(self, pattern: impl Into<String>) -> Self {
        self.with(pattern, Effect::Allow)
    }

    /// Nobody may join a matching channel, unless an earlier rule admitted the join.
    pub fn deny(self, pattern: impl Into<String>) -> Self {
        self.with(pattern, Effect::Deny)
    }

    /// Another policy decides about a matching channel.
    pub fn rule<P>(self, pattern: impl Into<String>, policy: P) -> Self
    where
        P: Policy<I, M> + Send + Sync + 'static,
        P::Future: Send + 'static,
    {
        self.with(pattern, Effect::Ask(Box::new(policy)))
    }

    fn with(mut self, pattern: impl Into<String>, effect: Effect<I, M>) -> Self {
        self.rules.push((pattern.into(), effect));
        self
    }

    /// Checks the rules.
    ///
    /// # Errors
    ///
    /// No rule at all, a malformed pattern, a placeholder registered twice, a rule that is never
    /// reached, or an `allow` that admits others to the channels of an earlier placeholder rule.
    pub fn build(self) -> Result<Patterns<I, M>, ConfigError> {
        let Self {
            placeholders,
            rules,
        } = self;
        for (at, one) in placeholders.iter().enumerate() {
            if placeholders.iter().take(at).any(|p| p.name == one.name) {
                return Err(ConfigError::Placeholder(one.name.clone()));
            }
        }
        if rules.is_empty() {
            return Err(ConfigError::NoRules);
        }
        let index_of = |name: &str| placeholders.iter().position(|p| p.name == name);
        let mut checked: Vec<Rule<I, M>> = Vec::with_capacity(rules.len());
        for (text, effect) in rules {
            let pattern = match Pattern::parse(&text, index_of) {
                Ok(pattern) => pattern,
                Err(why) => return Err(ConfigError::Malformed { pattern: text, why }),
            };
            if let Some(by) = checked.iter().find(|rule| rule.pattern.covers(&pattern)) {
                let by = by.text.clone();
                return Err(ConfigError::Unreachable { pattern: text, by });
            }
            checked.push(Rule {
                text,
                pattern,
                effect,
            });
        }
        check_doors(&checked)?;
        keep_users_apart(&mut checked);
        Ok(Patterns {
            placeholders,
            rules: checked,
        })
    }
}

/// `private-{user}` does not match for another user, whose join goes on to the next rules. Those
/// must not admit that user.
fn check_doors<I, M>(rules: &[Rule<I, M>]) -> Result<(), ConfigError> {
    for (at, rule) in rules.iter().enumerate() {
        // One of these decides about each user whose values match all of its placeholders.
        let mut before = vec![&rule.pattern];
        let later = rules.iter().skip(at + 1);
        for next in later.filter(|later| later.pattern.covers(&rule.pattern)) {
            let mut deciding = before.iter();
            let is_reached = !deciding.any(|one| next.pattern.has_placeholders_of(one));
            if is_reached && matches!(next.effect, Effect::Allow) {
                return Err(ConfigError::Opened {
                    pattern: rule.text.clone(),
                    by: next.text.clone(),
                });
            }
            before.push(&next.pattern);
        }
    }
    Ok(())
}

/// `user-{user}-*` admits `ada` to the name that `user-{user}` has for `ada-b`. No name is for both.
/// The user `admin` does not pass by `private-{user}` where `private-admin` has a rule of its own.
fn keep_users_apart<I, M>(rules: &mut [Rule<I, M>]) {
    let admits = |rule: &Rule<I, M>| !matches!(rule.effect, Effect::Deny);
    for at in 0..rules.len() {
        let (before, rest) = rules.split_at_mut(at);
        let Some((rule, after)) = rest.split_first_mut() else {
            return;
        };
        if !admits(rule) || !rule.pattern.has_placeholder() {
            continue;
        }
        let others = before.iter().chain(&*after);
        for other in others.filter(|other| admits(other)) {
            rule.pattern.keep_apart_from(&other.pattern);
        }
    }
}

/// Why [`PatternsBuilder::build`] failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no rule, so nobody could join anything.
    #[error("there is no rule: add one with `allow` or `rule`")]
    NoRules,
    /// A pattern that cannot be read.
    #[error("the pattern {pattern:?} cannot be used: {why}")]
    Malformed {
        /// The pattern.
        pattern: String,
        /// The fault of the pattern.
        why: &'static str,
    },
    /// A placeholder that is registered twice.
    #[error("the placeholder {0:?} is registered twice")]
    Placeholder(String),
    /// A rule behind one that matches all of its channels.
    #[error("the rule {pattern:?} is never reached: {by:?} before it matches all of its channels")]
    Unreachable {
        /// The pattern of the rule.
        pattern: String,
        /// The pattern of the rule before it.
        by: String,
    },
    /// A rule that admits others to channels that another rule keeps for some users.
    #[error(
        "{by:?} admits others to channels that {pattern:?} keeps for some: put a `deny` with a `*` \
         between them"
    )]
    Opened {
        /// The pattern with the placeholder.
        pattern: String,
        /// The pattern of the later rule.
        by: String,
    },
}

impl<I, M> fmt::Debug for PatternsBuilder<I, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.rules.iter().map(|(text, _)| text);
        f.debug_list().entries(rules).finish()
    }
}
