//! Follows the redirections of a cluster.
//!
//! The client follows them only together with repeating commands after a broken connection, which
//! could take a ticket twice. A redirecting node has not carried the command out, so sending it to
//! the named node does not repeat it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{
    Arg, AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, Pipeline, RedisError,
    RedisResult, ServerError, ServerErrorKind, Value, cmd, pipe,
};
use tokio::sync::OnceCell;

use crate::turns::Turns;

/// A moving slot causes one redirection. More of them mean a cluster that has not settled.
const MOST: usize = 4;

/// A separate connection to each redirected node. It may be a new node, which the client does not
/// know before it has a slot.
pub(crate) struct Nodes {
    /// User, password, protocol and TLS are the same for every node.
    like: ConnectionInfo,
    config: AsyncConnectionConfig,
    open: Mutex<HashMap<String, Arc<OnceCell<MultiplexedConnection>>>>,
    /// Of the commands that the client itself sends.
    turns: Turns,
}

/// The address of a slot, as a node gives it.
struct Redirection {
    address: String,
    /// The slot is being moved there: the node requires `ASKING` before each command.
    asks: bool,
}

impl Nodes {
    pub(crate) fn new(like: ConnectionInfo, config: AsyncConnectionConfig) -> Self {
        Self {
            like,
            config,
            open: Mutex::default(),
            turns: Turns::new(),
        }
    }

    pub(crate) async fn command(
        &self,
        wire: &mut ClusterConnection,
        command: &Cmd,
    ) -> RedisResult<Value> {
        let sending = wire.req_packed_command(command);
        let mut answer = self.turns.take(sending).await;
        // The client divides it among nodes, and one of them may have redirected its part.
        if is_for_many_keys(command) {
            return answer;
        }
        for _ in 0..MOST {
            let Some(to) = Redirection::of(&answer) else {
                break;
            };
            let Some(mut node) = self.connect(&to.address).await? else {
                break;
            };
            answer = if to.asks {
                let mut asking = pipe();
                asking.cmd("ASKING").ignore().add_command(command.clone());
                asking
                    .query_async::<(Value,)>(&mut node)
                    .await
                    .map(|it| it.0)
            } else {
                command.query_async(&mut node).await
            };
            self.keep_if_sound(&to.address, &answer);
        }
        answer
    }

    /// Sends a transaction, of which a redirection carries out nothing, or commands that only read.
    pub(crate) async fn commands(
        &self,
        wire: &mut ClusterConnection,
        commands: &Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        let sending = wire.req_packed_commands(commands, offset, count);
        let mut answer = self.turns.take(sending).await;
        for _ in 0..MOST {
            let Some(to) = Redirection::of(&answer) else {
                break;
            };
            if !to.asks {
                look_anew(wire, commands).await;
            }
            let Some(mut node) = self.connect(&to.address).await? else {
                break;
            };
            answer = if to.asks {
                asking(commands).query_async(&mut node).await
            } else {
                node.req_packed_commands(commands, offset, count).await
            };
            self.keep_if_sound(&to.address, &answer);
        }
        answer
    }

    /// The connection to a node; `None` if its address cannot be parsed.
    async fn connect(&self, address: &str) -> RedisResult<Option<MultiplexedConnection>> {
        let Some(at) = self.at(address) else {
            return Ok(None);
        };
        let cell = Arc::clone(self.lock().entry(address.to_owned()).or_default());
        let open = || async {
            let client = Client::open(self.like.clone().set_addr(at))?;
            client
                .get_multiplexed_async_connection_with_config(&self.config)
                .await
        };
        cell.get_or_try_init(open).await.cloned().map(Some)
    }

    fn at(&self, address: &str) -> Option<ConnectionAddr> {
        let (host, port) = address.rsplit_once(':')?;
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let port = port.parse().ok()?;
        if host.is_empty() {
            return None;
        }
        match self.like.addr() {
            ConnectionAddr::TcpTls {
                insecure,
                tls_params,
                ..
            } => Some(ConnectionAddr::TcpTls {
                host,
                port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            }),
            _ => Some(ConnectionAddr::Tcp(host, port)),
        }
    }

    fn keep_if_sound<T>(&self, address: &str, answer: &RedisResult<T>) {
        let is_answer = |error: &RedisError| matches!(error.kind(), redis::ErrorKind::Server(_));
        if !answer.as_ref().err().is_none_or(is_answer) {
            self.lock().remove(address);
        }
    }

    /// Nothing under the lock panics.
    fn lock(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<String, Arc<OnceCell<MultiplexedConnection>>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Redirection {
    fn of<T>(answer: &RedisResult<T>) -> Option<Self> {
        let error = answer.as_ref().err()?.clone();
        let errors = error.into_server_errors()?;
        errors.iter().find_map(|(_, error)| Self::read(error))
    }

    fn read(error: &ServerError) -> Option<Self> {
        let asks = match error.kind()? {
            ServerErrorKind::Ask => true,
            ServerErrorKind::Moved => false,
            _ => return None,
        };
        // The slot, and the address.
        let address = error.details()?.split_ascii_whitespace().nth(1)?.to_owned();
        Some(Self { address, asks })
    }
}

fn is_for_many_keys(command: &Cmd) -> bool {
    let mut words = command.args_iter();
    words.len() > 2 && matches!(words.next(), Some(Arg::Simple(b"MGET")))
}

/// The client does not learn of a moved slot from a transaction. A single command tells it.
async fn look_anew(wire: &mut ClusterConnection, commands: &Pipeline) {
    let first = commands.cmd_iter().next();
    if let Some(Arg::Simple(key)) = first.and_then(|first| first.args_iter().nth(1)) {
        let mut look = cmd("PTTL");
        look.arg(key);
        let _ = wire.req_packed_command(&look).await;
    }
}

/// `ASKING` applies to the next command, and before `MULTI` to the whole transaction. The answers
/// are those of the commands, or the single one of the transaction.
fn asking(commands: &Pipeline) -> Pipeline {
    let mut asking = pipe();
    if commands.is_transaction() {
        asking.cmd("ASKING").ignore().cmd("MULTI").ignore();
        for command in commands.cmd_iter() {
            asking.add_command(command.clone()).ignore();
        }
        asking.cmd("EXEC");
    } else {
        for command in commands.cmd_iter() {
            asking.cmd("ASKING").ignore().add_command(command.clone());
        }
    }
    asking
}
