//! The issuers.

use serde_json::{Value, json};
use tower_ws_auth::jwt;

use super::{Issuer, Signs};
use crate::forge::NOW;

fn issuer(name: &'static str, signs: Signs, claims: Value) -> Issuer {
    Issuer {
        name,
        signs,
        kid: None,
        typ: Some("JWT"),
        claims,
        iss: None,
        aud: None,
        user: "/sub",
        name_of_user: "ada",
    }
}

pub(super) fn all() -> Vec<Issuer> {
    use Signs::{Ec, Ed, Rsa, Shared};
    use jwt::Algorithm::{HS256, HS512};

    const SIG: &str = r#","use":"sig","alg":"RS256""#;
    let exp = NOW + 600;
    let iat = NOW - 10;
    vec![
        issuer("Auth0", Rsa(r#","use":"sig","alg":"RS256","x5t":"AA","x5c":["AA=="]"#), json!({
            "iss": "https://tenant.auth0.com/", "sub": "auth0|5f7c", "azp": "spa", "scope": "openid",
            "aud": ["https://api.example", "https://tenant.auth0.com/userinfo"], "iat": iat, "exp": exp,
        })).kid("a0").demands("https://tenant.auth0.com/", "https://api.example").user("/sub", "auth0|5f7c"),
        issuer("Keycloak", Rsa(SIG), json!({
            "iss": "https://kc.example/realms/r", "aud": "account", "typ": "Bearer", "azp": "web",
            "sub": "f81d4fae", "preferred_username": "ada", "realm_access": { "roles": ["user"] },
            "iat": iat, "exp": exp, "auth_time": iat, "jti": "x",
        })).kid("kc").demands("https://kc.example/realms/r", "account").user("/preferred_username", "ada"),
        issuer("Cognito, id", Rsa(SIG), json!({
            "iss": "https://cognito-idp.eu-west-1.amazonaws.com/p", "aud": "client", "token_use": "id",
            "sub": "ada", "cognito:username": "ada", "iat": iat, "exp": exp, "auth_time": iat,
        })).kid("co").typ(None).demands("https://cognito-idp.eu-west-1.amazonaws.com/p", "client").user("/cognito:username", "ada"),
        issuer("Cognito, access", Rsa(SIG), json!({
            "iss": "https://cognito-idp.eu-west-1.amazonaws.com/p", "client_id": "client",
            "token_use": "access", "sub": "ada", "username": "ada", "iat": iat, "exp": exp,
        })).kid("co").typ(None).demands("https://cognito-idp.eu-west-1.amazonaws.com/p", ""),
        // Its keys name no algorithm.
        issuer("Entra v1", Rsa(r#","use":"sig","x5t":"en","x5c":["AA=="]"#), json!({
            "iss": "https://sts.windows.net/t/", "aud": "api://app", "ver": "1.0", "oid": "ada",
            "sub": "pair", "nbf": iat, "iat": iat, "exp": exp,
        })).kid("en").demands("https://sts.windows.net/t/", "api://app").user("/oid", "ada"),
        issuer("Entra v2", Rsa(r#","use":"sig","issuer":"https://login.microsoftonline.com/t/v2.0""#), json!({
            "iss": "https://login.microsoftonline.com/t/v2.0", "aud": "app", "ver": "2.0", "oid": "ada",
            "sub": "pair", "nbf": iat, "iat": iat, "exp": exp,
        })).kid("en").demands("https://login.microsoftonline.com/t/v2.0", "app").user("/oid", "ada"),
        issuer("Firebase", Rsa(SIG), json!({
            "iss": "https://securetoken.google.com/proj", "aud": "proj", "sub": "ada", "user_id": "ada",
            "firebase": { "sign_in_provider": "password" }, "auth_time": iat, "iat": iat, "exp": exp,
        })).kid("fb").demands("https://securetoken.google.com/proj", "proj").user("/user_id", "ada"),
        issuer("Okta", Rsa(SIG), json!({
            "ver": 1, "iss": "https://o.okta.com/oauth2/default", "aud": "api://default", "cid": "c",
            "uid": "00u1", "scp": ["openid"], "sub": "ada", "iat": iat, "exp": exp,
        })).kid("ok").typ(None).demands("https://o.okta.com/oauth2/default", "api://default").user("/uid", "00u1"),
        issuer("Apple", Rsa(SIG), json!({
            "iss": "https://appleid.apple.com", "aud": "com.example.app", "sub": "ada", "c_hash": "x",
            "email_verified": "true", "auth_time": iat, "nonce_supported": true, "iat": iat, "exp": exp,
        })).kid("ap").typ(None).demands("https://appleid.apple.com", "com.example.app"),
        issuer("Google", Rsa(SIG), json!({
            "iss": "https://accounts.google.com", "azp": "c", "aud": "c.apps.googleusercontent.com",
            "sub": "ada", "at_hash": "x", "iat": iat, "exp": exp,
        })).kid("go").demands("https://accounts.google.com", "c.apps.googleusercontent.com"),
        issuer("Supabase", Ec(r#","use":"sig","alg":"ES256","key_ops":["verify"],"ext":true"#), json!({
            "iss": "https://p.supabase.co/auth/v1", "aud": "authenticated", "role": "authenticated",
            "sub": "ada", "session_id": "s", "is_anonymous": false, "iat": iat, "exp": exp,
        })).kid("su").demands("https://p.supabase.co/auth/v1", "authenticated"),
        issuer("Clerk", Rsa(SIG), json!({
            "iss": "https://c.clerk.accounts.dev", "azp": "https://app.example", "sid": "s",
            "sub": "ada", "nbf": iat, "iat": iat, "exp": exp,
        })).kid("cl").demands("https://c.clerk.accounts.dev", ""),
        // Null members, an empty audience, and no `kid`.
        issuer("Hydra", Rsa(r#","use":"sig","alg":"RS256","key_ops":null"#), json!({
            "iss": "https://hydra.example/", "aud": [], "client_id": "c", "ext": {}, "scp": ["x"],
            "sub": "ada", "nbf": iat, "iat": iat, "exp": exp, "jti": "x",
        })).demands("https://hydra.example/", ""),
        issuer("ForgeRock", Ec(r#","alg":"ES256","use":"sig""#), json!({
            "iss": "https://am.example/oauth2", "aud": "app", "tokenName": "access_token", "realm": "/",
            "sub": "(usr!ada)", "subname": "ada", "nbf": iat, "iat": iat, "exp": exp, "expires_in": 600,
        })).kid("fr").demands("https://am.example/oauth2", "app").user("/subname", "ada"),
        issuer("Zitadel", Rsa(SIG), json!({
            "iss": "https://z.zitadel.cloud", "aud": ["c@p", "123"], "sub": "ada", "nbf": iat,
            "iat": iat, "exp": exp, "jti": "x",
        })).kid("zi").typ(Some("at+jwt")).demands("https://z.zitadel.cloud", "123"),
        issuer("Authentik", Rsa(SIG), json!({
            "iss": "https://ak.example/application/o/app/", "aud": "app", "sub": "hash", "acr": "x",
            "preferred_username": "ada", "groups": [], "iat": iat, "exp": exp, "auth_time": iat,
        })).kid("ak").demands("https://ak.example/application/o/app/", "app").user("/preferred_username", "ada"),
        issuer("Dex", Rsa(SIG), json!({
            "iss": "https://dex.example", "aud": "app", "sub": "ada", "at_hash": "x",
            "email": "ada@example.org", "email_verified": true, "iat": iat, "exp": exp,
        })).kid("dx").typ(None).demands("https://dex.example", "app").user("/email", "ada@example.org"),
        issuer("RFC 9864", Ed(r#","alg":"Ed25519","use":"sig""#), json!({
            "iss": "https://ed.example", "sub": "ada", "exp": exp,
        })).kid("ed").demands("https://ed.example", ""),
        issuer("tinywan/jwt of webman", Shared(HS256), json!({
            "iss": "webman.tinywan.cn", "aud": null, "iat": iat, "nbf": iat, "exp": exp,
            "extend": { "id": 7, "name": "ada", "client": "WEB" },
        })).demands("webman.tinywan.cn", "").user("/extend/id", "7"),
        issuer("tymon/jwt-auth", Shared(HS256), json!({
            "iss": "https://app.example/api/login", "iat": iat, "exp": exp, "nbf": iat, "jti": "x",
            "sub": 7, "prv": "hash",
        })).demands("https://app.example/api/login", "").user("/sub", "7"),
        issuer("Hasura", Shared(HS512), json!({
            "sub": "7", "name": "ada", "iat": iat, "exp": exp, "https://hasura.io/jwt/claims": {
                "x-hasura-allowed-roles": ["user"], "x-hasura-default-role": "user", "x-hasura-user-id": "ada",
            },
        })).user("/https:~1~1hasura.io~1jwt~1claims/x-hasura-user-id", "ada"),
        issuer("Centrifugo", Shared(HS256), json!({
            "sub": "ada", "exp": exp, "info": { "name": "Ada" }, "channels": ["news"],
        })),
    ]
}
