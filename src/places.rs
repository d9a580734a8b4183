//! Counted places: so many in all, and so many for each of those who share them.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// How many places there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// In all.
    pub in_all: usize,
    /// For each of those who share them.
    pub each: usize,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// None is left.
    InAll,
    /// None is left for this one.
    Each,
}

/// Who is in.
pub struct Places<K> {
    room: Room,
    taken: Arc<Mutex<Taken<K>>>,
    count: Counter,
}

/// Hears of every place that is taken (1) and given back (-1).
type Counter = fn(f64);

struct Taken<K> {
    in_all: usize,
    by_whom: HashMap<K, usize>,
}

/// A place, until it is dropped.
pub struct Place<K: Eq + Hash> {
    taken: Arc<Mutex<Taken<K>>>,
    whose: Option<K>,
    count: Counter,
}

impl<K> Clone for Places<K> {
    fn clone(&self) -> Self {
        Self { room: self.room, taken: self.taken.clone(), count: self.count }
    }
}

impl<K: Clone + Eq + Hash> Places<K> {
    /// Free places.
    pub fn new(room: Room, count: Counter) -> Self {
        Self { room, taken: Arc::new(Mutex::new(Taken { in_all: 0, by_whom: HashMap::new() })), count }
    }

    /// As many places, none of them taken.
    pub fn beside(&self) -> Self {
        Self::new(self.room, self.count)
    }

    /// A place. Nobody's are only counted in all.
    pub fn take(&self, whose: Option<K>) -> Result<Place<K>, Full> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.in_all >= self.room.in_all {
            return Err(Full::InAll);
        }
        if let Some(whose) = &whose {
            let theirs = taken.by_whom.get(whose).copied().unwrap_or(0);
            if theirs >= self.room.each {
                return Err(Full::Each);
            }
            taken.by_whom.insert(whose.clone(), theirs + 1);
        }
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
        if let Some(whose) = &self.whose
            && let Some(theirs) = taken.by_whom.get_mut(whose)
        {
            *theirs -= 1;
            if *theirs == 0 {
                taken.by_whom.remove(whose);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(in_all: usize, each: usize) -> Places<&'static str> {
        Places::new(Room { in_all, each }, |_| ())
    }

    #[test]
    fn each_has_a_share_and_others_the_rest() {
        let places = places(3, 2);
        let mine = [places.take(Some("mine")).ok().unwrap(), places.take(Some("mine")).ok().unwrap()];
        assert_eq!(places.take(Some("mine")).err(), Some(Full::Each));
        let other = places.take(Some("other")).ok().unwrap();
        assert_eq!(places.take(Some("third")).err(), Some(Full::InAll));
        drop(mine);
        assert!(places.take(Some("mine")).is_ok());
        drop(other);
        // Who has none is not remembered.
        assert!(places.taken.lock().unwrap().by_whom.is_empty());
    }

    #[test]
    fn nobodys_places_are_counted_in_all_only() {
        let places = places(3, 1);
        let taken: Vec<_> = (0..3).map(|_| places.take(None).ok().unwrap()).collect();
        assert_eq!(places.take(None).err(), Some(Full::InAll));
        assert!(places.beside().take(None).is_ok());
        drop(taken);
        assert!(places.take(None).is_ok());
    }
}
