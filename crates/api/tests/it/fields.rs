//! The table of all fields (`src/fields/table.txt`) against the API's own types, which say what they have when something is read into
//! them.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use k8s_openapi::api::{apps, batch, core, node, policy, resource, scheduling, storage};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use serde::Deserialize;
use serde::de::value::{Error, StrDeserializer};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};

/// Set, it has the test write the table.
const WRITE: &str = "LOADLINE_WRITE_FIELDS";

/// `scheduling.x-k8s.io/v1alpha1` PodGroup, as its CRD in `manifests` has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only the names of the fields are asked for")]
struct PodGroup {
    api_version: Option<String>,
    kind: Option<String>,
    metadata: ObjectMeta,
    spec: Option<PodGroupSpec>,
    status: Option<PodGroupStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only the names of the fields are asked for")]
struct PodGroupSpec {
    min_member: Option<i32>,
    min_resources: Option<String>,
    schedule_timeout_seconds: Option<i32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only the names of the fields are asked for")]
struct PodGroupStatus {
    phase: Option<String>,
    occupied_by: Option<String>,
    running: Option<i32>,
    succeeded: Option<i32>,
    failed: Option<i32>,
    schedule_start_time: Option<String>,
    conditions: Option<Vec<Condition>>,
}

/// What stands below a field.
#[derive(Debug, Clone, Default, PartialEq)]
enum Below {
    /// A value, or a map with keys of its owner's choice.
    #[default]
    Anything,
    /// A type with fields, or a list of them.
    Type(String),
    /// A map from keys of its owner's choice to such a type.
    Values(String),
}

#[derive(Debug, PartialEq)]
struct Type {
    name: &'static str,
    fields: Vec<(&'static str, Below)>,
}

/// Types in the order in which they were met.
type Types = RefCell<Vec<Type>>;

/// Asks a type what it reads, and gives it as much as it takes to go on asking.
struct Asker<'t> {
    types: &'t Types,
    below: &'t mut Below,
}

impl<'de> Deserializer<'de> for Asker<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let mut access = Fields { types: self.types, rest: fields, found: Vec::new() };
        let value = visitor.visit_map(&mut access)?;
        *self.below = Below::Type(self.types.known(Type { name, fields: access.found }));
        Ok(value)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let mut access = Fields { types: self.types, rest: &["any"], found: Vec::new() };
        let value = visitor.visit_map(&mut access)?;
        *self.below = match access.found.pop() {
            Some((_, Below::Type(name))) => Below::Values(name),
            Some((_, Below::Anything)) => Below::Anything,
            found => panic!("the table has no words for {found:?} in a map"),
        };
        Ok(value)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Once(Some(self)))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(false)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i32(0)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i64(0)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        // A text for all: whatever reads times wants this one.
        visitor.visit_str("2026-05-11T08:12:01.000000Z")
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple tuple_struct enum identifier
        ignored_any
    }
}

/// One element for a list.
struct Once<'t>(Option<Asker<'t>>);

impl<'de> SeqAccess<'de> for Once<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        self.0.take().map(|asker| seed.deserialize(asker)).transpose()
    }
}

/// Every field once.
struct Fields<'t> {
    types: &'t Types,
    rest: &'static [&'static str],
    found: Vec<(&'static str, Below)>,
}

impl<'de> MapAccess<'de> for &mut Fields<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        while let Some((&name, rest)) = self.rest.split_first() {
            self.rest = rest;
            self.found.push((name, Below::Anything));
            // These have to be those of the type; they are texts anyway.
            if !["apiVersion", "kind"].contains(&name) {
                let key: StrDeserializer<'_, Error> = name.into_deserializer();
                return seed.deserialize(key).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let (_, below) = self.found.last_mut().expect("a key comes first");
        seed.deserialize(Asker { types: self.types, below })
    }
}

/// Which types were met, and by which name the table calls each: two may have the same.
trait Known {
    fn known(&self, found: Type) -> String;
}

