use crate::redact::RedactError;

/// Where query keys are redacted.
#[derive(Clone, Debug)]
pub(super) enum Path {
    Exact(String),
    /// With the final slash.
    Below(String),
}

impl Path {
    pub(super) fn new(path: String) -> Result<Self, RedactError> {
        let (plain, below) = match path.strip_suffix('*') {
            Some(plain) => (plain, true),
            None => (path.as_str(), false),
        };
        if let Some(at) = parameter(plain) {
            let instead = format!("{}*", &path[..at]);
            return Err(RedactError::Parameter { path, instead });
        }
        let sendable = |b: u8| b.is_ascii_graphic() && !b"?#*{}\\\"<>^`|".contains(&b);
        let is_path = plain.starts_with('/') && plain.bytes().all(sendable);
        if !is_path || below && !plain.ends_with('/') {
            return Err(RedactError::Path(path));
        }
        let plain = plain.to_owned();
        Ok(if below {
            Self::Below(plain)
        } else {
            Self::Exact(plain)
        })
    }

    pub(super) fn is(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => path == exact,
            Self::Below(prefix) => path.starts_with(prefix.as_str()),
        }
    }
}

/// The beginning of a segment that a router would read as a parameter: `:room`, `{room}`, `*rest`
/// or, in the middle, `*`.
fn parameter(path: &str) -> Option<usize> {
    let is_name = |name: &str| {
        let mut bytes = name.bytes();
        bytes
            .next()
            .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
            && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let is_parameter = |segment: &str| {
        let braced = segment.contains('{') && segment.contains('}');
        let named = segment.strip_prefix([':', '*']).is_some_and(is_name);
        braced || named || segment == "*"
    };
    let mut at = 0;
    for segment in path.split('/') {
        if is_parameter(segment) && at > 0 && path.starts_with('/') {
            return Some(at);
        }
        at += segment.len() + 1;
    }
    None
}
