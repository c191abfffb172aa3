//! What happens to a request that is no handshake, by its path.

use crate::options::{PathPolicy, Policy};
use crate::path;

/// The policies of all paths.
#[derive(Clone, Debug)]
pub(crate) struct Policies {
    otherwise: Policy,
    prefixes: Vec<Prefix>,
}

/// The policy below a prefix, whose segments stand here in both readings of a path.
#[derive(Clone, Debug)]
struct Prefix {
    written: Vec<String>,
    lenient: Vec<String>,
    policy: Policy,
}

impl Policies {
    /// # Errors
    ///
    /// Two policies for one prefix.
    pub(crate) fn new(otherwise: Policy, prefixes: &[PathPolicy]) -> Result<Self, String> {
        let mut policies = Self {
            otherwise,
            prefixes: Vec::new(),
        };
        for PathPolicy { prefix, policy } in prefixes {
            let lenient: Vec<String> = path::segments(prefix).collect();
            if policies.prefixes.iter().any(|one| one.lenient == lenient) {
                return Err(format!("--path: {prefix} has two policies: write it once"));
            }
            let written = prefix.split('/').filter(|segment| !segment.is_empty());
            policies.prefixes.push(Prefix {
                written: written.map(str::to_owned).collect(),
                lenient,
                policy: *policy,
            });
        }
        Ok(policies)
    }

    /// The stricter one of two readings: as the path is written, and as a server may resolve it.
    /// Servers decode, ignore case, empty segments and what follows a `;`.
    pub(crate) fn of(&self, path: &str) -> Policy {
        let written: Vec<_> = path.split('/').skip(1).map(str::to_owned).collect();
        let lenient: Vec<_> = path::segments(path).collect();
        self.longest(|prefix| written.starts_with(&prefix.written))
            .max(self.longest(|prefix| lenient.starts_with(&prefix.lenient)))
    }

    fn longest(&self, fits: impl Fn(&Prefix) -> bool) -> Policy {
        let fitting = self.prefixes.iter().filter(|prefix| fits(prefix));
        let longest = fitting.max_by_key(|prefix| prefix.lenient.len());
        longest.map_or(self.otherwise, |prefix| prefix.policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policies(otherwise: Policy, prefixes: &[&str]) -> Policies {
        let prefixes: Result<Vec<_>, _> = prefixes.iter().map(|text| text.parse()).collect();
        Policies::new(otherwise, &prefixes.unwrap()).unwrap()
    }

    #[test]
    fn the_longest_prefix_of_whole_segments_counts() {
        let policies = policies(
            Policy::Refuse,
            &[
                "/app=pass",
                "/app/admin=authenticate",
                "/app/admin/x=refuse",
            ],
        );
        for (path, policy) in [
            ("/", Policy::Refuse),
            ("/ap", Policy::Refuse),
            ("/apple", Policy::Refuse),
            ("/app", Policy::Pass),
            ("/app/", Policy::Pass),
            ("/app/page", Policy::Pass),
            ("/app/admin", Policy::Authenticate),
            ("/app/admin/y", Policy::Authenticate),
            ("/app/admin/x/y", Policy::Refuse),
        ] {
            assert_eq!(policies.of(path), policy, "{path}");
        }
    }

    #[test]
    fn another_writing_never_lets_more_through() {
        let open = policies(Policy::Pass, &["/admin=refuse"]);
        let closed = policies(Policy::Refuse, &["/public=pass"]);
        for path in [
            "/admin",
            "/%61dmin",
            "/%2561dmin",
            "//admin",
            "/ADMIN",
            "/admin;x=1/y",
            "\\admin",
            "/%5cadmin",
            "/%2Fadmin/y",
            "/admin%00",
        ] {
            assert_eq!(open.of(path), Policy::Refuse, "{path}");
        }
        for path in [
            "/%70ublic",
            "//public",
            "/PUBLIC",
            "/public;x",
            "/public%2fx",
            "/publicx",
        ] {
            assert_eq!(closed.of(path), Policy::Refuse, "{path}");
        }
        assert_eq!(closed.of("/public/x"), Policy::Pass);
    }

    #[test]
    fn a_prefix_may_have_capital_letters() {
        let policies = policies(
            Policy::Refuse,
            &[
                "/Login=pass",
                "/chatHub=authenticate",
                "/chatHub/Admin=refuse",
            ],
        );
        for (path, policy) in [
            ("/Login", Policy::Pass),
            ("/Login/form", Policy::Pass),
            ("/chatHub/negotiate", Policy::Authenticate),
            ("/chatHub/Admin/x", Policy::Refuse),
            // A server that ignores case may take it for the strict one.
            ("/chatHub/admin/x", Policy::Refuse),
            // One that does not may have something else there.
            ("/login", Policy::Refuse),
            ("/chathub/negotiate", Policy::Refuse),
            ("/Log%69n", Policy::Refuse),
        ] {
            assert_eq!(policies.of(path), policy, "{path}");
        }
    }

    #[test]
    fn one_prefix_has_one_policy() {
        let two = ["/a=pass".parse().unwrap(), "/A/=refuse".parse().unwrap()];
        assert!(Policies::new(Policy::Refuse, &two).is_err());
    }
}
