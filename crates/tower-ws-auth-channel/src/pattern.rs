use std::borrow::Cow;

/// A parsed pattern. See [`Patterns`](crate::Patterns) for its rules.
pub(crate) struct Pattern {
    parts: Vec<Part>,
    /// One for each part.
    fences: Vec<Fence>,
    /// Ends with `*`.
    open: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// The index among the registered placeholders.
    Placeholder(usize),
}

impl Part {
    fn is_placeholder(&self) -> bool {
        matches!(self, Self::Placeholder(_))
    }
}

/// What a placeholder's value must not have: it would match another value's names, by this rule or
/// another one.
struct Fence {
    /// Each follows the placeholder in a rule.
    separators: Vec<char>,
    /// The literals of other rules in the placeholder's place, each before a placeholder or a `*`.
    literals: Vec<String>,
    /// The same, each at the end of its rule.
    names: Vec<String>,
    /// What ends the names of other rules behind the placeholder.
    tails: Vec<String>,
}

impl Fence {
    fn refuses(&self, value: &str, rest: &str) -> bool {
        let begins = |literal: &String| rest.starts_with(literal.as_str());
        let ends = |tail: &String| {
            let separator = tail.chars().next();
            rest.ends_with(tail.as_str()) && separator.is_some_and(|it| value.contains(it))
        };
        value.contains(self.separators.as_slice())
            || self.literals.iter().any(begins)
            || self.names.iter().any(|name| rest == name)
            || self.tails.iter().any(ends)
    }
}

