//! `redis` asks rustls for the process's cryptography, and rustls panics where there is none or
//! where a build holds two of them: inside a request, when the connection is made.

/// Chooses `ring`, unless the application has chosen before.
pub(crate) fn choose_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // It fails if somebody else was quicker, and then there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
