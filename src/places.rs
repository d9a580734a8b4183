//! Counted places: so many in all, and so many for each of those who share them.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    InAll,
    /// None is left for this one.
    Each,
}

pub struct Places<K> {
    in_all: usize,
    taken: Arc<Mutex<TakenPlaces<K>>>,
    count: Counter,
}

/// Hears of every place that is taken (1) and given back (-1).
type Counter = fn(f64);

struct TakenPlaces<K> {
    in_all: usize,
    by_whom: HashMap<K, usize>,
}

/// A place, until it is dropped.
pub struct Place<K: Eq + Hash> {
    taken: Arc<Mutex<TakenPlaces<K>>>,
    whose: Vec<K>,
    count: Counter,
}

impl<K> Clone for Places<K> {
    fn clone(&self) -> Self {
        Self { in_all: self.in_all, taken: self.taken.clone(), count: self.count }
    }
}

impl<K: Clone + Eq + Hash> Places<K> {
    /// So many free places.
    pub fn new(in_all: usize, count: Counter) -> Self {
        Self {
            in_all,
            taken: Arc::new(Mutex::new(TakenPlaces { in_all: 0, by_whom: HashMap::new() })),
            count,
        }
    }

    /// As many places, none of them taken.
    pub fn beside(&self) -> Self {
        Self::new(self.in_all, self.count)
    }

    /// A place. It counts as one of each of these, who may have so many; nobody's are only counted in all.
    pub fn take(&self, shares: &[(K, usize)]) -> Result<Place<K>, Full> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.in_all >= self.in_all {
            return Err(Full::InAll);
        }
        if shares.iter().any(|(whose, most)| taken.by_whom.get(whose).is_some_and(|theirs| theirs >= most)) {
            return Err(Full::Each);
        }
        let whose: Vec<K> = shares.iter().map(|(whose, _)| whose.clone()).collect();
        whose.iter().for_each(|whose| *taken.by_whom.entry(whose.clone()).or_default() += 1);
        taken.in_all += 1;
        (self.count)(1.0);
        Ok(Place { taken: self.taken.clone(), whose, count: self.count })
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.in_all -= 1;
        (self.count)(-1.0);
        for whose in &self.whose {
            if let Some(theirs) = taken.by_whom.get_mut(whose) {
                *theirs -= 1;
                if *theirs == 0 {
                    taken.by_whom.remove(whose);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(in_all: usize) -> Places<&'static str> {
        Places::new(in_all, |_| ())
    }

    #[test]
    fn each_has_a_share_and_others_the_rest() {
        let places = places(3);
        let take = |whose| places.take(&[(whose, 2)]);
        let mine = [take("mine").ok().unwrap(), take("mine").ok().unwrap()];
        assert_eq!(take("mine").err(), Some(Full::Each));
        let other = take("other").ok().unwrap();
        assert_eq!(take("third").err(), Some(Full::InAll));
        drop(mine);
        assert!(take("mine").is_ok());
        drop(other);
        // Who has none is not remembered.
        assert!(places.taken.lock().unwrap().by_whom.is_empty());
    }

    #[test]
    fn a_place_counts_among_those_of_all_who_share_it() {
        let places = places(9);
        let take = |customer| places.take(&[(customer, 2), ("shop", 3)]);
        let taken: Vec<_> =
            ["a", "a", "b"].into_iter().map(|customer| take(customer).ok().unwrap()).collect();
        assert_eq!((take("a").err(), take("b").err()), (Some(Full::Each), Some(Full::Each)));
        assert!(places.take(&[("b", 2), ("another shop", 3)]).is_ok());
        drop(taken);
        assert!(take("b").is_ok());
    }

    #[test]
    fn nobodys_places_are_counted_in_all_only() {
        let places = places(3);
        let taken: Vec<_> = (0..3).map(|_| places.take(&[]).ok().unwrap()).collect();
        assert_eq!(places.take(&[]).err(), Some(Full::InAll));
        assert!(places.beside().take(&[]).is_ok());
        drop(taken);
        assert!(places.take(&[]).is_ok());
    }
}