impl Pattern {
    /// `index_of` finds a registered placeholder.
    pub(crate) fn parse(
        text: &str,
        index_of: impl Fn(&str) -> Option<usize>,
    ) -> Result<Self, &'static str> {
        let (mut rest, open) = match text.strip_suffix('*') {
            Some(prefix) => (prefix, true),
            None => (text, false),
        };
        if text.is_empty() {
            return Err("it is empty");
        }
        let mut parts = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('{') {
                let (name, after) = after.split_once('}').ok_or("a `{` is not closed")?;
                let index = index_of(name).ok_or("it has a placeholder that is not registered")?;
                // The end of the value would be ambiguous: `{a}*` would admit `ada` to channels of
                // `adam`.
                if matches!(parts.last(), Some(Part::Placeholder(_))) {
                    return Err("two placeholders follow each other");
                }
                parts.push(Part::Placeholder(index));
                rest = after;
            } else {
                let end = rest.find('{').unwrap_or(rest.len());
                let (literal, after) = rest.split_at(end);
                if literal.contains('*') {
                    return Err("a `*` is only possible at the end");
                }
                if literal.contains('}') {
                    return Err("a `}` has no `{`");
                }
                parts.push(Part::Literal(literal.to_owned()));
                rest = after;
            }
        }
        if open && matches!(parts.last(), Some(Part::Placeholder(_))) {
            return Err("a `*` follows a placeholder: put a separator between them");
        }
        let fences = (0..parts.len()).map(|at| Fence {
            separators: separator_behind(&parts, at).into_iter().collect(),
            literals: Vec::new(),
            names: Vec::new(),
            tails: Vec::new(),
        });
        Ok(Self {
            fences: fences.collect(),
            parts,
            open,
        })
    }

    /// Lets no value match a name that `other` has for another value, or for any. The shorter value
    /// wins, and a literal before a value.
    pub(crate) fn keep_apart_from(&mut self, other: &Self) {
        let alike = |pair: &(&Part, &Part)| match pair {
            (Part::Literal(one), Part::Literal(other)) => one == other,
            (Part::Placeholder(_), Part::Placeholder(_)) => true,
            _ => false,
        };
        let pairs = self.parts.iter().zip(&other.parts);
        let shared = pairs.take_while(alike).count();
        for (at, fence) in self.fences.iter_mut().enumerate().take(shared) {
            match other.parts.get(at + 1..) {
                // All names of that rule end alike, so values of other names are free.
                Some([Part::Literal(tail)]) if !other.open => fence.tails.push(tail.clone()),
                _ => fence.separators.extend(separator_behind(&other.parts, at)),
            }
        }
        let rest = other.parts.get(shared..).unwrap_or_default();
        let [Part::Literal(theirs), behind @ ..] = rest else {
            return;
        };
        let (at, literal) = match self.parts.get(shared) {
            Some(Part::Literal(own)) => (shared + 1, theirs.strip_prefix(own.as_str())),
            Some(Part::Placeholder(_)) => (shared, Some(theirs.as_str())),
            None => return,
        };
        if let (Some(fence), Some(literal)) = (self.fences.get_mut(at), literal) {
            let is_the_end = behind.is_empty() && !other.open;
            let literals = if is_the_end {
                &mut fence.names
            } else {
                &mut fence.literals
            };
            literals.push(literal.to_owned());
        }
    }

    /// Whether the channel's name matches, with `fill` for the placeholders.
    pub(crate) fn matches<'v>(
        &self,
        channel: &str,
        fill: impl Fn(usize) -> Option<Cow<'v, str>>,
    ) -> bool {
        self.rest(channel, fill)
            .is_some_and(|rest| rest.is_empty() != self.open)
    }

    /// The rest of the channel's name after the parts.
    fn rest<'c, 'v>(
        &self,
        channel: &'c str,
        fill: impl Fn(usize) -> Option<Cow<'v, str>>,
    ) -> Option<&'c str> {
        let mut rest = channel;
        for (part, fence) in self.parts.iter().zip(&self.fences) {
            rest = match part {
                Part::Literal(literal) => rest.strip_prefix(literal.as_str())?,
                Part::Placeholder(index) => {
                    let value = fill(*index).filter(|value| !value.is_empty())?;
                    if fence.refuses(&value, rest) {
                        return None;
                    }
                    rest.strip_prefix(&*value)?
                }
            };
        }
        Some(rest)
    }

    pub(crate) fn has_placeholder(&self) -> bool {
        self.parts.iter().any(Part::is_placeholder)
    }

    /// Whether it has each placeholder of `other`.
    pub(crate) fn has_placeholders_of(&self, other: &Self) -> bool {
        let mut theirs = other.parts.iter().filter(|part| part.is_placeholder());
        theirs.all(|part| self.parts.contains(part))
    }

    /// Whether everything that `other` can match also matches this, for the same values of the
    /// placeholders.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        if !self.open {
            return !other.open && self.parts == other.parts;
        }
        let Some((Part::Literal(prefix), parts)) = self.parts.split_last() else {
            // `*` alone. No placeholder stands before a `*`.
            return self.parts.is_empty();
        };
        let Some([Part::Literal(begins), behind @ ..]) = other.parts.strip_prefix(parts) else {
            return false;
        };
        // `*` needs at least one more character. A placeholder or a `*` of `other` brings one.
        let longer = begins.len() > prefix.len() || !behind.is_empty() || other.open;
        longer && begins.starts_with(prefix.as_str())
    }
}

