//! Patterns against a model that knows nothing of how they are matched.

use proptest::prelude::*;
use tower_ws_auth_channel::{Join, Patterns};

use crate::support::at_once;

/// Whether `{u}` in the pattern, replaced by the user, makes the channel's name.
fn model(pattern: &str, user: &str, channel: &str) -> bool {
    let (text, open) = match pattern.strip_suffix('*') {
        Some(text) => (text, true),
        None => (pattern, false),
    };
    let separators = text
        .split("{u}")
        .skip(1)
        .filter_map(|after| after.chars().next());
    if text.contains("{u}") && (user.is_empty() || separators.into_iter().any(|c| user.contains(c)))
    {
        return false;
    }
    let name = text.replace("{u}", user);
    if open {
        channel.len() > name.len() && channel.starts_with(&name)
    } else {
        channel == name
    }
}

fn patterns(rules: &[(String, bool)]) -> Option<Patterns<String, ()>> {
    let mut builder = Patterns::<String, ()>::builder().placeholder("u", |u: &String| u.into());
    for (text, allow) in rules {
        builder = if *allow {
            builder.allow(text)
        } else {
            builder.deny(text)
        };
    }
    builder.build().ok()
}

fn joins(patterns: &Patterns<String, ()>, user: &str, channel: &str) -> bool {
    at_once(patterns, &Join::new(user.to_owned(), channel, ())) == "joined"
}

fn pattern() -> impl Strategy<Value = String> {
    "([ab-]{1,2})?(\\{u\\}[ab-]{1,2}){0,2}(\\{u\\}|[ab-]\\*|\\*)?"
}

fn user() -> impl Strategy<Value = String> {
    "[ab*{}é-]{0,3}|\\{u\\}"
}

/// With a placeholder; it may be one that the constructor should refuse.
fn pattern_of_a_user() -> impl Strategy<Value = String> {
    let open = pattern().prop_map(|pattern| format!("{pattern}{{u}}*"));
    prop_oneof![9 => pattern(), 1 => open].prop_filter("no placeholder", |p| p.contains("{u}"))
}

/// Any two, or one whose name goes on where the other's ends.
fn two_users() -> impl Strategy<Value = (String, String)> {
    let longer = (user(), "[ab-]{1,3}").prop_map(|(one, more)| {
        let other = format!("{one}{more}");
        (one, other)
    });
    prop_oneof![(user(), user()), longer]
}

/// One that nearly matches, or any.
fn channel(pattern: &str, user: &str) -> impl Strategy<Value = String> + use<> {
    let name = pattern.trim_end_matches('*').replace("{u}", user);
    let near = ("[ab-]{0,2}", Just(name), 0_usize..3).prop_map(|(more, name, cut)| {
        let keep = name.chars().count().saturating_sub(cut);
        let kept: String = name.chars().take(keep).collect();
        kept + &more
    });
    prop_oneof![4 => near, 1 => "[ab*{}-]{0,6}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_pattern_matches_as_the_model_does(
        (pattern, user, channel) in (pattern(), user()).prop_flat_map(|(pattern, user)| {
            let near = channel(&pattern, &user);
            (Just(pattern), Just(user), near)
        }),
    ) {
        let rules = patterns(&[(pattern.clone(), true)]);
        // The constructor refuses an empty one, and a star behind a placeholder.
        prop_assume!(rules.is_some());
        let expected = model(&pattern, &user, &channel);
        prop_assert_eq!(joins(&rules.unwrap(), &user, &channel), expected);
    }

    #[test]
    fn the_first_of_many_that_matches_decides(
        rules in prop::collection::vec((pattern(), any::<bool>()), 1..5),
        user in user(),
        channel in "[ab-]{0,5}",
    ) {
        let built = patterns(&rules);
        prop_assume!(built.is_some());
        let first = rules.iter().find(|(pattern, _)| model(pattern, &user, &channel));
        let expected = first.is_some_and(|(_, allow)| *allow);
        prop_assert_eq!(joins(&built.unwrap(), &user, &channel), expected);
    }

    #[test]
    fn no_two_users_share_a_channel_by_a_placeholder(
        (pattern, one, other, channel) in (pattern_of_a_user(), two_users())
            .prop_filter("one user", |(_, (one, other))| one != other)
            .prop_flat_map(|(pattern, (one, other))| {
                let near = channel(&pattern, &other);
                (Just(pattern), Just(one), Just(other), near)
            }),
    ) {
        // A list that the constructor refuses is skipped.
        let Some(rules) = patterns(&[(pattern, true)]) else {
            return Ok(());
        };
        prop_assert!(!(joins(&rules, &one, &channel) && joins(&rules, &other, &channel)));
    }
}
