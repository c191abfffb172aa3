//! Patterns against a model that knows nothing of how they are matched.

use proptest::prelude::*;
use tower_ws_auth_channel::{Join, Patterns, PatternsBuilder};

use crate::support::at_once;

/// The values of `{u}` and `{t}`.
type User = (String, String);

fn fill(pattern: &str, (user, tenant): &User) -> String {
    // No user's name has a `t`, so this replaces nothing of it.
    pattern.replace("{u}", user).replace("{t}", tenant)
}

/// Where the placeholders are. Each has three characters.
fn places(pattern: &str) -> impl Iterator<Item = usize> {
    pattern.match_indices('{').map(|(at, _)| at)
}

fn value(pattern: &str, at: usize, user: &User) -> String {
    fill(&pattern[at..at + 3], user)
}

/// Whether the pattern, with the user's values for its placeholders, makes the channel's name.
fn model(pattern: &str, user: &User, channel: &str) -> bool {
    let (text, open) = match pattern.strip_suffix('*') {
        Some(text) => (text, true),
        None => (pattern, false),
    };
    let has_no_name = places(text).any(|at| {
        let value = value(text, at, user);
        let separator = text[at + 3..].chars().next();
        value.is_empty() || separator.is_some_and(|c| value.contains(c))
    });
    if has_no_name {
        return false;
    }
    let name = fill(text, user);
    if open {
        channel.len() > name.len() && channel.starts_with(&name)
    } else {
        channel == name
    }
}

/// Whether another rule keeps this user from the channel, because it is another user's by that one
/// or for that one alone to decide.
fn is_fenced(pattern: &str, others: &[&str], user: &User, channel: &str) -> bool {
    // Which placeholder it is makes no difference.
    let alike = |text: &str| text.replace("{t}", "{u}");
    places(pattern).any(|at| {
        let head = &pattern[..at];
        let Some(rest) = channel.strip_prefix(&*fill(head, user)) else {
            return false;
        };
        let value = value(pattern, at, user);
        let fences = |other: &str| match other.split_once("{u}") {
            Some(("", behind)) => {
                let has_one_end = !behind.contains("{u}") && !behind.ends_with('*');
                let is_theirs = !has_one_end || rest.ends_with(behind);
                is_theirs && behind.chars().next().is_some_and(|c| value.contains(c))
            }
            Some((literal, _)) => rest.starts_with(literal),
            None => match other.strip_suffix('*') {
                Some(literal) => !literal.is_empty() && rest.starts_with(literal),
                None => rest == other,
            },
        };
        let mut others = others.iter().map(|other| alike(other));
        others.any(|other| other.strip_prefix(&*alike(head)).is_some_and(fences))
    })
}

/// Whether one has `{u}` where the other has `{t}`. Those may have the same value.
fn mixes_placeholders(one: &str, other: &str) -> bool {
    let pairs = one.chars().zip(other.chars());
    let alike = pairs.take_while(|(one, other)| one == other);
    alike.last().is_some_and(|(last, _)| last == '{')
}

fn have_the_same_values(pattern: &str, one: &User, other: &User) -> bool {
    places(pattern).all(|at| value(pattern, at, one) == value(pattern, at, other))
}

fn builder() -> PatternsBuilder<User, ()> {
    Patterns::builder()
        .placeholder("u", |user: &User| user.0.as_str().into())
        .placeholder("t", |user: &User| user.1.as_str().into())
}

fn patterns(rules: &[(String, bool)]) -> Option<Patterns<User, ()>> {
    let mut builder = builder();
    for (text, allow) in rules {
        builder = if *allow {
            builder.allow(text)
        } else {
            builder.deny(text)
        };
    }
    builder.build().ok()
}

fn joins(patterns: &Patterns<User, ()>, user: &User, channel: &str) -> bool {
    at_once(patterns, &Join::new(user.clone(), channel, ())) == "joined"
}

fn pattern() -> impl Strategy<Value = String> {
    "([ab-]{1,2})?(\\{[ut]\\}[ab-]{1,2}){0,2}(\\{[ut]\\}|[ab-]\\*|\\*)?"
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[ab]{1,2}", "[ab*{}é-]{0,3}|\\{u\\}"]
}