/// The first character of the literal behind a part.
fn separator_behind(parts: &[Part], at: usize) -> Option<char> {
    match parts.get(at + 1) {
        Some(Part::Literal(next)) => next.chars().next(),
        Some(Part::Placeholder(_)) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text, |name| {
            ["user", "tenant"].iter().position(|known| *known == name)
        })
        .unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    fn matches(text: &str, user: &str, channel: &str) -> bool {
        pattern(text).matches(channel, |index| {
            Some(Cow::Borrowed(if index == 0 { user } else { "acme" }))
        })
    }

    #[test]
    fn a_literal_matches_itself_alone() {
        assert!(matches("lobby", "ada", "lobby"));
        for other in ["", "lobb", "lobby2", "Lobby", "lobby ", "xlobby"] {
            assert!(!matches("lobby", "ada", other), "{other}");
        }
    }

    #[test]
    fn a_star_stands_for_at_least_one_character_at_the_end() {
        for good in ["room-1", "room-x-y", "room-*", "room-{user}", "room-é"] {
            assert!(matches("room-*", "ada", good), "{good}");
        }
        for other in ["room-", "room", "Room-1", "xroom-1"] {
            assert!(!matches("room-*", "ada", other), "{other}");
        }
        assert!(matches("*", "ada", "anything"));
        assert!(!matches("*", "ada", ""));
    }

    #[test]
    fn a_placeholder_stands_for_its_whole_value() {
        assert!(matches("private-{user}", "ada", "private-ada"));
        assert!(matches("private-{user}", "ada-x", "private-ada-x"));
        for other in [
            "private-",
            "private-ad",
            "private-adam",
            "private-ada-",
            "private-ada-x",
            "private-eve",
            "private-{user}",
            "private-ADA",
            "private-xada",
        ] {
            assert!(!matches("private-{user}", "ada", other), "{other}");
        }
    }

    #[test]
    fn an_empty_value_never_matches() {
        for channel in ["private-", "private-x", "private-{user}"] {
            assert!(!matches("private-{user}", "", channel), "{channel}");
        }
        assert!(!pattern("private-{user}").matches("private-", |_| None));
    }

    #[test]
    fn a_value_is_data_and_no_pattern() {
        for user in ["*", "{user}", "a*", "{tenant}", "}"] {
            assert!(matches("private-{user}", user, &format!("private-{user}")));
            assert!(!matches("private-{user}", user, "private-ada"), "{user}");
            assert!(!matches("private-{user}", user, "private-acme"), "{user}");
        }
    }

    #[test]
    fn a_value_ends_where_the_separator_begins() {
        assert!(matches("user-{user}-inbox", "ada", "user-ada-inbox"));
        assert!(matches("user-{user}-*", "ada", "user-ada-b-c"));
        assert!(!matches("user-{user}-*", "ada", "user-ada-"));
        assert!(!matches("user-{user}-*", "ad", "user-ada-b"));
        // `ada-b` and `ada` would share names, so `ada-b` has none here.
        assert!(!matches("user-{user}-*", "ada-b", "user-ada-b-c"));
        assert!(matches("{tenant}.{user}", "a.b", "acme.a.b"));
        assert!(!matches("{user}.{tenant}", "a.b", "a.b.acme"));
    }

    #[test]
    fn malformed_patterns_are_named() {
        let why = |text| Pattern::parse(text, |name| (name == "user").then_some(0)).err();
        for text in [
            "",
            "**",
            "a*b",
            "*a",
            "a{user",
            "a}b",
            "{}",
            "{ user}",
            "{User}",
            "{eve}",
            "{user}*",
            "{user}{user}",
            "a{us{er}}",
            "{user}}",
            "a*{user}",
        ] {
            assert!(why(text).is_some(), "{text}");
        }
        for text in [
            "a",
            "*",
            "a*",
            "{user}",
            "a{user}b",
            "{user}-{user}",
            "{user}-*",
        ] {
            assert_eq!(why(text), None, "{text}");
        }
    }

    #[test]
    fn a_star_covers_longer_names_with_its_prefix() {
        for (wide, narrow) in [
            ("*", "lobby"),
            ("*", "{user}"),
            ("*", "*"),
            ("room-*", "room-1"),
            ("room-*", "room-*"),
            ("room-*", "room-{user}"),
            ("room-*", "room-x-*"),
            ("lobby", "lobby"),
            ("a-{user}", "a-{user}"),
            ("a-*", "a-{user}-b"),
            ("{tenant}.*", "{tenant}.private-{user}"),
            ("{tenant}.p*", "{tenant}.private-*"),
            ("{tenant}.{user}.*", "{tenant}.{user}.inbox"),
        ] {
            assert!(pattern(wide).covers(&pattern(narrow)), "{wide} {narrow}");
        }
        for (wide, narrow) in [
            ("room-*", "room-"),
            ("room-*", "room"),
            ("room-x-*", "room-*"),
            ("lobby", "*"),
            ("room-*", "{user}"),
            ("a-{user}", "a-*"),
            ("a-{user}", "a-{tenant}"),
            ("a-{user}", "a-ada"),
            ("room-*", "*"),
            ("{tenant}.*", "{tenant}."),
            ("{tenant}.*", "{tenant}"),
            ("{tenant}.*", "*"),
            ("{tenant}.*", "acme.x"),
            ("{tenant}.*", "{user}.x"),
            ("{tenant}.x*", "{tenant}.{user}"),
        ] {
            assert!(!pattern(wide).covers(&pattern(narrow)), "{wide} {narrow}");
        }
    }
}
