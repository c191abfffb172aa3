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

/// Whether another rule keeps this user from the channel, because it is another user's by that one.
fn is_fenced(pattern: &str, others: &[&str], user: &str, channel: &str) -> bool {
    let places = pattern.match_indices("{u}").map(|(at, _)| at);
    let mut fences = places.flat_map(|at| {
        let head = &pattern[..at];
        let alike = others
            .iter()
            .filter_map(move |other| other.strip_prefix(head));
        alike.map(move |other| (head.replace("{u}", user), other))
    });
    fences.any(|(head, other)| {
        let rest = channel.strip_prefix(&*head);
        match other.split_once("{u}") {
            Some(("", behind)) => {
                let has_one_end = !behind.contains("{u}") && !behind.ends_with('*');
                let is_theirs = !has_one_end || rest.is_some_and(|rest| rest.ends_with(behind));
                is_theirs && behind.chars().next().is_some_and(|c| user.contains(c))
            }
            Some((literal, _)) => rest.is_some_and(|rest| rest.starts_with(literal)),
            None => false,
        }
    })
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

/// Any two, or one that begins as the other does.
fn two_patterns() -> impl Strategy<Value = (String, String)> {
    let tail = "[ab-]{1,2}(\\{u\\}|\\*)?";
    let alike = (pattern_of_a_user(), tail, any::<bool>()).prop_map(|(one, tail, is_behind)| {
        let head = one.split("{u}").next().unwrap_or_default();
        let other = if is_behind {
            format!("{head}{{u}}{tail}")
        } else {
            format!("{head}{}{{u}}", &tail[..1])
        };
        (one, other)
    });
    prop_oneof![1 => (pattern_of_a_user(), pattern_of_a_user()), 2 => alike]
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
        let fenced = |at: usize, pattern: &str| {
            let others = rules.iter().enumerate();
            let others = others.filter(|(other, (_, allow))| *other != at && *allow);
            let others: Vec<_> = others.map(|(_, (other, _))| other.as_str()).collect();
            is_fenced(pattern, &others, &user, &channel)
        };
        let first = rules.iter().enumerate().find(|(at, (pattern, allow))| {
            model(pattern, &user, &channel) && !(*allow && fenced(*at, pattern))
        });
        let first = first.map(|(_, rule)| rule);
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

    #[test]
    fn no_two_users_share_a_channel_by_two_rules(
        (first, second, one, other, channel) in (two_patterns(), two_users())
            .prop_filter("one user", |(_, (one, other))| one != other)
            .prop_flat_map(|((first, second), (one, other))| {
                let near = channel(&first, &other);
                (Just(first), Just(second), Just(one), Just(other), near)
            }),
    ) {
        let Some(rules) = patterns(&[(first, true), (second, true)]) else {
            return Ok(());
        };
        prop_assert!(!(joins(&rules, &one, &channel) && joins(&rules, &other, &channel)));
    }
}
