use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// The name of a key. One that takes a digest is written when somebody reads it: most grants are
/// never asked for their keys.
#[derive(Clone)]
pub(super) enum Name {
    Written(Arc<str>),
    Later(Arc<Later>),
}

pub(super) struct Later {
    /// May be a secret: nothing prints it.
    from: Arc<str>,
    write: fn(&str) -> String,
    written: OnceLock<Arc<str>>,
}

impl Name {
    pub(super) fn later(from: Arc<str>, write: fn(&str) -> String) -> Self {
        let written = OnceLock::new();
        Self::Later(Arc::new(Later {
            from,
            write,
            written,
        }))
    }
}

impl Deref for Name {
    type Target = Arc<str>;

    fn deref(&self) -> &Arc<str> {
        match self {
            Self::Written(name) => name,
            Self::Later(later) => later
                .written
                .get_or_init(|| (later.write)(&later.from).into()),
        }
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}
