//! Sorting with one copy of the algorithm for all types: the standard library's is compiled anew for each, which
//! was a twentieth of the binary.

mod map;

pub use map::{Map, Set};
use std::cmp::Ordering;

/// Sorts by `compare`; equal items keep their order. Costs eight bytes an item while it runs.
pub(crate) fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let shared: &[T] = items;
    let mut order = sorted(shared.len(), &|a, b| compare(&shared[a], &shared[b]));
    // Each circle of displaced items is turned once.
    for start in 0..order.len() {
        let mut at = start;
        while order[at] != start {
            let from = std::mem::replace(&mut order[at], at);
            items.swap(at, from);
            at = from;
        }
        order[at] = at;
    }
}

/// Sorts by a key; equal items keep their order.
pub(crate) fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    sort_by(items, |a, b| key(a).cmp(&key(b)));
}

/// Sorts.
pub(crate) fn sort<T: Ord>(items: &mut [T]) {
    sort_by(items, T::cmp);
}

/// Collecting pairs into a map. The standard library's `collect` sorts them first, with a copy of the algorithm for
/// each map; inserting them is no slower for the handful that these are.
pub(crate) trait Pairs: Iterator + Sized {
    /// All pairs as a map; of equal keys the last one wins.
    fn mapped<M: Default + Extend<Self::Item>>(self) -> M {
        let mut map = M::default();
        map.extend(self);
        map
    }

    /// All pairs as a map, or the first error.
    fn try_mapped<P, E, M: Default + Extend<P>>(self) -> Result<M, E>
    where
        Self: Iterator<Item = Result<P, E>>,
    {
        let mut map = M::default();
        for pair in self {
            map.extend(Some(pair?));
        }
        Ok(map)
    }
}

impl<I: Iterator> Pairs for I {}

/// The places of `count` items in order.
fn sorted(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_unstable_by(|a, b| compare(*a, *b).then(a.cmp(b)));
    order
}

#[cfg(test)]
mod tests {
    use super::Pairs;
    use std::collections::BTreeMap;

    #[test]
    fn pairs_become_a_map_and_the_last_of_equal_ones_wins() {
        let map: BTreeMap<u8, char> = [(2, 'a'), (1, 'b'), (2, 'c')].into_iter().mapped();
        assert_eq!(map, BTreeMap::from([(1, 'b'), (2, 'c')]));
        let read = |texts: &[&str]| -> Result<BTreeMap<u8, ()>, String> {
            texts.iter().map(|t| t.parse().map(|n| (n, ())).map_err(|_| (*t).to_owned())).try_mapped()
        };
        assert_eq!(read(&["3", "1"]).unwrap().len(), 2);
        assert_eq!(read(&["3", "x", "y"]), Err("x".to_owned()));
    }

    #[test]
    fn items_come_in_order_and_equal_ones_keep_theirs() {
        for count in 0..60u64 {
            let mut ours: Vec<(u64, u64)> = (0..count).map(|n| (n * 7919 % 11, n)).collect();
            let mut theirs = ours.clone();
            super::sort_by_key(&mut ours, |(key, _)| *key);
            theirs.sort_by_key(|(key, _)| *key);
            assert_eq!(ours, theirs);
            let mut texts: Vec<String> = ours.iter().map(|(_, n)| format!("{}", n * 31 % 17)).collect();
            super::sort(&mut texts);
            assert!(texts.is_sorted());
        }
    }
}
