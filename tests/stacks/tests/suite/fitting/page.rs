//! The page shows code that runs: each of its blocks is in a test or in a configuration here.

use std::path::{Path, PathBuf};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Without the indentation, which a page has no room for.
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).collect()
}

/// The fenced blocks, each with its language.
fn blocks(page: &str) -> Vec<(&str, Vec<&str>)> {
    let mut blocks = Vec::new();
    let mut open: Option<(&str, Vec<&str>)> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), open.as_mut()) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(language), None) => open = Some((language, Vec::new())),
            (None, Some((_, block))) => block.push(line.trim()),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    blocks
}

fn page() -> String {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(package.join("../../docs/fitting.md")).unwrap()
}

#[test]
fn every_block_of_the_page_is_run() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = page();
    let mut sources = Vec::new();
    for folder in [
        "tests/suite/fitting",
        "nginx",
        "haproxy",
        "../../examples/recipes/src",
        "../../examples/recipes/more/src",
        // `cargo xtask newcomer` builds a recipe with it.
        "../../crates/xtask/src/newcomer",
    ] {
        files(&package.join(folder), &mut sources);
    }
    let sources: Vec<String> = sources
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();

    let blocks = blocks(&page);
    assert!(blocks.len() >= 7, "{}", blocks.len());
    for (language, block) in blocks {
        // `cargo xtask newcomer` builds with the dependencies of the recipes. Scripts are the reader's.
        if ["toml", "js"].contains(&language) {
            continue;
        }
        assert!(
            ["rust", "nginx", "haproxy"].contains(&language),
            "{language}"
        );
        let is_run = sources.iter().any(|source| {
            lines(source)
                .windows(block.len())
                .any(|window| window == block)
        });
        assert!(is_run, "not to be found in a test:\n{}", block.join("\n"));
    }
}

/// A reader of the page alone has the whole program.
#[test]
fn every_recipe_is_shown_whole_below_its_dependencies() {
    let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/recipes");
    let mut sources = Vec::new();
    files(&recipes.join("src"), &mut sources);
    files(&recipes.join("more/src"), &mut sources);
    sources.retain(|path| !path.ends_with("main.rs"));
    assert!(sources.len() >= 14, "{sources:?}");
    let page = page();
    let blocks = blocks(&page);
    for path in sources {
        let source = std::fs::read_to_string(&path).unwrap();
        let code = lines(&source);
        let code = code
            .iter()
            .skip_while(|line| line.starts_with("//!") || line.is_empty());
        let code: Vec<&str> = code.copied().collect();
        let at = blocks.iter().position(|(_, block)| *block == code);
        let at = at.unwrap_or_else(|| panic!("{} is not shown", path.display()));
        let (language, dependencies) = &blocks[at - 1];
        assert_eq!(*language, "toml", "{}", path.display());
        assert_eq!(dependencies[0], "[dependencies]");
    }
}

#[test]
fn the_versions_of_the_page_are_the_ones_that_run() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lock = |path: &str| std::fs::read_to_string(package.join(path)).unwrap();
    let lock = lock("../../Cargo.lock") + &lock("../../examples/recipes/more/Cargo.lock");
    let page = page();
    let (_, named) = page.split_once("Tested with ").unwrap();
    let (named, _) = named.split_once(", nginx").unwrap();
    let named: Vec<_> = named.split(',').map(str::trim).collect();
    assert!(named.len() >= 14, "{named:?}");
    for crate_and_version in named {
        let (name, version) = crate_and_version.split_once(' ').unwrap();
        let entry = format!("name = \"{name}\"\nversion = \"{version}.");
        assert!(lock.contains(&entry), "{entry}");
    }
}

/// The files that the page points to.
#[test]
fn every_link_of_the_page_leads_somewhere() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let page = page();
    let headings: Vec<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(|title| title.to_lowercase().replace(',', "").replace(' ', "-"))
        .collect();
    let links = page.split("](").skip(1);
    let links: Vec<&str> = links.filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() >= 10, "{links:?}");
    for link in links {
        let found = match link.strip_prefix('#') {
            Some(anchor) => headings.iter().any(|heading| heading == anchor),
            None => docs.join(link.split('#').next().unwrap_or(link)).exists(),
        };
        assert!(found, "{link}");
    }
}
