//! phoenix.js of three versions.

use tower_ws_auth::ClientProtocol;

use super::library::{Case, Library, ended, refused};
use super::server::Speech;

const PHOENIX: Speech = Speech {
    greeting: &[],
    binary: false,
    answers: &[(
        "phx_join",
        r#"[$join,$ref,"room:lobby","phx_reply",{"status":"ok","response":{}}]"#,
    )],
};

const PHOENIX_CLOSED: &[Case] = &[
    refused("forbidden", &[r#"onClose [1000,"forbidden"]"#], 1),
    refused(
        "expired",
        &[r#"onClose [1000,"token_expired"]"#, "refresh"],
        2,
    ),
    refused("busy", &[], 12),
    ended("revoked", &[r#"onClose [1000,"revoked"]"#], 1),
    ended(
        "token_expired",
        &[r#"onClose [1000,"token_expired"]"#, "refresh"],
        2,
    ),
];

/// phoenix.js 1.7.
pub const PHOENIX_1_7: Library = Library {
    name: "phoenix-1-7",
    protocol: ClientProtocol::detect,
    speech: PHOENIX,
    by_state: false,
    namespaces: &[],
    cases: PHOENIX_CLOSED,
};

/// phoenix.js 1.8.15.
pub const PHOENIX_1_8_15: Library = Library {
    name: "phoenix-1-8-15",
    protocol: ClientProtocol::detect,
    speech: PHOENIX,
    by_state: false,
    namespaces: &[],
    cases: PHOENIX_CLOSED,
};

/// phoenix.js 1.8.16, which is kept.
pub const PHOENIX_1_8_16: Library = Library {
    name: "phoenix",
    protocol: ClientProtocol::phoenix_held,
    speech: PHOENIX,
    by_state: false,
    namespaces: &[],
    cases: &[
        refused("forbidden", &[r#"join error {"reason":"forbidden"}"#], 1),
        refused(
            "expired",
            &[r#"join error {"reason":"token_expired"}"#, "refresh"],
            2,
        ),
        refused("busy", &[], 12),
        ended("revoked", &[r#"onClose [4403,"revoked"]"#], 2),
        ended(
            "token_expired",
            &[r#"onClose [4401,"token_expired"]"#, "refresh"],
            3,
        ),
    ],
};
