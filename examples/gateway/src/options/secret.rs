use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

/// A secret, or the file that holds it: `@FILE`. No `Debug` prints it.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The secret itself.
    Text(String),
    /// A file that is read at the start, and again at SIGHUP. A URL of Redis is not read again.
    File(PathBuf),
}

impl Secret {
    /// The secret, without the line break at the end of its file.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or holds nothing. The text names the flag and the file.
    pub fn read(&self, flag: &str) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(path) => {
                let name = path.display();
                let text =
                    fs::read_to_string(path).map_err(|error| format!("{flag} @{name}: {error}"))?;
                let text = text.trim_end_matches(['\r', '\n']);
                if text.is_empty() {
                    return Err(format!("{flag} @{name}: the file is empty"));
                }
                Ok(text.to_owned())
            }
        }
    }
}

impl FromStr for Secret {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix('@') {
            None => Ok(Self::Text(text.to_owned())),
            Some("") => Err("no file is named: write @FILE".to_owned()),
            Some(path) => Ok(Self::File(path.into())),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("redacted")
    }
}
