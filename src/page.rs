//! Pages of lists: one row more than a page is read, which tells whether there is another one.

use crate::domain::Invalid;

/// The most that a caller may ask for on a page.
const MOST: usize = 100;

/// How many things there are to be on a page, as its caller asks.
pub fn size(asked: Option<i64>, default: usize) -> Result<usize, Invalid> {
    let Some(asked) = asked else { return Ok(default) };
    let size = usize::try_from(asked).ok().filter(|size| (1..=MOST).contains(size));
    size.ok_or(Invalid::new("limit", "from 1 to 100"))
}

/// How many rows to read for a page of this size.
pub fn rows_to_read(size: usize) -> i64 {
    i64::try_from(size.saturating_add(1)).unwrap_or(i64::MAX)
}

/// Cuts what was read to a page. If there is another one, it begins behind the last row of this one, which is returned.
pub fn cut<T>(rows: &mut Vec<T>, size: usize) -> Option<&T> {
    let has_more = rows.len() > size;
    rows.truncate(size);
    rows.last().filter(|_| has_more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_the_last_one_when_no_row_follows_it() {
        let mut rows = vec![1, 2, 3];
        assert_eq!(cut(&mut rows, 3), None);
        assert_eq!(cut(&mut rows, 2), Some(&2));
        assert_eq!((rows, rows_to_read(2)), (vec![1, 2], 3));
        assert_eq!(cut::<()>(&mut vec![], 2), None);
    }

    #[test]
    fn a_caller_may_ask_for_up_to_a_hundred() {
        assert_eq!((size(None, 20), size(Some(1), 20), size(Some(100), 20)), (Ok(20), Ok(1), Ok(100)));
        for asked in [0, -1, 101, i64::MAX] {
            let refused = size(Some(asked), 20).map_err(|error| error.to_string());
            assert_eq!(refused, Err("limit must be from 1 to 100".to_owned()), "{asked}");
        }
    }
}
