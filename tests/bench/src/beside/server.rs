//! The list of the servers, and how each is started.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use test_support::{find_packages, free_port};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::Target;
use super::process::{Cores, Process};
use crate::SECRET;

/// Python takes the longest to start.
const STARTS: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

pub(super) struct Server {
    pub(super) name: &'static str,
    program: Program,
    speaks: Speaks,
}

#[derive(Clone, Copy)]
enum Program {
    /// This program itself, as this server.
    Own(&'static str),
    /// A script in the folder `beside`.
    Node(&'static str),
    Uvicorn,
    /// In front of `ws`, which checks the token.
    Nginx,
    /// In front of `ws`, which checks nothing.
    Gateway,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    /// Any message is echoed.
    Plain,
    /// Packets of Socket.IO.
    SocketIo,
}

/// The first one is ours.
pub(super) const SERVERS: &[Server] = &[
    server("tower-ws-auth on axum", Program::Own("ours"), Speaks::Plain),
    server(
        "the same with a lease",
        Program::Own("leased"),
        Speaks::Plain,
    ),
    server("axum by hand", Program::Own("axum"), Speaks::Plain),
    server(
        "the same with a small buffer",
        Program::Own("axum-small"),
        Speaks::Plain,
    ),
    server(
        "socketioxide by hand",
        Program::Own("socketioxide"),
        Speaks::SocketIo,
    ),
    server("ws + jsonwebtoken", Program::Node("ws.cjs"), Speaks::Plain),
    server(
        "Express + Socket.IO",
        Program::Node("socket_io.cjs"),
        Speaks::SocketIo,
    ),
    server("FastAPI + PyJWT", Program::Uvicorn, Speaks::Plain),
];

/// The first one is ours. Their handshakes cost what proxy and server take together, and the rest
/// is the proxy alone.
pub(super) const PROXIES: &[Server] = &[
    server("gateway, then ws", Program::Gateway, Speaks::Plain),
    server(
        "nginx, then ws + jsonwebtoken",
        Program::Nginx,
        Speaks::Plain,
    ),
];

const fn server(name: &'static str, program: Program, speaks: Speaks) -> Server {
    Server {
        name,
        program,
        speaks,
    }
}

/// A server that accepts connections.
pub(super) struct Running {
    address: SocketAddr,
    speaks: Speaks,
    /// The first is in front of the others.
    processes: Vec<Process>,
    /// The files of nginx, until it has ended.
    folder: Option<TempDir>,
}

impl Running {
    /// Or why it cannot be started.
    pub(super) async fn start(server: &Server, cores: Cores) -> Result<Self, String> {
        let mut running = Self {
            address: free(),
            speaks: server.speaks,
            processes: Vec::new(),
            folder: None,
        };
        let address = running.address;
        let command = match server.program {
            Program::Own(name) => own(name, address)?,
            Program::Node(script) => node(script, address, Some(SECRET))?,
            Program::Uvicorn => uvicorn(address)?,
            Program::Nginx => {
                let upstream = running.behind(Some(SECRET), cores).await?;
                let folder = TempDir::new().map_err(|error| error.to_string())?;
                let command = nginx(address, upstream, folder.path())?;
                running.folder = Some(folder);
                command
            }
            Program::Gateway => {
                let upstream = running.behind(None, cores).await?;
                let mut command = own("gateway", address)?;
                command.arg(upstream.to_string());
                command
            }
        };
        running
            .processes
            .insert(0, Process::start(&command, cores)?);
        accepts(address, &mut running.processes[0]).await?;
        Ok(running)
    }

    /// Starts `ws` for a proxy.
    async fn behind(&mut self, secret: Option<&str>, cores: Cores) -> Result<SocketAddr, String> {
        let address = free();
        let mut process = Process::start(&node("ws.cjs", address, secret)?, cores)?;
        accepts(address, &mut process).await?;
        self.processes.push(process);
        Ok(address)
    }

    pub(super) fn target(&self) -> Target {
        Target::new(self.address, self.speaks)
    }

    /// The memory of what is in front, in bytes.
    pub(super) fn resident(&self) -> f64 {
        self.processes[0].resident()
    }

    /// The CPU seconds of all processes for each of the things that are done.
    pub(super) async fn cpu(
        &self,
        done: impl Future<Output = Result<u32, String>>,
    ) -> Result<f64, String> {
        spent(&self.processes, done).await
    }

    /// The same of what is in front.
    pub(super) async fn cpu_in_front(
        &self,
        done: impl Future<Output = Result<u32, String>>,
    ) -> Result<f64, String> {
        spent(&self.processes[..1], done).await
    }
}

async fn spent(
    processes: &[Process],
    done: impl Future<Output = Result<u32, String>>,
) -> Result<f64, String> {
    let cpu = || processes.iter().map(Process::cpu).sum::<Duration>();
    let before = cpu();
    let count = done.await?;
    let spent = cpu().saturating_sub(before);
    if count == 0 || spent.is_zero() {
        return Err("too little was done to be measured".to_owned());
    }
    Ok(spent.as_secs_f64() / f64::from(count))
}

async fn accepts(address: SocketAddr, process: &mut Process) -> Result<(), String> {
    let began = Instant::now();
    while TcpStream::connect(address).await.is_err() {
        if process.is_over() {
            return Err("it ended at its start".to_owned());
        }
        if began.elapsed() > STARTS {
            return Err("it does not accept connections".to_owned());
        }
        sleep(PAUSE).await;
    }
    Ok(())
}

fn free() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// A file of these servers.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("beside")
        .join(name)
}

fn own(name: &str, address: SocketAddr) -> Result<Command, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args(["serve", name, &address.port().to_string()]);
    Ok(command)
}

fn node(script: &str, address: SocketAddr, secret: Option<&str>) -> Result<Command, String> {
    let packages = find_packages("node/node_modules", "jsonwebtoken")?;
    let mut command = Command::new("node");
    command
        .arg(file(script))
        .arg(address.port().to_string())
        .args(secret);
    command
        .env("NODE_PATH", packages)
        .env("NODE_ENV", "production");
    Ok(command)
}

/// One worker, with what `uvicorn[standard]` brings.
fn uvicorn(address: SocketAddr) -> Result<Command, String> {
    let packages = find_packages("python", "uvloop")?;
    let mut command = Command::new("python3");
    command.args(["-m", "uvicorn", "application:app", "--no-access-log"]);
    command.args([
        "--log-level",
        "critical",
        "--loop",
        "uvloop",
        "--http",
        "httptools",
    ]);
    command
        .args(["--port", &address.port().to_string(), "--app-dir"])
        .arg(file(""));
    command.env("PYTHONPATH", packages).env("SECRET", SECRET);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

fn nginx(address: SocketAddr, upstream: SocketAddr, folder: &Path) -> Result<Command, String> {
    let failed = |error: std::io::Error| format!("nginx.conf: {error}");
    let text = std::fs::read_to_string(file("nginx.conf")).map_err(failed)?;
    let text = text
        .replace("FOLDER", &folder.display().to_string())
        .replace("LISTEN", &address.to_string())
        .replace("UPSTREAM", &upstream.to_string());
    let written = folder.join("nginx.conf");
    std::fs::write(&written, text).map_err(failed)?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder).arg("-c").arg(written);
    // Until it has read that file.
    command.arg("-e").arg(folder.join("error.log"));
    Ok(command)
}
