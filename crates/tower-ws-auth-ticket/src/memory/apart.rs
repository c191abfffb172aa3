use std::ops::Deref;

/// Data on cache lines of its own. A core that writes takes the whole line from the others, so
/// nothing else that a handshake uses may be on the line of what each handshake writes.
///
/// 128 bytes are two lines of most processors, which fetch them in pairs, and one line of others.
#[repr(align(128))]
pub(super) struct Apart<T>(pub(super) T);

impl<T> Deref for Apart<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
