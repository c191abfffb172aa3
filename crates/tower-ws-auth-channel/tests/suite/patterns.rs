//! Rules by the channel's name, in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tower_ws_auth_channel::{
    ChannelAuthLayer, ConfigError, Evidence, Join, Patterns, PatternsBuilder, Policy, policy_fn,
};

use crate::support::{TestJoin, at_once, effect, join};

type Rules = PatternsBuilder<&'static str, ()>;

fn rules() -> Rules {
    Patterns::builder().placeholder("user", |user: &&'static str| (*user).into())
}

/// Everybody is of the tenant `acme`.
fn tenants() -> Rules {
    rules().placeholder("tenant", |_| "acme".into())
}

fn decides(rules: Rules, channel: &str) -> &'static str {
    at_once(&rules.build().unwrap(), &join(channel))
}

mod the_first_rule_that_matches {
    use super::*;

    fn chat() -> Rules {
        rules()
            .allow("lobby")
            .deny("room-secret")
            .allow("room-*")
            .allow("private-{user}")
            .rule("staff-*", |join: &TestJoin| *join.identity() == "eve")
    }

    #[tokio::test]
    async fn decides() {
        let layer = ChannelAuthLayer::new(chat().build().unwrap());
        for channel in ["lobby", "room-1", "room-secret2", "private-ada"] {
            assert_eq!(effect(&layer, join(channel)).await, "joined", "{channel}");
        }
        for channel in [
            "room-secret",
            "private-eve",
            "staff-1",
            "x",
            "room-",
            "Lobby",
        ] {
            assert_eq!(
                effect(&layer, join(channel)).await,
                "forbidden",
                "{channel}"
            );
        }
        let eve = Join::new("eve", "staff-1", ());
        assert_eq!(effect(&layer, eve).await, "joined");
    }

    #[test]
    fn is_the_only_one_that_is_asked() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = |asked: &Arc<AtomicUsize>, effect| {
            let asked = Arc::clone(asked);
            move |_: &TestJoin| {
                asked.fetch_add(1, Ordering::Relaxed);
                effect
            }
        };
        let patterns = rules()
            .rule("a-*", count(&asked, false))
            .rule("*", count(&asked, true))
            .build()
            .unwrap();
        // A refusal is a decision too: it does not go on to the next rule.
        assert_eq!(at_once(&patterns, &join("a-1")), "forbidden");
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert_eq!(at_once(&patterns, &join("b")), "joined");
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn may_be_one_that_waits() {
        let waits = policy_fn(|_: &TestJoin| async {
            tokio::task::yield_now().await;
            Ok(Evidence::new())
        });
        let patterns = rules().rule("a-*", waits).build().unwrap();
        let layer = ChannelAuthLayer::new(patterns);
        assert_eq!(effect(&layer, join("a-1")).await, "joined");
    }
}

mod a_placeholder {
    use super::*;

    #[test]
    fn takes_its_value_from_the_identity_of_the_handshake() {
        struct User {
            id: u64,
            tenant: String,
        }
        let patterns = Patterns::<User, ()>::builder()
            .placeholder("id", |user: &User| user.id.to_string().into())
            .placeholder("tenant", |user: &User| user.tenant.as_str().into())
            .allow("{tenant}.user-{id}")
            .allow("{tenant}.news.*")
            .build()
            .unwrap();
        let decides = |tenant: &str, channel: &str| {
            let user = User {
                id: 42,
                tenant: tenant.to_owned(),
            };
            at_once(&patterns, &Join::new(user, channel, ()))
        };
        for channel in ["acme.user-42", "acme.news.today", "acme.news.a.b"] {
            assert_eq!(decides("acme", channel), "joined", "{channel}");
        }
        for channel in [
            "acme.user-4",
            "acme.user-421",
            "evil.user-42",
            "acme.news.",
            "acm.news.x",
        ] {
            assert_eq!(decides("acme", channel), "forbidden", "{channel}");
        }
        // The separator inside of the value: whose would `a.b.news.x` be?
        assert_eq!(decides("a.b", "a.b.news.x"), "forbidden");
        assert_eq!(decides("", ".news.x"), "forbidden");
    }

