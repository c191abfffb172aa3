//! Takes the programs of README.md and docs/fitting.md as a stranger would: each in a crate of its
//! own, outside of this workspace, against the packages. Builds them, runs them, and asks each one.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::console::say;
use crate::run::{cargo, run};
use crate::steps::{Session, Stop};
use crate::supply::unpack;
use crate::workspace::{Library, Workspace};

/// The `main` that the page shows for all recipes.
const MAIN: &str = include_str!("newcomer/main.rs");
const ADDRESS: &str = "127.0.0.1:3000";
const CALL: &str = "serve(listener, &std::env::var(\"SECRET\")?)";

/// A program of a page.
#[derive(Debug, PartialEq)]
struct Program {
    /// The name of its crate.
    name: String,
    dependencies: String,
    source: String,
}

/// The recipes whose `serve` takes something else, as the page says.
const CALLS: &[(&str, &str)] = &[
    (
        "api-keys-from-a-database",
        "serve(listener, rusqlite::Connection::open(\"partners.db\")?)",
    ),
    ("tickets-behind-your-own-middleware", "serve(listener)"),
    (
        "opentelemetry",
        "serve(listener, &std::env::var(\"SECRET\")?, opentelemetry_stdout::SpanExporter::default())",
    ),
    (
        "session-login-with-redis",
        "serve(listener, &std::env::var(\"SECRET\")?, \"redis://127.0.0.1:6379\")",
    ),
];

/// The paths that are not `/ws`.
const PATHS: &[(&str, &str)] = &[
    ("rooms-by-path", "/tenants/7/rooms/blue"),
    ("anonymous-first-and-a-login-later", "/news"),
    ("socket-io", "/socket.io/"),
    ("async-graphql", "/graphql"),
    ("juniper", "/graphql"),
    ("model-context-protocol", "/mcp"),
];

/// The programs that admit pages alone: they refuse a client without an origin before they ask for
/// its credential.
const PAGES_ONLY: &[&str] = &["socket-io"];

/// It needs a Redis on the usual port, which may be another program's.
const ONLY_BUILT: &str = "session-login-with-redis";

pub(crate) fn step(session: &Session) -> Result<(), Stop> {
    Ok(command(&session.workspace)?)
}

pub(crate) fn command(workspace: &Workspace) -> Result<(), String> {
    let folder = workspace.tools.with_file_name("newcomer");
    unpack(workspace, &folder.join("packages"))?;
    let mut programs = vec![readme(&read("README.md")?)?];
    programs.extend(recipes(&read("docs/fitting.md")?)?);
    for program in &programs {
        let binary = build(program, &folder, &workspace.libraries)?;
        if program.name != ONLY_BUILT {
            try_out(program, &binary)?;
        }
    }
    say!("    {} programs", programs.len());
    Ok(())
}

/// The first blocks of the README.
fn readme(page: &str) -> Result<Program, String> {
    let missing = || "README.md has no example with its dependencies".to_owned();
    let (dependencies, source) = blocks(page).ok_or_else(missing)?;
    Ok(Program {
        name: "readme".to_owned(),
        dependencies: dependencies.to_owned(),
        source: source.to_owned(),
    })
}

/// Each section of the recipes, with the `main` of the page.
fn recipes(page: &str) -> Result<Vec<Program>, String> {
    let (_, section) = page
        .split_once("\n## Recipes\n")
        .ok_or("docs/fitting.md has no section `Recipes`")?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut programs = Vec::new();
    for recipe in section.split("\n### ").skip(1) {
        let title = recipe.lines().next().unwrap_or_default();
        let name = title.to_lowercase().replace([' ', '.'], "-");
        let name = name.replace(',', "");
        let missing = || format!("docs/fitting.md: the recipe {title:?} has no program");
        let (dependencies, source) = blocks(recipe).ok_or_else(missing)?;
        let call = CALLS.iter().find(|(of, _)| *of == name);
        let main = MAIN.replace(CALL, call.map_or(CALL, |(_, call)| call));
        programs.push(Program {
            dependencies: dependencies.to_owned(),
            source: format!("{source}\n{main}"),
            name,
        });
    }
    if programs.is_empty() {
        return Err("docs/fitting.md has no recipe".to_owned());
    }
    Ok(programs)
}

