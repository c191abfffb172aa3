//! Keys as DER, as PEM and as a JWK, of every algorithm. Each is read in one way only, and a public
//! key never becomes a secret.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use tower_ws_auth::jwt::{Algorithm, Key, KeyError, SigningKey};

const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::HS256,
    Algorithm::RS256,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::ES512,
    Algorithm::EdDSA,
];

/// A key is valid, apart from the cryptography that is not compiled in here.
fn is_read<T>(key: &Result<T, KeyError>) -> bool {
    matches!(key, Ok(_) | Err(KeyError::NoBackend(_)))
}

fuzz_target!(|input: &[u8]| {
    let text = STANDARD.encode(input);
    let block = |label: &str| format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n");
    let (mut public, mut private) = (0, 0);
    for algorithm in ALGORITHMS {
        let der = is_read(&Key::from_der(algorithm, input));
        let labels = ["PUBLIC KEY", "RSA PUBLIC KEY"].map(block);
        let pem = labels.map(|pem| is_read(&Key::from_pem(algorithm, pem)));
        assert_eq!(der, pem.contains(&true), "{algorithm}");
        public += usize::from(der);

        let der = is_read(&SigningKey::from_der(algorithm, input));
        let labels = ["PRIVATE KEY", "RSA PRIVATE KEY"].map(block);
        let pem = labels.map(|pem| is_read(&SigningKey::from_pem(algorithm, pem)));
        assert_eq!(der, pem.contains(&true), "{algorithm}");
        private += usize::from(der);

        assert!(!(algorithm == Algorithm::HS256 && public + private > 0));
        // The label of a PEM block may be unknown.
        let _ = Key::from_pem(algorithm, input);
        let _ = SigningKey::from_pem(algorithm, input);
    }
    // Bytes are a key of one kind, for one of these algorithms.
    assert!(public <= 1 && private <= 1 && public + private <= 1);
    if let Ok(json) = str::from_utf8(input) {
        let key = Key::from_jwk(json);
        for algorithm in ALGORITHMS {
            let named = Key::from_jwk_with(algorithm, json);
            let (Ok(key), Ok(named)) = (&key, &named) else {
                continue;
            };
            assert_eq!(key.algorithm(), named.algorithm());
            assert_eq!(key.kid(), named.kid());
        }
    }
});
