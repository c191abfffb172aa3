//! How often the decision asks for memory.

#[cfg(test)]
mod tests {
    use allocation_counter::measure;
    use serde::{Deserialize, Serialize};
    use tower_ws_auth_core::Clock;
    use tower_ws_auth_jwt::{Jwt, JwtEncoder, Key, SigningKey};

    #[derive(Clone, Serialize, Deserialize)]
    struct Claims {
        sub: String,
        name: String,
        role: String,
        room: String,
        iss: String,
        exp: u64,
    }

    #[derive(Clone, Deserialize)]
    #[allow(dead_code)]
    struct FourStrings {
        sub: String,
        name: String,
        role: String,
        room: String,
    }

    fn token(exp: u64) -> String {
        let encoder = JwtEncoder::new(
            SigningKey::hs256([1; 32])
                .unwrap()
                .with_kid("2025-01")
                .unwrap(),
        );
        encoder
            .encode(&Claims {
                sub: "user-42".into(),
                name: "Ada Lovelace".into(),
                role: "admin".into(),
                room: "lobby".into(),
                iss: "https://issuer.example".into(),
                exp,
            })
            .unwrap()
    }

    fn jwt() -> Jwt<FourStrings> {
        Jwt::builder(Key::hs256([1; 32]).unwrap())
            .issuer("https://issuer.example")
            .clock(Clock::fixed(1_700_000_000))
            .build()
            .unwrap()
    }

    fn allocations(token: &str, expected: &str) -> u64 {
        let jwt = jwt();
        let mut verdict = "accepted";
        let info = measure(|| {
            if let Err(rejection) = jwt.verify_token(token) {
                verdict = rejection.token();
            }
        });
        assert_eq!(verdict, expected);
        info.count_total
    }

    #[test]
    fn a_bad_signature_costs_none() {
        let mut forged = token(1_700_000_060);
        forged.replace_range(forged.len() - 9..forged.len() - 6, "AAA");
        assert_eq!(allocations(&forged, "token_invalid"), 0);
    }

    #[test]
    fn neither_does_an_expired_token() {
        assert_eq!(allocations(&token(1_600_000_000), "token_expired"), 0);
    }

    #[test]
    fn nor_one_that_is_too_long_or_in_pieces() {
        assert_eq!(allocations(&"a.".repeat(30_000), "token_invalid"), 0);
        assert_eq!(allocations("a.b", "token_invalid"), 0);
    }

    #[test]
    fn an_accepted_one_costs_what_its_claims_own() {
        assert_eq!(allocations(&token(1_700_000_060), "accepted"), 4);
    }
}
