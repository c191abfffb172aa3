//! The words: phrases that readers stumble over, and words that the field does not use. CONTRIBUTING
//! has the rules.

use std::fs;
use std::process::Command;

use crate::run::output;
use crate::steps::{Session, Stop};

/// In any text: documents, comments and messages.
const RIDDLES: &[&str] = &[
    "that is none",
    "that are none",
    "to be had",
    "whoever",
    "whosoever",
    "told farewell",
    "what others have",
    "he who",
];

/// Words that have another name here. In Rust files they are looked for in code too.
const OLD_WORDS: &[(&str, &str)] = &[
    ("farewell", "closing handshake"),
    ("tether", "upgrade guard"),
    ("cutter", "close handle"),
    ("palette", "client protocol, close codes"),
];

/// Where a word is part of what is quoted: the rules themselves, and the option of the example.
const QUOTES: &[&str] = &[
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "crates/xtask/src/prose.rs",
];

pub(crate) fn check(_: &Session) -> Result<(), Stop> {
    let files = output(Command::new("git").args(["ls-files", "*.md", "*.rs", "*.toml", "*.yml"]))?;
    let mut found = Vec::new();
    for file in files
        .lines()
        .filter(|file| !QUOTES.iter().any(|quote| file.ends_with(quote)))
    {
        // A file that was removed and is still tracked.
        let Ok(text) = fs::read_to_string(file) else {
            continue;
        };
        for (index, line) in text.lines().enumerate() {
            if let Some(complaint) = complaint(line) {
                found.push(format!("{file}:{}: {complaint}", index + 1));
            }
        }
    }
    if found.is_empty() {
        Ok(())
    } else {
        Err(Stop::Failed(found.join("\n")))
    }
}

fn complaint(line: &str) -> Option<String> {
    // The option of the example keeps its name.
    let mut line = line.to_lowercase();
    for option in ["--palette", "\"palette\"", "chat_palette"] {
        line = line.replace(option, "");
    }
    if let Some(riddle) = RIDDLES.iter().find(|riddle| has(&line, riddle)) {
        return Some(format!(
            "\"{riddle}\": say it plainly (CONTRIBUTING.md, How we write)"
        ));
    }
    let (old, new) = OLD_WORDS.iter().find(|(old, _)| line.contains(old))?;
    Some(format!("\"{old}\" is called \"{new}\" here"))
}

/// As words of their own.
fn has(line: &str, phrase: &str) -> bool {
    line.match_indices(phrase).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + phrase.len()..].chars().next();
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_riddle_and_an_old_word_are_named() {
        for wrong in [
            "/// An answer that is none.",
            "Whoever holds it may pass.",
            "let farewell = 1;",
        ] {
            assert!(complaint(wrong).is_some(), "{wrong}");
        }
        for right in ["/// No answer.", "howsoever", "the option `--palette`"] {
            assert_eq!(complaint(right), None);
        }
    }
}
