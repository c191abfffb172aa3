//! Logout at the identity provider (`OpenID` Connect Back-Channel Logout 1.0).

mod answer;
mod builder;
mod logout_token;
mod security_event;
mod service;

pub use self::builder::BackchannelLogoutBuilder;
pub use self::logout_token::LogoutToken;
pub use self::service::{BackchannelLogout, LogoutFuture};
