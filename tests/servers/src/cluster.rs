use test_support::{free_port, until_ok};

use crate::Server;

/// A Redis Cluster of our own on 127.0.0.1.
#[derive(Debug)]
pub struct Cluster {
    /// The masters, which share the slots, followed by the replicas of the first ones.
    pub nodes: Vec<Server>,
}

const SLOTS: usize = 16_384;

impl Cluster {
    /// Starts this many masters, and replicas of this many of them. The cluster is up on return.
    ///
    /// No node takes another one for dead before [`fails_over`](Self::fails_over), so that a
    /// stalled machine does not lose its master.
    pub async fn start(masters: usize, replicas: usize) -> Self {
        // The port of the bus is 10,000 more by default, and often in the ephemeral range.
        let buses: Vec<_> = (0..masters + replicas).map(|_| free_port()).collect();
        let nodes = buses.iter().map(|bus| {
            Server::with(&[
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &bus.to_string(),
                "--cluster-node-timeout",
                "60000",
                "--cluster-replica-validity-factor",
                "0",
            ])
        });
        let cluster = Self {
            nodes: nodes.collect(),
        };
        for (n, master) in cluster.nodes[..masters].iter().enumerate() {
            let (from, to) = (SLOTS * n / masters, SLOTS * (n + 1) / masters - 1);
            let slots = format!("CLUSTER ADDSLOTSRANGE {from} {to}");
            let () = master.ask(&slots).await;
            let epoch = format!("CLUSTER SET-CONFIG-EPOCH {}", n + 1);
            let () = master.ask(&epoch).await;
        }
        for (node, bus) in cluster.nodes.iter().zip(&buses).skip(1) {
            let meet = format!("CLUSTER MEET 127.0.0.1 {} {bus}", node.port());
            let () = cluster.nodes[0].ask(&meet).await;
        }
        cluster.have_met().await;
        for (master, replica) in cluster.nodes.iter().zip(&cluster.nodes[masters..]) {
            let id = cluster.id(master).await;
            let () = replica.ask(&format!("CLUSTER REPLICATE {id}")).await;
            says(replica, "INFO", "link_status:up").await;
        }
        cluster.is_up().await;
        cluster
    }

    /// `redis://127.0.0.1:…` of each node.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Server::url).collect()
    }

    /// The slot of a key, and the number of the master that has it at first.
    pub async fn slot(&self, key: &str, masters: usize) -> (usize, usize) {
        let slot = self.nodes[0].ask(&format!("CLUSTER KEYSLOT {key}")).await;
        let of = |n: usize| (SLOTS * n / masters..SLOTS * (n + 1) / masters).contains(&slot);
        (slot, (0..masters).find(|&n| of(n)).unwrap())
    }

    /// From now on `from` redirects clients to `to` for missing keys of the slot.
    pub async fn begin_to_move(&self, slot: usize, from: usize, to: usize) {
        let (from, to) = (&self.nodes[from], &self.nodes[to]);
        for (node, does, other) in [(to, "IMPORTING", from), (from, "MIGRATING", to)] {
            let id = self.id(other).await;
            let () = node
                .ask(&format!("CLUSTER SETSLOT {slot} {does} {id}"))
                .await;
        }
    }

    /// Moves the existing keys, one after the other. New ones are created at `to`.
    pub async fn move_keys(&self, slot: usize, from: usize, to: usize) {
        let to = self.nodes[to].port();
        let question = format!("CLUSTER GETKEYSINSLOT {slot} 10");
        loop {
            let keys: Vec<String> = self.nodes[from].ask(&question).await;
            if keys.is_empty() {
                return;
            }
            for key in keys {
                let migrate = format!("MIGRATE 127.0.0.1 {to} {key} 0 60000");
                // `OK`, or `NOKEY` if the key was taken meanwhile.
                let _: String = self.nodes[from].ask(&migrate).await;
            }
        }
    }

    /// The slot belongs to `to`, and every other node redirects its clients there.
    pub async fn end_move(&self, slot: usize, to: usize) {
        let id = self.id(&self.nodes[to]).await;
        let is_now = format!("CLUSTER SETSLOT {slot} NODE {id}");
        // First the nodes that know where the keys are.
        let () = self.nodes[to].ask(&is_now).await;
        for (n, node) in self.nodes.iter().enumerate() {
            if n != to {
                let () = node.ask(&is_now).await;
            }
        }
    }

    /// The number of answers with this error, such as `ASK`.
    pub async fn errors(&self, code: &str) -> u64 {
        let mut errors = 0;
        for n in 0..self.nodes.len() {
            errors += self.errors_of(n, code).await;
        }
        errors
    }

    /// The number of answers of one node with this error.
    pub async fn errors_of(&self, node: usize, code: &str) -> u64 {
        let name = format!("errorstat_{code}:count=");
        let stats: String = self.nodes[node].ask("INFO errorstats").await;
        let count = stats.lines().find_map(|line| line.strip_prefix(&name));
        count.map_or(0, |count| count.trim().parse().unwrap())
    }

    /// Kills a master with SIGKILL, once its replica has all its data.
    pub async fn kill(&mut self, master: usize, replica: usize) {
        until_ok("it is replicated", async || {
            let of_master = self.offset(master, "master_repl_offset:").await;
            of_master == self.offset(replica, "slave_repl_offset:").await
        })
        .await;
        self.nodes[master].kill();
    }

    /// Lets the remaining nodes notice that a master is dead, and promote this replica.
    pub async fn fails_over(&self, dead: usize, replica: usize) {
        for (n, node) in self.nodes.iter().enumerate() {
            if n != dead {
                let () = node.ask("CONFIG SET cluster-node-timeout 500").await;
            }
        }
        says(&self.nodes[replica], "INFO", "role:master").await;
        // The others hear of it, and until then answer nobody.
        for (n, node) in self.nodes.iter().enumerate() {
            if n != dead {
                says(node, "CLUSTER INFO", "cluster_state:ok").await;
            }
        }
    }

    async fn offset(&self, node: usize, name: &str) -> String {
        let info: String = self.nodes[node].ask("INFO replication").await;
        let offset = info.lines().find_map(|line| line.strip_prefix(name));
        offset.unwrap_or_default().to_owned()
    }

    async fn id(&self, node: &Server) -> String {
        node.ask("CLUSTER MYID").await
    }

    async fn have_met(&self) {
        for node in &self.nodes {
            until_ok("the nodes meet", async || {
                let known: String = node.ask("CLUSTER NODES").await;
                known.lines().count() == self.nodes.len() && !known.contains("handshake")
            })
            .await;
        }
    }

    /// After a start it takes two seconds until it may write.
    async fn is_up(&self) {
        for node in &self.nodes {
            says(node, "CLUSTER INFO", "cluster_state:ok").await;
            says(node, "CLUSTER INFO", "cluster_slots_ok:16384").await;
        }
    }
}

async fn says(node: &Server, question: &str, answer: &str) {
    let says = async || node.ask::<String>(question).await.contains(answer);
    until_ok(answer, says).await;
}
