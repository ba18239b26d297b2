//! A value that is lent: cloning shares it, writing copies it while somebody else still reads it. Large parts of the
//! state are lent to whoever compares, sends or previews it, so that nothing is copied that did not change.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// `T`, shared until somebody writes.
#[derive(Debug, Default)]
pub struct Lent<T>(Arc<T>);

impl<T> Clone for Lent<T> {
    fn clone(&self) -> Lent<T> {
        Lent(self.0.clone())
    }
}

impl<T> Lent<T> {
    /// Whether both are one and the same, without a look at the content.
    pub fn same(&self, other: &Lent<T>) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> From<T> for Lent<T> {
    fn from(value: T) -> Lent<T> {
        Lent(Arc::new(value))
    }
}

impl<T> Deref for Lent<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Lent<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

/// What is one and the same is equal without a look.
impl<T: PartialEq> PartialEq for Lent<T> {
    fn eq(&self, other: &Lent<T>) -> bool {
        self.same(other) || self.0 == other.0
    }
}

impl<T: Serialize> Serialize for Lent<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        T::serialize(&self.0, to)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Lent<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Lent<T>, D::Error> {
        T::deserialize(from).map(Lent::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_leaves_what_others_read() {
        let mut mine = Lent::from(vec![1]);
        let theirs = mine.clone();
        assert!(mine == theirs);
        mine.push(2);
        assert_eq!((mine.as_slice(), theirs.as_slice()), ([1, 2].as_slice(), [1].as_slice()));
    }
}