/// The dependencies and the program of a text: its first block of TOML, and the Rust after it.
fn blocks(text: &str) -> Option<(&str, &str)> {
    let (_, rest) = text.split_once("```toml\n")?;
    let (dependencies, rest) = rest.split_once("```\n")?;
    let (_, rest) = rest.split_once("```rust")?;
    let (_, rest) = rest.split_once('\n')?;
    let (source, _) = rest.split_once("```\n")?;
    Some((dependencies, source))
}

/// A manifest as a stranger writes it, but with the packages in place of the registry's.
fn manifest(program: &Program, libraries: &[Library]) -> String {
    let patch = |library: &Library| {
        let name = &library.name;
        format!("{name} = {{ path = \"../packages/{name}\" }}\n")
    };
    let patches: String = libraries.iter().map(patch).collect();
    format!(
        "[workspace]\n\n[package]\nname = \"{}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n{}\n\
         [patch.crates-io]\n{patches}",
        program.name, program.dependencies
    )
}

fn build(program: &Program, folder: &Path, libraries: &[Library]) -> Result<PathBuf, String> {
    let place = folder.join(&program.name);
    let failed = |error| format!("{}: {error}", place.display());
    fs::create_dir_all(place.join("src")).map_err(failed)?;
    let manifest = manifest(program, libraries);
    fs::write(place.join("Cargo.toml"), manifest).map_err(failed)?;
    fs::write(place.join("src/main.rs"), &program.source).map_err(failed)?;
    let target = folder.join("target");
    let build = |offline: Option<&str>| {
        let mut command = cargo(&["build"]);
        command.args(offline).arg("--manifest-path");
        command.arg(place.join("Cargo.toml"));
        command.arg("--target-dir").arg(&target);
        run(&mut command)
    };
    // The registry is asked only if this machine lacks a crate.
    build(Some("--offline")).or_else(|_| build(None))?;
    Ok(target.join("debug").join(&program.name))
}

/// Runs the program, and asks it with a token that is not valid.
fn try_out(program: &Program, binary: &Path) -> Result<(), String> {
    let name = &program.name;
    let path = PATHS.iter().find(|(of, _)| of == name);
    let path = path.map_or("/ws", |(_, path)| path);
    let log = binary.with_extension("log");
    let mut running = Running::start(binary, &log)?;
    let answer = running.ask(path)?;
    drop(running);
    say!("    {name}: {}", answer.lines().next().unwrap_or_default());
    let status = if PAGES_ONLY.contains(&&**name) {
        403
    } else {
        401
    };
    if !answer.starts_with(&format!("HTTP/1.1 {status} ")) {
        return Err(format!(
            "{name} answers a stranger {answer:?} and not {status}"
        ));
    }
    let told = fs::read(&log).map_err(|error| format!("{}: {error}", log.display()))?;
    if String::from_utf8_lossy(&told).contains(TOKEN) {
        return Err(format!("{name} has logged the token: {}", log.display()));
    }
    Ok(())
}

const TOKEN: &str = "a-strangers-token";

/// A program on its port; it is killed on drop.
struct Running(Child);

impl Running {
    fn start(binary: &Path, log: &Path) -> Result<Self, String> {
        if TcpListener::bind(ADDRESS).is_err() {
            return Err(format!("{ADDRESS}, on which the programs listen, is taken"));
        }
        let failed = |error| format!("{}: {error}", binary.display());
        let out = File::create(log).map_err(failed)?;
        let secret = "a secret of thirty-two characters";
        let child = Command::new(binary)
            .envs([("SECRET", secret), ("JWT_SECRET", secret)])
            .env("RUST_LOG", "trace")
            .current_dir(binary.parent().unwrap_or(Path::new(".")))
            .stdin(Stdio::null())
            .stderr(out.try_clone().map_err(failed)?)
            .stdout(out)
            .spawn();
        child.map(Self).map_err(failed)
    }

