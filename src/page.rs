//! Pages of lists: one row more than a page is read, which tells whether there is another one.

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
}
