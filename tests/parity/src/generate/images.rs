//! Images on nodes and in pods.

use serde_json::{Value, json};

use super::world::World;

const MB: i64 = 1_000_000;

/// Images as a pod names them, the same as a node lists it, and its usual size.
const IMAGES: [(&str, &str, i64); 8] = [
    ("nginx", "nginx:latest", 190 * MB),
    ("nginx:1.25", "nginx:1.25", 70 * MB),
    ("registry.example.com/shop/web:v1", "registry.example.com/shop/web:v1", 900 * MB),
    // The colon is the port's: there is no tag.
    ("registry.example.com:5000/db", "registry.example.com:5000/db:latest", 1500 * MB),
    (
        "registry.example.com/ml@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "registry.example.com/ml@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        2900 * MB,
    ),
    ("busybox:stable", "busybox:stable", 4 * MB),
    ("registry.example.com/threshold:v1", "registry.example.com/threshold:v1", 23 << 20),
    ("registry.example.com/nowhere:v1", "", 0),
];

/// A node's `status.images`.
pub(super) fn of_node(world: &mut World) -> Vec<Value> {
    let strength = world.knobs.images;
    let dice = &mut world.dice;
    if !dice.chance(strength) {
        return Vec::new();
    }
    let mut images = Vec::new();
    for (_, name, size) in IMAGES {
        if name.is_empty() || !dice.chance(0.5) {
            continue;
        }
        // The size that the first node reports counts for all.
        let size = if dice.chance(0.1) { size + size / 3 } else { size };
        let mut names = vec![name.to_owned()];
        if dice.chance(0.2) {
            names.push(format!("mirror.example.com/{name}"));
        }
        images.push(json!({"names": names, "sizeBytes": size}));
        // The first of two entries for one image counts.
        if dice.chance(0.05) {
            images.push(json!({"names": [name], "sizeBytes": size * dice.range(2, 9) / 4}));
        }
    }
    images
}

/// The image of a container.
pub(super) fn of_container(world: &mut World) -> &'static str {
    if world.knobs.images == 0.0 {
        return IMAGES[0].0;
    }
    world.dice.pick(&IMAGES).0
}

/// `spec.volumes` made of images.
pub(super) fn volumes(world: &mut World) -> Vec<Value> {
    if !world.dice.chance(world.knobs.images * 0.15) {
        return Vec::new();
    }
    (0..world.dice.count(1, 2))
        .map(|number| json!({"name": format!("image-{number}"), "image": {"reference": of_container(world), "pullPolicy": "IfNotPresent"}}))
        .collect()
}
