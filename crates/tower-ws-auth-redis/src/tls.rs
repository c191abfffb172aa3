//! `redis` asks rustls for the process's cryptography provider. rustls panics if a build has none
//! or two of them, inside a request, when the connection is made.

/// Installs `ring`, unless the application has already chosen a provider.
pub(crate) fn choose_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // It fails if another thread was faster, and then there is a provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
