//! A real Redis Cluster of a test's own: three primaries, each with a replica where a test fails one over.

use std::time::{Duration, Instant};

use super::redis::RedisServer;

/// Longest nodes may take to agree on who has which slots.
const AGREE_LIMIT: Duration = Duration::from_secs(60);
const PRIMARIES: usize = 3;
/// Slots of a cluster.
const SLOTS: usize = 16_384;
/// How long a node is away before the others say so.
const NODE_TIMEOUT_MS: &str = "1000";

pub struct RedisCluster {
    /// The primaries first, then the replica of each, if there are any.
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Three primaries.
    pub fn start_new() -> Self {
        Self::of(PRIMARIES, &[])
    }

    /// Three primaries with a replica each; a part that is down leaves the others up.
    pub fn with_replicas() -> Self {
        Self::of(2 * PRIMARIES, &["--cluster-require-full-coverage", "no"])
    }

    fn of(count: usize, more: &[&str]) -> Self {
        let cluster = ["--save", "", "--appendonly", "no", "--cluster-enabled", "yes", "--cluster-node-timeout", NODE_TIMEOUT_MS];
        let quick = ["--repl-diskless-sync-delay", "0", "--cluster-replica-validity-factor", "0"];
        let arguments: Vec<&str> = cluster.iter().chain(&quick).chain(more).copied().collect();
        let cluster = Self { nodes: (0..count).map(|_| RedisServer::with(&arguments)).collect() };
        cluster.join();
        cluster
    }

    fn join(&self) {
        for (index, node) in self.nodes.iter().enumerate() {
            let mut connection = node.connection();
            redis::cmd("CLUSTER").arg("SET-CONFIG-EPOCH").arg(index + 1).exec(&mut connection).unwrap();
            if index < PRIMARIES {
                let (first, after) = (index * SLOTS / PRIMARIES, (index + 1) * SLOTS / PRIMARIES);
                redis::cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(first).arg(after - 1).exec(&mut connection).unwrap();
            }
            redis::cmd("CLUSTER").arg("MEET").arg("127.0.0.1").arg(self.nodes[0].port()).exec(&mut connection).unwrap();
        }
        self.until(|cluster| (0..cluster.nodes.len()).all(|index| cluster.knows_all(index)));
        for (replica, primary) in self.nodes.iter().skip(PRIMARIES).zip(&self.nodes) {
            let id: String = redis::cmd("CLUSTER").arg("MYID").query(&mut primary.connection()).unwrap();
            redis::cmd("CLUSTER").arg("REPLICATE").arg(id).exec(&mut replica.connection()).unwrap();
        }
        self.until(|cluster| cluster.nodes.iter().skip(PRIMARIES).all(|replica| info(replica, "master_link_status:up")));
        self.until(|cluster| {
            cluster
                .nodes
                .iter()
                .all(|node| rows(node).len() == PRIMARIES && rows(node).iter().all(|row| row.len() == 2 + cluster.nodes.len() / PRIMARIES))
        });
    }

    fn knows_all(&self, index: usize) -> bool {
        let said: String = redis::cmd("CLUSTER").arg("INFO").query(&mut self.nodes[index].connection()).unwrap();
        said.contains("cluster_state:ok") && said.contains(&format!("cluster_known_nodes:{}", self.nodes.len()))
    }

    fn until(&self, mut is_so: impl FnMut(&Self) -> bool) {
        let began = Instant::now();
        while !is_so(self) {
            assert!(began.elapsed() < AGREE_LIMIT, "the cluster does not agree within {AGREE_LIMIT:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The URL of the primaries.
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.nodes.iter().take(PRIMARIES).map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis://{}", hosts.join(","))
    }

    /// The primaries, as they were in the beginning.
    pub fn primaries(&self) -> &[RedisServer] {
        &self.nodes[..PRIMARIES]
    }

    pub fn kill(&mut self, index: usize) {
        self.nodes[index].stop();
    }

    /// Whether the replica of primary `index` has taken its place.
    pub fn is_promoted(&self, index: usize) -> bool {
        info(&self.nodes[PRIMARIES + index], "role:master")
    }

    /// Gives every slot of primary `from` to primary `to`, keys and all, while both serve.
    pub fn move_slots(&self, from: usize, to: usize) {
        let id = |index: usize| -> String { redis::cmd("CLUSTER").arg("MYID").query(&mut self.nodes[index].connection()).unwrap() };
        let (mut giver, mut taker) = (self.nodes[from].connection(), self.nodes[to].connection());
        let (giver_id, taker_id) = (id(from), id(to));
        for slot in from * SLOTS / PRIMARIES..(from + 1) * SLOTS / PRIMARIES {
            let set = |word: &str, id: &str| {
                let mut set = redis::cmd("CLUSTER");
                set.arg("SETSLOT").arg(slot).arg(word).arg(id);
                set
            };
            set("IMPORTING", &giver_id).exec(&mut taker).unwrap();
            set("MIGRATING", &taker_id).exec(&mut giver).unwrap();
            let keys: Vec<String> = redis::cmd("CLUSTER").arg("GETKEYSINSLOT").arg(slot).arg(1_000).query(&mut giver).unwrap();
            for key in keys {
                let mut migrate = redis::cmd("MIGRATE");
                migrate.arg("127.0.0.1").arg(self.nodes[to].port()).arg(key).arg(0).arg(5_000);
                migrate.exec(&mut giver).unwrap();
            }
            set("NODE", &taker_id).exec(&mut taker).unwrap();
            // A primary that has heard that its last slot went is a replica of the taker by then (`cluster-allow-replica-migration`).
            let told = set("NODE", &taker_id).exec(&mut giver);
            assert!(told.is_ok() || info(&self.nodes[from], "role:slave"), "{told:?}");
        }
    }
}

fn info(node: &RedisServer, line: &str) -> bool {
    let said: String = redis::cmd("INFO").arg("replication").query(&mut node.connection()).unwrap();
    said.contains(line)
}

fn rows(node: &RedisServer) -> Vec<Vec<redis::Value>> {
    redis::cmd("CLUSTER").arg("SLOTS").query(&mut node.connection()).unwrap()
}