    #[test]
    fn keeps_the_channels_of_two_users_apart_by_different_rules_too() {
        for (one, other, channel, theirs, nobodys) in [
            ("user-{user}", "user-{user}-*", "user-ada-b", "ada", "ada-b"),
            ("user-{user}", "user-{user}-b", "user-ada-b", "ada", "ada-b"),
            ("{user}.a", "{user}-*", "ada-x.a", "ada", "ada-x"),
            (
                "p-{user}",
                "p-group-{user}",
                "p-group-ada",
                "ada",
                "group-ada",
            ),
            ("{user}", "group-{user}", "group-ada", "ada", "group-ada"),
        ] {
            for rules in [
                rules().allow(one).allow(other),
                rules().allow(other).allow(one),
            ] {
                let patterns = rules.build().unwrap();
                let joins = |user| at_once(&patterns, &Join::new(user, channel, ()));
                assert_eq!(joins(theirs), "joined", "{one} {other}");
                assert_eq!(joins(nobodys), "forbidden", "{one} {other}");
            }
        }
        // These values share no name, and a policy can share one with nobody by a denial.
        for (rules, user, channel) in [
            (
                rules().allow("a-{user}").allow("b-{user}-*"),
                "x-y",
                "a-x-y",
            ),
            (rules().allow("a-{user}").allow("a-room-*"), "x-y", "a-x-y"),
            (
                rules().allow("a-{user}").allow("a-{user}-inbox"),
                "x-y",
                "a-x-y",
            ),
            (rules().allow("a-{user}").deny("a-{user}-*"), "x-y", "a-x-y"),
            (
                rules().allow("a-{user}").allow("a-group-{user}"),
                "x-y",
                "a-x-y",
            ),
            (
                rules().allow("a-{user}").allow("a-group-{user}"),
                "gro",
                "a-gro",
            ),
        ] {
            let patterns = rules.build().unwrap();
            let joined = at_once(&patterns, &Join::new(user, channel, ()));
            assert_eq!(joined, "joined", "{patterns:?}");
        }
    }

    #[test]
    fn leaves_the_names_of_a_narrower_rule_to_that_rule_whatever_users_are_called() {
        for (kept, narrow, channel, user) in [
            (
                "private-{user}",
                "private-group-*",
                "private-group-vip",
                "group-vip",
            ),
            ("private-{user}", "private-admin", "private-admin", "admin"),
            ("{user}", "admin", "admin", "admin"),
            ("{user}-inbox", "admin-*", "admin-inbox", "admin"),
            ("{user}.*", "system.status", "system.status", "system"),
            (
                "{tenant}.{user}",
                "{tenant}.news.*",
                "acme.news.today",
                "news.today",
            ),
            ("{tenant}.{user}", "{tenant}.admin", "acme.admin", "admin"),
            ("{tenant}.{user}", "acme.admin", "acme.admin", "admin"),
        ] {
            for (says, expected) in [(false, "forbidden"), (true, "joined")] {
                let policy = move |_: &TestJoin| says;
                for rules in [
                    tenants().allow(kept).rule(narrow, policy),
                    tenants().rule(narrow, policy).allow(kept),
                ] {
                    let patterns = rules.build().unwrap();
                    let joins = |user, channel: &str| {
                        let join = Join::new(user, channel, ());
                        at_once(&patterns, &join)
                    };
                    assert_eq!(joins(user, channel), expected, "{patterns:?}");
                    let filled = kept.replace("{user}", "ada").replace("{tenant}", "acme");
                    let own = filled.replace('*', "x");
                    assert_eq!(joins("ada", &own), "joined", "{patterns:?}");
                }
            }
        }
    }

    #[test]
    fn has_its_names_beside_a_wider_rule_and_beside_what_only_looks_alike() {
        let no = |_: &TestJoin| false;
        for (rules, user) in [
            (rules().rule("private-group-*", no), "group"),
            (rules().rule("private-group-*", no), "a-group-b"),
            (rules().rule("private-admin", no), "admi"),
            (rules().rule("private-admin", no), "admin2"),
            (rules().rule("admin", no), "admin"),
            (rules().rule("room-*", no), "room-1"),
        ] {
            let own = format!("private-{user}");
            let patterns = rules.allow("private-{user}").build().unwrap();
            let joined = at_once(&patterns, &Join::new(user, own, ()));
            assert_eq!(joined, "joined", "{patterns:?} {user}");
        }
        for wide in ["private-*", "priv*", "*"] {
            let rules = rules().allow("private-{user}").rule(wide, no);
            assert_eq!(decides(rules, "private-ada"), "joined", "{wide}");
        }
        // What an earlier rule admits is not denied.
        let denied = rules().allow("private-{user}").deny("private-ada");
        assert_eq!(decides(denied, "private-ada"), "joined");
    }

    #[test]
    fn takes_a_user_name_that_looks_like_a_pattern_as_data() {
        for name in ["*", "{user}", "ada*", "a{user}"] {
            let patterns = rules().allow("private-{user}").build().unwrap();
            let own = format!("private-{name}");
            assert_eq!(at_once(&patterns, &Join::new(name, own, ())), "joined");
            for other in ["private-ada", "private-adam", "private-x", "private-aada"] {
                let refused = at_once(&patterns, &Join::new(name, other, ()));
                assert_eq!(refused, "forbidden", "{name} {other}");
            }
        }
    }
}