    /// The answer to a handshake. It waits until the program listens.
    fn ask(&mut self, path: &str) -> Result<String, String> {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut stream = loop {
            if let Ok(stream) = TcpStream::connect(ADDRESS) {
                break stream;
            }
            let ended = self.0.try_wait().map_err(|error| error.to_string())?;
            if let Some(status) = ended {
                return Err(format!("the program ended: {status}"));
            }
            if Instant::now() > deadline {
                return Err("the program does not listen after 30 s".to_owned());
            }
            thread::sleep(Duration::from_millis(20));
        };
        let head = format!(
            "GET {path}?token={TOKEN} HTTP/1.1\r\nHost: {ADDRESS}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let mut answer = String::new();
        let asked = stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .and_then(|()| stream.write_all(head.as_bytes()))
            .and_then(|()| stream.read_to_string(&mut answer));
        asked.map(|_| answer).map_err(|error| error.to_string())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_is_its_blocks_and_the_main_of_the_page() {
        let page = "# Fitting\n\n## Recipes\n\n```rust\nfn main() {}\n```\n\n### Rooms by path\n\nText.\n\n\
                    ```toml\n[dependencies]\nhttp = \"1\"\n```\n\n```rust\nasync fn serve() {}\n```\n\n\
                    ### Socket.IO\n\n```toml\n[dependencies]\n```\n\n```rust\nfn serve() {}\n```\n\n\
                    ### Tickets behind your own middleware\n\n```toml\n[dependencies]\n```\n\n```rust\nfn serve() {}\n```\n\n\
                    ## Wrong orders\n\n```toml\n```\n";
        let programs = recipes(page).unwrap();
        assert_eq!(programs.len(), 3);
        assert_eq!(programs[0].name, "rooms-by-path");
        assert_eq!(programs[0].dependencies, "[dependencies]\nhttp = \"1\"\n");
        assert!(programs[0].source.starts_with("async fn serve() {}\n"));
        assert!(programs[0].source.contains(CALL));
        assert_eq!(programs[1].name, "socket-io");
        assert!(programs[2].source.contains("serve(listener).await"));
        assert!(recipes("# Fitting\n").is_err());
        let without = page.replace("```toml\n[dependencies]\nhttp", "[dependencies]\nhttp");
        assert_ne!(recipes(&without).unwrap_or_default(), programs);
    }

    #[test]
    fn the_pages_have_their_programs() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let page = |path: &str| fs::read_to_string(root.join(path)).unwrap();
        let example = readme(&page("README.md")).unwrap();
        assert!(example.source.contains(ADDRESS));
        assert!(example.dependencies.contains("tower-ws-auth"));
        let recipes = recipes(&page("docs/fitting.md")).unwrap();
        let names: Vec<_> = recipes.iter().map(|program| &*program.name).collect();
        assert!(names.len() >= 14, "{names:?}");
        let tables = CALLS.iter().chain(PATHS).map(|(name, _)| *name);
        for name in tables.chain([ONLY_BUILT]).chain(PAGES_ONLY.iter().copied()) {
            assert!(names.contains(&name), "{name}");
        }
        for program in recipes {
            assert!(
                program.source.contains("pub async fn serve("),
                "{}",
                program.name
            );
            assert_eq!(program.source.matches("fn main()").count(), 1);
        }
    }

    #[test]
    fn the_manifest_takes_the_packages_and_belongs_to_no_workspace() {
        let program = Program {
            name: "a".to_owned(),
            dependencies: "[dependencies]\nb = \"1\"\n".to_owned(),
            source: String::new(),
        };
        let library = Library {
            name: "b".to_owned(),
            features: Vec::new(),
            defaults: Vec::new(),
        };
        assert_eq!(
            manifest(&program, &[library]),
            "[workspace]\n\n[package]\nname = \"a\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
             [dependencies]\nb = \"1\"\n\n[patch.crates-io]\nb = { path = \"../packages/b\" }\n"
        );
    }
}
