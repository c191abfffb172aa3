use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo};
use redis::{RedisResult, Value, cmd};

/// Whether every master of the cluster answers on its connection.
///
/// Without a connection to a master, the client would look for one again and again. Meanwhile it
/// holds up the commands for all other nodes.
pub(crate) async fn answer(mut cluster: ClusterConnection) -> RedisResult<bool> {
    let one = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
    let mut slots = cmd("CLUSTER");
    slots.arg("SLOTS");
    let slots = cluster.route_command(slots, one).await?;
    // It leaves out the masters that it is not connected to.
    let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
    let answers = cluster.route_command(cmd("PING"), all).await?;
    Ok(matches!(answers, Value::Map(answers) if answers.len() == count(&slots)))
}

/// The number of masters in an answer to `CLUSTER SLOTS`.
fn count(slots: &Value) -> usize {
    let mut masters = Vec::new();
    for range in slots.as_sequence().unwrap_or_default() {
        // The first slot, the last one, the master, its replicas.
        let master = range.as_sequence().and_then(|range| range.get(2));
        masters.extend(master.filter(|master| !masters.contains(master)));
    }
    masters.len()
}
