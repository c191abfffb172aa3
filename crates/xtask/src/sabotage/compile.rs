//! Whether all sabotages compile: many at once, each in files of its own. In a run of all, one that
//! does not is found hours later.

use super::patch::Patch;
use super::place::Place;

/// Builds the product with every sabotage. The error names those that do not compile.
pub(crate) fn all(patches: &[Patch], place: &Place<'_>) -> Result<(), String> {
    let mut broken = Vec::new();
    let mut left: Vec<&Patch> = patches.iter().filter(|patch| patch.fits()).collect();
    while !left.is_empty() {
        let (mut applied, later) = apart(left);
        println!("    {} at once, {} to come", applied.len(), later.len());
        for patch in &applied {
            place.apply(patch, &[])?;
        }
        loop {
            let errors = place.errors()?;
            let Some(first) = errors.first() else { break };
            let culprits: Vec<_> = applied
                .extract_if(.., |patch| fault(patch, &errors).is_some())
                .collect();
            if culprits.is_empty() {
                return Err(format!("an error of no sabotage: {first}"));
            }
            for patch in culprits {
                place.apply(patch, &["--reverse"])?;
                let error = fault(patch, &errors).unwrap_or_default();
                broken.push(format!("{} does not compile: {error}", patch.name()));
            }
        }
        for patch in &applied {
            place.apply(patch, &["--reverse"])?;
        }
        left = later;
    }
    if broken.is_empty() {
        Ok(())
    } else {
        Err(broken.join("\n"))
    }
}

/// As many as have no file in common, and the others.
fn apart(patches: Vec<&Patch>) -> (Vec<&Patch>, Vec<&Patch>) {
    let mut taken = Vec::new();
    patches.into_iter().partition(|patch| {
        let is_free = !patch.touches.iter().any(|file| taken.contains(&file));
        if is_free {
            taken.extend(&patch.touches);
        }
        is_free
    })
}

/// The first error in a file of this sabotage.
fn fault<'a>(patch: &Patch, errors: &'a [String]) -> Option<&'a str> {
    let file = |error: &&String| error.split(':').next().map(str::to_owned);
    let is_its = |error: &&String| file(error).is_some_and(|file| patch.touches.contains(&file));
    errors.iter().find(is_its).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(name: &str, touches: &[&str]) -> Patch {
        Patch {
            file: name.into(),
            promise: "a".to_owned(),
            breaks: "Nothing.".to_owned(),
            touches: touches.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn those_in_one_file_are_not_tried_at_once() {
        let patches = [
            patch("1", &["a.rs"]),
            patch("2", &["a.rs", "b.rs"]),
            patch("3", &["b.rs"]),
            patch("4", &["b.rs", "c.rs"]),
        ];
        let names = |patches: Vec<&Patch>| patches.into_iter().map(Patch::name).collect::<Vec<_>>();
        let (now, later) = apart(patches.iter().collect());
        assert_eq!(
            (names(now), names(later.clone())),
            (vec!["1".into(), "3".into()], vec!["2".into(), "4".into()])
        );
        let (now, later) = apart(later);
        assert_eq!(
            (names(now), names(later)),
            (vec!["2".into()], vec!["4".into()])
        );
    }

    #[test]
    fn an_error_belongs_to_the_sabotage_of_its_file() {
        let errors = ["crates/x/src/a.rs:1:2: error[E0425]: x".to_owned()];
        let fault = |file| fault(&patch("1", &["b.rs", file]), &errors).map(str::to_owned);
        assert_eq!(fault("crates/x/src/a.rs").as_ref(), errors.first());
        assert_eq!(fault("src/a.rs"), None);
    }
}