/// With a placeholder; it may be one that the constructor should refuse.
fn pattern_of_a_user() -> impl Strategy<Value = String> {
    let open = pattern().prop_map(|pattern| format!("{pattern}{{u}}*"));
    prop_oneof![9 => pattern(), 1 => open].prop_filter("no placeholder", |p| p.contains('{'))
}

/// Any two, or one that begins as the other does.
fn two_patterns() -> impl Strategy<Value = (String, String)> {
    let tail = prop_oneof!["(\\{[ut]\\})?[ab-]{0,2}(\\{[ut]\\}|\\*)?", "[ab-]?\\*"];
    let alike = (pattern_of_a_user(), tail, any::<bool>()).prop_map(|(one, tail, last)| {
        let place = if last { one.rfind('{') } else { one.find('{') };
        let other = format!("{}{tail}", &one[..place.unwrap_or_default()]);
        (one, other)
    });
    prop_oneof![1 => (pattern_of_a_user(), pattern()), 3 => alike]
        .prop_filter("two placeholders in one place", |(one, other)| {
            !mixes_placeholders(one, other)
        })
}

/// Any two, or one whose name goes on where the other's ends.
fn two_names() -> impl Strategy<Value = (String, String)> {
    let longer = (name(), "[ab-]{1,3}").prop_map(|(one, more)| {
        let other = format!("{one}{more}");
        (one, other)
    });
    prop_oneof![(name(), name()), longer]
}

/// Two who differ, mostly of one tenant.
fn two_users() -> impl Strategy<Value = (User, User)> {
    let one_tenant = name().prop_map(|tenant| (tenant.clone(), tenant));
    let tenants = prop_oneof![2 => one_tenant, 1 => two_names()];
    (two_names(), tenants)
        .prop_map(|((one, other), (here, there))| ((one, here), (other, there)))
        .prop_filter("one user", |(one, other)| one != other)
}

fn user() -> impl Strategy<Value = User> {
    (name(), name())
}

/// One that nearly matches, or any.
fn channel(pattern: &str, user: &User) -> impl Strategy<Value = String> + use<> {
    let name = fill(pattern.trim_end_matches('*'), user);
    let whole = Just(name.clone());
    let near = ("[ab-]{0,2}", Just(name), 0_usize..3).prop_map(|(more, name, cut)| {
        let keep = name.chars().count().saturating_sub(cut);
        let kept: String = name.chars().take(keep).collect();
        kept + &more
    });
    prop_oneof![2 => whole, 4 => near, 1 => "[ab*{}-]{0,6}"]
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
            .prop_flat_map(|(pattern, (one, other))| {
                let near = channel(&pattern, &other);
                (Just(pattern), Just(one), Just(other), near)
            }),
    ) {
        // A list that the constructor refuses is skipped.
        let Some(rules) = patterns(&[(pattern.clone(), true)]) else {
            return Ok(());
        };
        let both = joins(&rules, &one, &channel) && joins(&rules, &other, &channel);
        prop_assert!(!both || have_the_same_values(&pattern, &one, &other));
    }

    #[test]
    fn no_two_users_share_a_channel_by_two_rules(
        (kept, open, one, other, channel) in (two_patterns(), two_users())
            .prop_flat_map(|((kept, open), (one, other))| {
                let near = channel(&kept, &one);
                (Just(kept), Just(open), Just(one), Just(other), near)
            }),
        kept_first in any::<bool>(),
    ) {
        let rules = |says: bool| {
            let policy = move |_: &Join<User, ()>| says;
            let rules = if kept_first {
                builder().rule(&kept, policy).allow(&open)
            } else {
                builder().allow(&open).rule(&kept, policy)
            };
            rules.build().ok()
        };
        let (Some(rules), Some(shut)) = (rules(true), rules(false)) else {
            return Ok(());
        };
        let by_kept = joins(&rules, &one, &channel) && !joins(&shut, &one, &channel);
        let both = by_kept && joins(&rules, &other, &channel);
        prop_assert!(!both || have_the_same_values(&kept, &one, &other));
    }
}
