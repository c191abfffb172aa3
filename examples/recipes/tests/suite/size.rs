//! A recipe is short.

/// Code lines, without imports: what somebody has to understand.
#[test]
fn no_recipe_has_more_than_sixty_lines() {
    let package = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = ["src", "more/src"].map(|folder| std::fs::read_dir(package.join(folder)).unwrap());
    let mut seen = 0;
    for path in files
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
    {
        let text = std::fs::read_to_string(&path).unwrap();
        if path.ends_with("main.rs") {
            continue;
        }
        let mut importing = false;
        let code = text.lines().map(str::trim).filter(|line| {
            importing |= line.starts_with("use ");
            let counts = !importing && !line.is_empty() && !line.starts_with("//");
            importing &= !line.ends_with(';');
            counts
        });
        let lines = code.count();
        assert!(lines <= 60, "{}: {lines} lines", path.display());
        seen += 1;
    }
    assert!(seen >= 14, "{seen}");
}
