//! Host ports.

use serde_json::{Value, json};

use super::world::World;

const PORTS: [i64; 4] = [80, 443, 8080, 9090];

/// `ports` of a container. `taken` holds what other containers of the pod have: all must differ.
pub(super) fn of_container(world: &mut World, host_network: bool, taken: &mut Vec<String>) -> Vec<Value> {
    let (strength, tight) = (world.knobs.ports, world.knobs.tight);
    let dice = &mut world.dice;
    if !dice.chance(strength * if tight { 0.95 } else { 0.5 }) {
        return Vec::new();
    }
    let mut ports = Vec::new();
    for _ in 0..dice.weighted(&[(4, 1), (1, 2)]) {
        let number = *dice.pick(&PORTS);
        let protocol = dice.weighted(&[(3, ""), (4, "TCP"), (2, "UDP"), (1, "SCTP")]);
        let ip =
            dice.weighted(&[(6, ""), (2, "0.0.0.0"), (3, "10.0.0.1"), (2, "127.0.0.1"), (1, "10.0.0.2"), (1, "::")]);
        let shown = if protocol.is_empty() { "TCP" } else { protocol };
        let key = format!("{shown}/{number}/{ip}");
        if taken.contains(&key) {
            continue;
        }
        taken.push(key);
        let mut port = json!({"containerPort": number});
        // On the host's network every container port is a host port; written or not.
        if !host_network || dice.chance(0.5) {
            port["hostPort"] = json!(if host_network || dice.chance(0.9) { number } else { 0 });
        }
        for (field, value) in [("protocol", protocol), ("hostIP", ip)] {
            if !value.is_empty() {
                port[field] = json!(value);
            }
        }
        ports.push(port);
    }
    ports
}