impl Known for Types {
    fn known(&self, found: Type) -> String {
        let mut types = self.borrow_mut();
        let same: Vec<usize> = (0..types.len()).filter(|index| types[*index].name == found.name).collect();
        let number = same.iter().position(|index| types[*index] == found).unwrap_or(same.len());
        let name = if number == 0 { found.name.to_owned() } else { format!("{}{}", found.name, number + 1) };
        if number == same.len() {
            types.push(found);
        }
        name
    }
}

fn ask<T: DeserializeOwned>(types: &Types) -> String {
    let mut below = Below::default();
    let asker = Asker { types, below: &mut below };
    T::deserialize(asker).unwrap_or_else(|error| panic!("{}: {error}", std::any::type_name::<T>()));
    match below {
        Below::Type(name) => name,
        other => panic!("{} has no fields but {other:?}", std::any::type_name::<T>()),
    }
}

fn table() -> String {
    let types = Types::default();
    let kinds = [
        ("Node", ask::<core::v1::Node>(&types)),
        ("Pod", ask::<core::v1::Pod>(&types)),
        ("Namespace", ask::<core::v1::Namespace>(&types)),
        ("Service", ask::<core::v1::Service>(&types)),
        ("LimitRange", ask::<core::v1::LimitRange>(&types)),
        ("ReplicationController", ask::<core::v1::ReplicationController>(&types)),
        ("ReplicaSet", ask::<apps::v1::ReplicaSet>(&types)),
        ("StatefulSet", ask::<apps::v1::StatefulSet>(&types)),
        ("Deployment", ask::<apps::v1::Deployment>(&types)),
        ("DaemonSet", ask::<apps::v1::DaemonSet>(&types)),
        ("Job", ask::<batch::v1::Job>(&types)),
        ("PriorityClass", ask::<scheduling::v1::PriorityClass>(&types)),
        ("PodDisruptionBudget", ask::<policy::v1::PodDisruptionBudget>(&types)),
        ("RuntimeClass", ask::<node::v1::RuntimeClass>(&types)),
        ("PersistentVolume", ask::<core::v1::PersistentVolume>(&types)),
        ("PersistentVolumeClaim", ask::<core::v1::PersistentVolumeClaim>(&types)),
        ("StorageClass", ask::<storage::v1::StorageClass>(&types)),
        ("CSINode", ask::<storage::v1::CSINode>(&types)),
        ("CSIDriver", ask::<storage::v1::CSIDriver>(&types)),
        ("CSIStorageCapacity", ask::<storage::v1::CSIStorageCapacity>(&types)),
        ("VolumeAttachment", ask::<storage::v1::VolumeAttachment>(&types)),
        ("ResourceClaim", ask::<resource::v1::ResourceClaim>(&types)),
        ("ResourceClaimTemplate", ask::<resource::v1::ResourceClaimTemplate>(&types)),
        ("ResourceSlice", ask::<resource::v1::ResourceSlice>(&types)),
        ("DeviceClass", ask::<resource::v1::DeviceClass>(&types)),
        ("PodGroup", ask::<PodGroup>(&types)),
        ("CorePodGroup", ask::<scheduling::v1alpha2::PodGroup>(&types)),
    ];
    let mut text = String::new();
    for (kind, name) in kinds {
        writeln!(text, "kind {kind} {name}").unwrap();
    }
    for (index, found) in types.borrow().iter().enumerate() {
        let number = types.borrow()[..index].iter().filter(|other| other.name == found.name).count();
        let number = if number == 0 { String::new() } else { (number + 1).to_string() };
        write!(text, "{}{number}", found.name).unwrap();
        for (field, below) in &found.fields {
            match below {
                Below::Anything => write!(text, " {field}").unwrap(),
                Below::Type(name) => write!(text, " {field}:{name}").unwrap(),
                Below::Values(name) => write!(text, " {field}:*{name}").unwrap(),
            }
        }
        text.push('\n');
    }
    text
}

#[test]
fn the_table_has_the_fields_of_the_api() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/fields/table.txt");
    let wanted = table();
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap();
    assert!(found == wanted, "{} is not what the API has; {WRITE}=1 has this test write it", path.display());
    for kind in loadline_api::wire::Kind::ALL {
        assert!(wanted.contains(&format!("kind {} ", kind.id())), "{} is not in the table", kind.id());
    }
}
