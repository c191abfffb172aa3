use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use test_support::{PATIENCE, free_port, signal};

/// Between two looks whether a server has started.
const PAUSE: Duration = Duration::from_millis(5);

/// A Redis of our own: on a free port, in a folder of its own, without persistence. It is killed on
/// drop.
#[derive(Debug)]
pub struct Server {
    port: u16,
    folder: TempDir,
    options: Vec<String>,
    process: Child,
}

impl Server {
    /// Without options.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With further options, such as `--requirepass secret`.
    pub fn with(options: &[&str]) -> Self {
        let options: Vec<_> = options.iter().map(ToString::to_string).collect();
        for _ in 0..5 {
            // Another program may take the port before the server does.
            let port = free_port();
            let folder = tempfile::tempdir().unwrap();
            let process = spawn(port, &folder, &options);
            let mut server = Self {
                port,
                folder,
                options: options.clone(),
                process,
            };
            if server.comes_up() {
                return server;
            }
        }
        panic!("{} does not come up", program());
    }

    /// On 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:…`
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// SIGKILL. Its data is lost.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// On the same port, and empty.
    pub fn start_again(&mut self) {
        self.process = spawn(self.port, &self.folder, &self.options);
        assert!(self.comes_up());
    }

    /// SIGSTOP: connections stay open, and the server does not answer.
    pub fn pause(&self) {
        signal(self.process.id(), "STOP");
    }

    /// SIGCONT.
    pub fn resume(&self) {
        signal(self.process.id(), "CONT");
    }

    /// An operator's command on a connection of its own, words separated by spaces.
    pub async fn ask<T: redis::FromRedisValue>(&self, command: &str) -> T {
        let client = redis::Client::open(self.url()).unwrap();
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let wire = client.get_multiplexed_async_connection_with_config(&config);
        let mut wire = wire.await.unwrap();
        let mut words = command.split(' ');
        let mut question = redis::cmd(words.next().unwrap());
        words.for_each(|word| {
            question.arg(word);
        });
        question.query_async(&mut wire).await.unwrap()
    }

    fn comes_up(&mut self) -> bool {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if self.process.try_wait().unwrap().is_some() {
                return false;
            }
            if self.answers() {
                return true;
            }
            std::thread::sleep(PAUSE);
        }
        false
    }

    fn answers(&self) -> bool {
        let Ok(mut socket) = TcpStream::connect(("127.0.0.1", self.port)) else {
            return false;
        };
        // `+PONG`, or `-NOAUTH` if a password is required.
        let mut answer = [0; 5];
        socket.write_all(b"PING\r\n").is_ok()
            && socket.read_exact(&mut answer).is_ok()
            && matches!(&answer, b"+PONG" | b"-NOAU")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(port: u16, folder: &TempDir, options: &[String]) -> Child {
    let mut command = Command::new(program());
    if let [config, ..] = options
        && !config.starts_with("--")
    {
        command.arg(config);
    }
    let started = command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no", "--dir"])
        .arg(folder.path())
        .args(
            options
                .iter()
                .skip_while(|option| !option.starts_with("--")),
        )
        .stdout(Stdio::null())
        .spawn();
    started.unwrap_or_else(|error| {
        let program = program();
        panic!("{program} cannot be started ({error}): `cargo xtask setup` installs redis-server")
    })
}

fn program() -> String {
    std::env::var("TEST_REDIS_SERVER").unwrap_or_else(|_| "redis-server".into())
}
