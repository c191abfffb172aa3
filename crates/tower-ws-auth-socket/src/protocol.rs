//! How each family of clients is told why it was refused or ended.

pub(crate) mod close_codes;

pub use self::close_codes::ClientProtocol;
