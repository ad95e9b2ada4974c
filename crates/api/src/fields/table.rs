//! The fields of all types.

use std::sync::LazyLock;

use loadline_model::Map;

use crate::wire::Kind;

const TEXT: &str = include_str!("table.txt");

/// A type in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TypeId(usize);

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Below {
    /// A value, or a map with keys of its owner's choice.
    Anything,
    /// A type with fields, or a list of them.
    Type(TypeId),
    /// A map from keys of its owner's choice to such a type.
    Values(TypeId),
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Table {
    kinds: Map<&'static str, TypeId>,
    types: Vec<Vec<(&'static str, Below)>>,
}

impl Table {
    /// The table.
    pub(super) fn get() -> &'static Self {
        static TABLE: LazyLock<Table> = LazyLock::new(|| Table::read(TEXT));
        &TABLE
    }

    /// A line is `kind KIND TYPE`, or a type's name and its fields: `name`, `name:TYPE`, `name:*TYPE` for a map. Types stand in front
    /// of those that have them.
    fn read(text: &'static str) -> Self {
        let mut table = Self::default();
        let mut names: Map<&str, TypeId> = Map::default();
        let mut kinds = Vec::new();
        for line in text.lines() {
            let mut words = line.split(' ');
            let name = words.next().unwrap_or_default();
            if name == "kind" {
                kinds.extend(words.next().zip(words.next()));
                continue;
            }
            let known = |name: &str| names.get(name).copied();
            let fields = words.map(|word| match word.split_once(':') {
                None => (word, Below::Anything),
                Some((field, below)) => {
                    let below = match below.strip_prefix('*') {
                        Some(name) => known(name).map(Below::Values),
                        None => known(below).map(Below::Type),
                    };
                    (field, below.unwrap_or(Below::Anything))
                }
            });
            table.types.push(fields.collect());
            names.insert(name, TypeId(table.types.len() - 1));
        }
        table.kinds = kinds.into_iter().filter_map(|(kind, name)| Some((kind, *names.get(name)?))).collect();
        table
    }

    /// The type of a kind's objects.
    pub(super) fn of_kind(&self, kind: Kind) -> Option<TypeId> {
        self.kinds.get(kind.id()).copied()
    }

    /// The fields of a type.
    pub(super) fn fields(&self, of: TypeId) -> &[(&'static str, Below)] {
        &self.types[of.0]
    }

    /// One field of a type, by its name.
    pub(super) fn field(&self, of: TypeId, name: &str) -> Option<Below> {
        self.fields(of).iter().find(|(field, _)| *field == name).map(|(_, below)| *below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_fields_and_every_type_that_is_named_is_known() {
        let table = Table::get();
        for kind in Kind::ALL {
            let found = table.of_kind(*kind).unwrap_or_else(|| panic!("no {}", kind.name()));
            assert_ne!(table.field(found, "metadata"), Some(Below::Anything), "{}", kind.name());
        }
        let named = TEXT.lines().filter(|line| !line.starts_with("kind ")).map(|line| line.matches(':').count());
        let known = table.types.iter().flatten().filter(|(_, below)| *below != Below::Anything).count();
        assert_eq!(known, named.sum::<usize>());
    }
}
