//! Requests, limits, capacities.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};

use loadline_model::quantity::Quantity;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::wire;

wire! {
    /// `resources` of a container or a pod.
    ResourceRequirements {
        requests: ResourceList,
        limits: ResourceList,
        claims: Vec<ResourceClaimName>,
    }

    /// `resources.claims[]`.
    ResourceClaimName {
        name: String,
        request: String,
    }
}

/// Amounts by resource name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceList(BTreeMap<String, Quantity>);

impl ResourceList {
    /// Makes every amount what comes back from an API server: rounded up to thousandths, in its canonical form.
    pub fn store(&mut self) {
        for amount in self.0.values_mut() {
            *amount = amount.round_up_to_milli().canonical();
        }
    }
}

impl Deref for ResourceList {
    type Target = BTreeMap<String, Quantity>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for ResourceList {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<K: Into<String>> FromIterator<(K, Quantity)> for ResourceList {
    fn from_iter<I: IntoIterator<Item = (K, Quantity)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, amount)| (name.into(), amount)).collect())
    }
}

impl<'de> Deserialize<'de> for ResourceList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Amounts;

        impl<'de> Visitor<'de> for Amounts {
            type Value = ResourceList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ResourceList, A::Error> {
                let mut amounts = BTreeMap::new();
                while let Some((name, Amount(amount))) = map.next_entry::<String, Amount>()? {
                    amounts.insert(name, amount);
                }
                Ok(ResourceList(amounts))
            }
        }

        deserializer.deserialize_map(Amounts)
    }
}

/// A quantity as text or number; `null` is 0.
struct Amount(Quantity);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Amount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as 100m, 1.5, 2Gi or 1e3")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
                Quantity::parse(text.trim())
                    .map(Amount)
                    .map_err(|error| E::custom(format_args!("{error}; found `{text}`")))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Amount, E> {
                Ok(Amount(Quantity::from_value(value)))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Amount, E> {
                self.visit_str(&value.to_string())
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Amount, E> {
                self.visit_str(&value.to_string())
            }

            fn visit_unit<E: de::Error>(self) -> Result<Amount, E> {
                Ok(Amount(Quantity::ZERO))
            }
        }

        deserializer.deserialize_any(Text)
    }
}
