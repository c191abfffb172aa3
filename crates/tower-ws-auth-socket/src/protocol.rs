//! How each family of clients is told why it was refused or ended.

pub(crate) mod codes;

pub use self::codes::Palette;
