//! The vocabulary in which answers are described: rows, their keys, and where a value goes.

/// An object of an answer.
pub trait Row {
    /// Where the value of `key` goes; `None` for keys that nobody reads.
    fn slot(&mut self, key: &str) -> Option<Slot<'_>>;
}

/// Something that takes objects: a list, or a place for one.
pub trait Rows {
    /// A new, empty row.
    fn add(&mut self) -> &mut dyn Row;
}

/// A place for a value, and how the value is read.
pub enum Slot<'a> {
    /// Text; a number is written out, anything else is empty.
    Text(&'a mut String),
    /// Text as it is; a number without decimals.
    TextOrWhole(&'a mut String),
    Integer(&'a mut Option<i64>),
    /// A size or a counter: a whole number that is not negative.
    Size(&'a mut Option<i64>),
    Number(&'a mut Option<f64>),
    Boolean(&'a mut Option<bool>),
    /// A list of numbers, e.g. load averages; what is no number is left out.
    Numbers(&'a mut Vec<f64>),
    NumberItem(&'a mut Vec<f64>),
    /// A list of texts; what is no text is left out.
    Texts(&'a mut Vec<String>),
    TextItem(&'a mut Vec<String>),
    /// An object; it keeps its defaults when something else stands there.
    Object(&'a mut dyn Row),
    /// An object, or a bare text that stands for the field named.
    Word(&'a mut dyn Row, &'static str),
    /// One object that is added; anything else is not.
    Entry(&'a mut dyn Rows),
    /// As [`Slot::Entry`], or a bare text that stands for the field named.
    WordEntry(&'a mut dyn Rows, &'static str),
    /// A list of objects; empty when something else stands there.
    Items(&'a mut dyn Rows),
    /// A list of objects or bare texts that stand for the field named.
    Words(&'a mut dyn Rows, &'static str),
}

/// An object of type `T` if an object stands here.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Maybe<T>(pub Option<T>);

impl<T: Row + Default> Rows for Maybe<T> {
    fn add(&mut self) -> &mut dyn Row {
        self.0.insert(T::default())
    }
}

impl<T: Row + Default> Rows for Vec<T> {
    fn add(&mut self) -> &mut dyn Row {
        self.push(T::default());
        let last = self.len() - 1;
        &mut self[last]
    }
}

impl<T: Row> Row for Box<T> {
    fn slot(&mut self, key: &str) -> Option<Slot<'_>> {
        T::slot(self, key)
    }
}

/// An object whose keys are names.
impl<T: Default + Row> Row for crate::order::Map<String, Maybe<T>> {
    fn slot(&mut self, key: &str) -> Option<Slot<'_>> {
        Some(Slot::Entry(self.entry(key.to_owned()).or_default()))
    }
}

/// Declares rows: every line is a field, the sort of its value and, where it differs, its key.
macro_rules! rows {
    ($($(#[$doc:meta])* $vis:vis struct $row:ident { $($(#[$about:meta])* $field:ident: $sort:ident $(<$of:ty>)? $(= $key:literal)?,)* })*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq)]
        $vis struct $row { $($(#[$about])* pub $field: $crate::proxmox::rows::sort!($sort $($of)?),)* }

        impl $crate::proxmox::rows::Row for $row {
            fn slot(&mut self, key: &str) -> Option<$crate::proxmox::rows::Slot<'_>> {
                $(if key == $crate::proxmox::rows::key!($field $($key)?) {
                    return Some($crate::proxmox::rows::slot!($sort (&mut self.$field) $($of)?));
                })*
                None
            }
        }

        impl<'de> serde::Deserialize<'de> for $row {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<$row, D::Error> {
                $crate::proxmox::lenient::row(d)
            }
        }
    )* };
}

/// The Rust type of a sort.
macro_rules! sort {
    (text) => { String };
    (text_or_whole) => { String };
    (integer) => { Option<i64> };
    (size) => { Option<i64> };
    (number) => { Option<f64> };
    (boolean) => { Option<bool> };
    (numbers) => { Vec<f64> };
    (texts) => { Vec<String> };
    (object $of:ty) => { $of };
    (word $of:ty) => { $of };
    (maybe $of:ty) => { $crate::proxmox::rows::Maybe<$of> };
    (items $of:ty) => { Vec<$of> };
    (words $of:ty) => { Vec<$of> };
}

/// The slot of a sort.
macro_rules! slot {
    (text ($at:expr)) => {
        $crate::proxmox::rows::Slot::Text($at)
    };
    (text_or_whole ($at:expr)) => {
        $crate::proxmox::rows::Slot::TextOrWhole($at)
    };
    (integer ($at:expr)) => {
        $crate::proxmox::rows::Slot::Integer($at)
    };
    (size ($at:expr)) => {
        $crate::proxmox::rows::Slot::Size($at)
    };
    (number ($at:expr)) => {
        $crate::proxmox::rows::Slot::Number($at)
    };
    (boolean ($at:expr)) => {
        $crate::proxmox::rows::Slot::Boolean($at)
    };
    (numbers ($at:expr)) => {
        $crate::proxmox::rows::Slot::Numbers($at)
    };
    (texts ($at:expr)) => {
        $crate::proxmox::rows::Slot::Texts($at)
    };
    (object ($at:expr) $of:ty) => {
        $crate::proxmox::rows::Slot::Object($at)
    };
    (word ($at:expr) $of:ty) => {
        $crate::proxmox::rows::Slot::Word($at, <$of>::WORD)
    };
    (maybe ($at:expr) $of:ty) => {
        $crate::proxmox::rows::Slot::Entry($at)
    };
    (items ($at:expr) $of:ty) => {
        $crate::proxmox::rows::Slot::Items($at)
    };
    (words ($at:expr) $of:ty) => {
        $crate::proxmox::rows::Slot::Words($at, <$of>::WORD)
    };
}

/// The key of a field.
macro_rules! key {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}

pub(in crate::proxmox) use {key, rows, slot, sort};
