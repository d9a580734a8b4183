//! Pages of lists: one row more than a page is read, which tells whether there is another one.

/// How many rows to read for a page of this size.
pub fn rows_to_read(size: usize) -> i64 {
    i64::try_from(size.saturating_add(1)).unwrap_or(i64::MAX)
}

/// Cuts what was read to a page; whether there is more.
pub fn cut<T>(rows: &mut Vec<T>, size: usize) -> bool {
    let has_more = rows.len() > size;
    rows.truncate(size);
    has_more
}