mod the_constructor {
    use super::*;

    fn error(rules: Rules) -> ConfigError {
        rules.build().unwrap_err()
    }

    #[test]
    fn refuses_a_list_without_rules() {
        assert_eq!(error(rules()), ConfigError::NoRules);
    }

    #[test]
    fn refuses_an_invalid_pattern() {
        for text in [
            "",
            "a*b",
            "**",
            "{user",
            "user}",
            "{}",
            "{eve}",
            "{user}{user}",
            "a-{user}*",
        ] {
            let error = error(rules().allow(text));
            assert!(
                matches!(&error, ConfigError::Malformed { pattern, .. } if pattern == text),
                "{text}: {error}"
            );
            assert!(error.to_string().contains("cannot be used"), "{error}");
        }
    }

    #[test]
    fn refuses_a_placeholder_with_two_values() {
        let twice = rules().placeholder("user", |_| "eve".into()).allow("*");
        assert_eq!(error(twice), ConfigError::Placeholder("user".to_owned()));
    }

    #[test]
    fn refuses_a_rule_that_is_never_reached() {
        for (first, second) in [
            ("room-*", "room-1"),
            ("a", "a"),
            ("*", "b"),
            ("a-*", "a-{user}"),
            ("{user}-*", "{user}-a"),
        ] {
            let error = error(rules().deny(first).allow(second));
            let (pattern, by) = (second.to_owned(), first.to_owned());
            assert_eq!(error, ConfigError::Unreachable { pattern, by });
        }
        // `room-*` wants one more character, so this one is reached.
        assert!(rules().allow("room-*").allow("room-").build().is_ok());
    }

    #[test]
    fn refuses_a_star_that_admits_everybody_to_a_placeholders_channels() {
        for open in ["*", "private-*", "priv*"] {
            let error = error(rules().allow("private-{user}").allow("x").allow(open));
            let (pattern, by) = ("private-{user}".to_owned(), open.to_owned());
            assert_eq!(error, ConfigError::Opened { pattern, by });
        }
        let closed = rules().allow("private-{user}").deny("private-*").allow("*");
        assert_eq!(decides(closed, "private-eve"), "forbidden");
        let asked = rules()
            .allow("private-{user}")
            .rule("*", |_: &TestJoin| false);
        assert!(asked.build().is_ok());
        let narrow = rules().allow("private-{user}").allow("private-room-*");
        assert_eq!(decides(narrow, "private-room-1"), "joined");
    }

    #[test]
    fn refuses_a_star_that_admits_a_tenant_to_its_users_channels() {
        for (kept, open) in [
            ("{tenant}.private-{user}", "{tenant}.*"),
            ("{tenant}.private-{user}", "{tenant}.priv*"),
            ("{tenant}.{user}", "{tenant}.*"),
            ("{tenant}-{user}-{tenant}", "{tenant}-*"),
        ] {
            let (pattern, by) = (kept.to_owned(), open.to_owned());
            let opened = error(tenants().allow(kept).allow("x").allow(open));
            assert_eq!(opened, ConfigError::Opened { pattern, by });
            let (pattern, by) = (kept.to_owned(), open.to_owned());
            let unreachable = error(tenants().allow(open).allow(kept));
            assert_eq!(unreachable, ConfigError::Unreachable { pattern, by });
        }
        let shut = || {
            let kept = tenants().allow("{tenant}.private-{user}");
            kept.deny("{tenant}.private-*")
        };
        for (channel, expected) in [
            ("acme.private-ada", "joined"),
            ("acme.private-eve", "forbidden"),
            ("acme.news", "joined"),
        ] {
            assert_eq!(decides(shut().allow("{tenant}.*"), channel), expected);
        }
        // That denial does not stop users of other tenants.
        let (pattern, by) = ("{tenant}.private-{user}".to_owned(), "*".to_owned());
        let opened = error(shut().allow("*"));
        assert_eq!(opened, ConfigError::Opened { pattern, by });
        // Both rules are for the same user.
        let inbox = || {
            let inbox = tenants().allow("{tenant}.{user}.inbox");
            inbox.allow("{tenant}.{user}.*")
        };
        assert_eq!(decides(inbox(), "acme.ada.inbox"), "joined");
        assert_eq!(decides(inbox(), "acme.eve.inbox"), "forbidden");
    }
}

#[test]
fn debug_shows_the_patterns() {
    let patterns = rules().allow("lobby").allow("private-{user}");
    assert_eq!(format!("{patterns:?}"), r#"["lobby", "private-{user}"]"#);
    let patterns = patterns.build().unwrap();
    assert_eq!(format!("{patterns:?}"), r#"["lobby", "private-{user}"]"#);
    assert_eq!(
        format!("{:?}", patterns.decide(&join("lobby"))),
        "PatternsFuture"
    );
}
