use std::error::Error;
use std::fmt::{Debug, Display, Write as _};

/// The printed forms of values, which must contain no secret.
#[derive(Debug, Default)]
pub struct Printed(String);

impl Printed {
    /// Both forms of `Debug`.
    pub fn debug(&mut self, value: &dyn Debug) -> &mut Self {
        write!(self.0, "{value:?}\n{value:#?}\n").unwrap();
        self
    }

    /// `Display`.
    pub fn display(&mut self, value: &dyn Display) -> &mut Self {
        writeln!(self.0, "{value}").unwrap();
        self
    }

    /// An error, and its sources.
    pub fn error(&mut self, error: &dyn Error) -> &mut Self {
        self.debug(&error).display(&error);
        match error.source() {
            Some(source) => self.error(source),
            None => self,
        }
    }

    /// Asserts that none of the secrets is in it, as text or as a list of bytes.
    ///
    /// # Panics
    ///
    /// A secret is in it, or nothing was printed.
    #[track_caller]
    pub fn holds_none_of(&self, secrets: &[&str]) {
        assert!(self.0.len() > 100, "nothing was printed: {}", self.0);
        for secret in secrets {
            assert!(!self.0.contains(secret), "{secret} in\n{}", self.0);
            let bytes = &secret.as_bytes()[..secret.len().min(8)];
            let list = format!("{bytes:?}");
            let list = list.trim_matches(['[', ']']);
            assert!(!self.0.contains(list), "{list} in\n{}", self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TALK: &str = "words of which there are enough that something has been printed, as is to be \
        expected of a type";

    fn found(value: &dyn Debug) -> bool {
        let mut printed = Printed::default();
        printed.display(&TALK).debug(value);
        std::panic::catch_unwind(|| printed.holds_none_of(&["canary-canary"])).is_err()
    }

    #[test]
    fn a_secret_is_found_as_text_and_as_bytes() {
        assert!(found(&"a canary-canary"));
        assert!(found(&b"a canary-canary"));
        assert!(!found(&"a canary"));
    }

    #[test]
    #[should_panic(expected = "nothing was printed")]
    fn nothing_proves_nothing() {
        Printed::default().display(&"a").holds_none_of(&["b"]);
    }
}
